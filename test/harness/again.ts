// As the api does it: a run that hands over refuses, and a task that was lost fails the update; the same command is sent again.
import { isGrpcServiceError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';

const GRPC_FAILED_PRECONDITION = 9;
const MOST_ATTEMPTS = 100;

export async function untilTaken<T>(send: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send();
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined;
      const draining = error instanceof WorkflowUpdateFailedError && cause instanceof ApplicationFailure && cause.type === 'draining';
      const taskFailed = isGrpcServiceError(cause) && cause.code === GRPC_FAILED_PRECONDITION;
      if (attempt === MOST_ATTEMPTS || !(draining || taskFailed)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
