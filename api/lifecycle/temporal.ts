// `LifecyclePort` on Temporal.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Client,
  isGrpcDeadlineError,
  isGrpcServiceError,
  WithStartWorkflowOperation,
  type WorkflowExecutionDescription,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
} from '@temporalio/client';
import type { UpdateDefinition } from '@temporalio/common';
import { decodeOptionalFailureToOptionalError } from '@temporalio/common/lib/internal-non-workflow';
import type { ResourceSpec } from '../../shared/resourcetype';
import { sanitizeText } from '../../shared/sanitize';
import {
  type CommandAnswer,
  claimUpdate,
  deleteSignal,
  extendUpdate,
  isolateUpdate,
  pauseUpdate,
  READY_UPDATE_ID,
  RESOURCE_WORKFLOW_TYPE,
  type ResourceInput,
  type ResourceMemo,
  readyUpdate,
  resourceWorkflowId,
  resumeUpdate,
  rotateUpdate,
  suspendUpdate,
  unsuspendUpdate,
  updateUpdate,
} from '../../workflows/resource/messages';
import { ApiError, toLeaseholdError } from '../errors';
import type { CommandRequest, LifecycleBlock, LifecycleCommand, LifecyclePort, PendingActivity, ReadyOutcome, RunState } from './port';
import { startOptions } from './startoptions';

type ResourceWorkflow = (input: ResourceInput) => Promise<unknown>;

const COMMAND_TIMEOUT_MS = 22_000;
const DESCRIBE_TIMEOUT_MS = 300;
const RPC_TIMEOUT_MS = 5_000;
/** A run that hands over to the next one refuses commands for so long at most. */
const DRAINING_MS = 3_000;
const DRAINING_PAUSE_MS = 100;
const GRPC_FAILED_PRECONDITION = 9;

interface UpdateCall {
  definition: UpdateDefinition<CommandAnswer, [object]>;
  args: [object];
}

function updateCall({ command, commandId, spec }: CommandRequest): UpdateCall {
  const meta = { actor: spec.actor, requestId: spec.requestId, commandId };
  const call = (definition: unknown, fields: object = {}): UpdateCall => ({
    definition: definition as UpdateCall['definition'],
    args: [{ ...fields, ...meta }],
  });
  switch (command.type) {
    case 'extend':
      return call(extendUpdate, { ttlMs: command.ttlMs });
    case 'pause':
      return call(pauseUpdate);
    case 'resume':
      return call(resumeUpdate);
    case 'suspend':
      return call(suspendUpdate, { reason: command.reason });
    case 'unsuspend':
      return call(unsuspendUpdate);
    case 'rotate':
      return call(rotateUpdate);
    case 'isolate':
      return call(isolateUpdate);
    case 'claim': {
      const { type: _, ...claim } = command;
      return call(claimUpdate, claim);
    }
    case 'update':
      return call(updateUpdate, fieldsOfUpdate(command));
  }
}

function fieldsOfUpdate({ name, labels }: Extract<LifecycleCommand, { type: 'update' }>): object {
  return { ...(name === undefined ? {} : { name }), ...(labels === undefined ? {} : { labels }) };
}

function withStart(spec: ResourceSpec): WithStartWorkflowOperation<ResourceWorkflow> {
  return new WithStartWorkflowOperation<ResourceWorkflow>(RESOURCE_WORKFLOW_TYPE, startOptions(spec));
}

export interface TemporalLifecycleOptions {
  client: Client;
  /** Base of the Temporal UI, without a slash at its end. */
  uiUrl: string;
}

export class TemporalLifecycle implements LifecyclePort {
  readonly #client: Client;
  readonly #uiUrl: string;

  constructor(options: TemporalLifecycleOptions) {
    this.#client = options.client;
    this.#uiUrl = options.uiUrl;
  }

