// What the api asks of a resource's workflow. Tests give another implementation.
import type { PlanPolicy } from '../../shared/plans';
import type { ResourceLimits, ResourceSpec } from '../../shared/resourcetype';
import type { CommandAnswer, DeleteRequest } from '../../workflows/resource/messages';

export type LifecycleCommand =
  | { type: 'extend'; ttlMs: number }
  | { type: 'pause' }
  | { type: 'resume' }
  | { type: 'suspend'; reason: string }
  | { type: 'unsuspend' }
  | { type: 'rotate' }
  | { type: 'isolate' }
  | { type: 'claim'; teamId: string; policy: PlanPolicy; limits: ResourceLimits; ttlMs: number | null; kindCount: number }
  | { type: 'update'; name?: string; labels?: Record<string, string> };

export interface CommandRequest {
  command: LifecycleCommand;
  /** The same id is the same command, whatever happens to it. */
  commandId: string;
  /** Rebuilt from the row: a run that is gone is started anew with it. */
  spec: ResourceSpec;
}

/** `failed`: what the workflow said; the row decides whether that still holds. */
export type ReadyOutcome = { outcome: 'ready' } | { outcome: 'failed'; error: unknown } | { outcome: 'deadline' };

export interface PendingActivity {
  activity: string;
  attempt: number;
  state: string;
  last_failure: string | null;
}

/** The `lifecycle` block of an answer, in wire names. */
export interface LifecycleBlock {
  workflow_id: string;
  run_id: string;
  next_step: string | null;
  next_step_at: string | null;
  pending: PendingActivity[];
  history_length: number;
  ui_url: string;
}

export type RunState = 'running' | 'closed' | 'absent';

export interface LifecyclePort {
  /** Starts the resource, or joins its running workflow, and waits until it is ready. */
  startAndWait(spec: ResourceSpec, options: { timeoutMs: number }): Promise<ReadyOutcome>;
  /** Starts it, or finds it running. */
  start(spec: ResourceSpec): Promise<void>;
  /** Waits for the workflow's answer. @throws what the workflow refused with, or `timeout` */
  command(request: CommandRequest): Promise<CommandAnswer>;
  /** Durable when it returns, also where no workflow was left. */
  remove(spec: ResourceSpec, request: DeleteRequest): Promise<void>;
  /** null when the orchestrator does not answer within 300 ms, or knows no such run. */
  describe(resourceId: string): Promise<LifecycleBlock | null>;
  runState(resourceId: string): Promise<RunState>;
}
