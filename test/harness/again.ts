// As the api does it: a run that hands over refuses, and a task that was lost fails the update; the same command is sent again.
import { isGrpcServiceError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';

const GRPC_FAILED_PRECONDITION = 9;
const PATIENCE_MS = 60_000;

export async function untilTaken<T>(send: () => Promise<T>): Promise<T> {
  // From the first refusal on: the call itself may have waited for long, such as for a worker that was killed under it.
  let endsAtMs: number | undefined;
  for (;;) {
    try {
      return await send();
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      const draining = error instanceof WorkflowUpdateFailedError && cause instanceof ApplicationFailure && cause.type === 'draining';
      const taskFailed = isGrpcServiceError(cause) && cause.code === GRPC_FAILED_PRECONDITION;
      endsAtMs ??= Date.now() + PATIENCE_MS;
      if (Date.now() > endsAtMs || !(draining || taskFailed)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