  async startAndWait(spec: ResourceSpec, { timeoutMs }: { timeoutMs: number }): Promise<ReadyOutcome> {
    const endsAtMs = Date.now() + timeoutMs;
    for (;;) {
      try {
        await this.#within(Math.max(1, endsAtMs - Date.now()), () =>
          this.#client.workflow.executeUpdateWithStart(readyUpdate, { updateId: READY_UPDATE_ID, startWorkflowOperation: withStart(spec) }),
        );
        return { outcome: 'ready' };
      } catch (error) {
        // A worker died with the run's first task: the run is there, and `ready` is asked again.
        if (isTaskFailure(error) && Date.now() < endsAtMs) await sleep(DRAINING_PAUSE_MS);
        else if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isDeadline(error)) return { outcome: 'deadline' };
        else if (error instanceof WorkflowUpdateFailedError) return { outcome: 'failed', error };
        else throw error;
      }
    }
  }

  async start(spec: ResourceSpec): Promise<void> {
    await this.#within(RPC_TIMEOUT_MS, () => this.#client.workflow.start<ResourceWorkflow>(RESOURCE_WORKFLOW_TYPE, startOptions(spec)));
  }

  async command(request: CommandRequest): Promise<CommandAnswer> {
    const call = updateCall(request);
    const endsAtMs = Date.now() + COMMAND_TIMEOUT_MS;
    const drainedAtMs = Date.now() + DRAINING_MS;
    for (;;) {
      try {
        return await this.#within(Math.max(1, endsAtMs - Date.now()), () => this.#update(request, call));
      } catch (error) {
        const known = error instanceof WorkflowUpdateFailedError ? toLeaseholdError(error) : error;
        const draining = known instanceof Error && 'code' in known && known.code === 'draining';
        if ((draining && Date.now() < drainedAtMs) || (isTaskFailure(error) && Date.now() < endsAtMs)) {
          await sleep(DRAINING_PAUSE_MS);
          continue;
        }
        if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isDeadline(error)) {
          throw new ApiError({
            code: 'timeout',
            message: 'The command was not acknowledged in time; its effect may still come. Read the resource before repeating it.',
            cause: error,
          });
        }
        throw known;
      }
    }
  }

  async remove(spec: ResourceSpec, request: Parameters<LifecyclePort['remove']>[1]): Promise<void> {
    await this.#within(RPC_TIMEOUT_MS, () =>
      this.#client.workflow.signalWithStart<ResourceWorkflow, [typeof request]>(RESOURCE_WORKFLOW_TYPE, {
        ...startOptions(spec),
        signal: deleteSignal as never,
        signalArgs: [request],
      }),
    );
  }

  async describe(resourceId: string): Promise<LifecycleBlock | null> {
    const handle = this.#client.workflow.getHandle(resourceWorkflowId(resourceId));
    // The deadline is gRPC's; the race is for a connection that is still being made.
    const late = sleep(DESCRIBE_TIMEOUT_MS, null, { ref: false });
    const described = this.#within(DESCRIBE_TIMEOUT_MS, () => handle.describe())
      .then((description) => this.#block(description))
      .catch(() => null);
    return await Promise.race([described, late]);
  }

  async runState(resourceId: string): Promise<RunState> {
    try {
      const description = await this.#within(RPC_TIMEOUT_MS, () =>
        this.#client.workflow.getHandle(resourceWorkflowId(resourceId)).describe(),
      );
      return description.status.name === 'RUNNING' || description.status.name === 'PAUSED' ? 'running' : 'closed';
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return 'absent';
      throw error;
    }
  }

  /** A run that is gone (terminated, forgotten) is started anew: `reserve` adopts the row, and the command goes on. */
  async #update(request: CommandRequest, call: UpdateCall): Promise<CommandAnswer> {
    const handle = this.#client.workflow.getHandle(resourceWorkflowId(request.spec.resourceId));
    try {
      return await handle.executeUpdate(call.definition, { args: call.args, updateId: request.commandId });
    } catch (error) {
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
    return await this.#client.workflow.executeUpdateWithStart(call.definition, {
      args: call.args,
      updateId: request.commandId,
      startWorkflowOperation: withStart(request.spec),
    });
  }

  #within<T>(timeoutMs: number, work: () => Promise<T>): Promise<T> {
    return this.#client.connection.withDeadline(Date.now() + timeoutMs, work);
  }

  async #block(description: WorkflowExecutionDescription): Promise<LifecycleBlock> {
    const memo: Partial<ResourceMemo> = description.memo ?? {};
    const { workflowId, runId } = description;
    const namespace = this.#client.options.namespace;
    return {
      workflow_id: workflowId,
      run_id: runId,
      next_step: memo.nextStep ?? null,
      next_step_at: memo.nextStepAt ?? null,
      pending: await Promise.all((description.raw.pendingActivities ?? []).map((activity) => this.#pending(activity))),
      history_length: description.historyLength,
      ui_url: `${this.#uiUrl}/namespaces/${encodeURIComponent(namespace)}/workflows/${encodeURIComponent(workflowId)}/${encodeURIComponent(runId)}`,
    };
  }

  /** What failures say may be encrypted. */
  async #pending(activity: RawPendingActivity): Promise<PendingActivity> {
    const failure = await decodeOptionalFailureToOptionalError(this.#client.options.loadedDataConverter, activity.lastFailure);
    return {
      activity: activity.activityType?.name ?? 'unknown',
      attempt: activity.attempt ?? 1,
      state: ACTIVITY_STATES[activity.state ?? 0] ?? 'unspecified',
      last_failure: failure?.message ? sanitizeText(failure.message).slice(0, 500) : null,
    };
  }
}

type RawPendingActivity = NonNullable<WorkflowExecutionDescription['raw']['pendingActivities']>[number];

const ACTIVITY_STATES = ['unspecified', 'scheduled', 'started', 'cancel_requested', 'paused', 'pause_requested'];

/** A run that was about to hand over when the command came in: its task is done anew, and the command with it. */
function isTaskFailure(error: unknown): boolean {
  const cause = error instanceof Error ? error.cause : undefined;
  return (
    isGrpcServiceError(cause) && cause.code === GRPC_FAILED_PRECONDITION && /workflow task (failure|in failed state)/i.test(cause.details)
  );
}

function isDeadline(error: unknown): boolean {
  const cause = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  return isGrpcDeadlineError(cause);
}
