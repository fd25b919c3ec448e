// The platform's bookkeeping as the workflows see it: plain data in, plain data out.
import type { ErrorCode, ErrorDetails } from '../../shared/errors';
import type { ActorRef, QuotaAction, ResourceRow, ResourceSpec } from '../../shared/resourcetype';

export interface ReserveRequest {
  spec: ResourceSpec;
  /** First execution run id: continue-as-new keeps it, a new run has another. */
  ownerRun: string;
  workflowStartedAtMs: number;
  /** Workflow start + TTL; null = never. An adopted row keeps its own. */
  expiresAtMs: number | null;
}

export type ReserveAnswer =
  | { outcome: 'created'; row: ResourceRow }
  | { outcome: 'adopted'; row: ResourceRow }
  | { outcome: 'terminal'; row: ResourceRow }
  | { outcome: 'rejected'; code: ErrorCode; message: string; details: ErrorDetails };

/** The names of what is announced; a version is added in `shared/events`. */
export type ResourceEventType =
  | 'resource.reserved'
  | 'resource.active'
  | 'resource.failed'
  | 'resource.expiring'
  | 'resource.extended'
  | 'resource.paused'
  | 'resource.resumed'
  | 'resource.suspended'
  | 'resource.unsuspended'
  | 'resource.expired'
  | 'resource.credentials_rotated'
  | 'resource.credentials_retired'
  | 'resource.claimed'
  | 'resource.updated'
  | 'resource.scaled'
  | 'resource.storage_exceeded'
  | 'resource.storage_recovered'
  | 'resource.command_refused'
  | 'resource.deleting'
  | 'resource.delete_failed'
  | 'resource.deleted'
  | 'resource.adopted';

export interface TransitionRequest {
  ownerRun: string;
  /** The whole row as it shall be; its `revision` is the expected one plus one. */
  row: ResourceRow;
  event: { type: ResourceEventType; data: Record<string, string | number | boolean | null> };
  actor: ActorRef;
  requestId: string | null;
  /** The command that this is for: what tells a repeated attempt from another command. */
  commandId: string | null;
  /** Virtual time of the workflow, never a clock of the worker. */
  atMs: number;
}

export type TransitionAnswer =
  /** `row` is set when an attempt before this one wrote it: the facts as stored, which may be a moment older than those asked for. */
  | { outcome: 'written'; row?: ResourceRow }
  /** A worker that died before it could tell took this run another way: nothing was written now, the row stands as given. */
  | { outcome: 'moved'; row: ResourceRow; events: WrittenEvent[] }
  /** Another run owns the row now. */
  | { outcome: 'superseded' };

/** What the lost attempt wrote, and for whom, so that no command takes effect twice. */
export interface WrittenEvent {
  type: ResourceEventType;
  commandId: string | null;
  data: TransitionRequest['event']['data'];
}

export interface PlatformActivities {
  reserve(request: ReserveRequest): Promise<ReserveAnswer>;
  transition(request: TransitionRequest): Promise<TransitionAnswer>;
  /** Creates and stores a credential version if it is not there yet, before the backend hears of it. */
  prepareCredential(request: { resourceId: string; version: number }): Promise<void>;
}

/** A resource whose stored bytes crossed a threshold. */
export interface QuotaFinding {
  resourceId: string;
  bytes: number;
  action: QuotaAction;
}
