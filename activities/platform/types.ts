// The platform's bookkeeping as the workflows see it: plain data in, plain data out.
import type { ErrorCode, ErrorDetails } from '../../shared/errors';
import type { ResourceEventDraft, ResourceEventType } from '../../shared/events/types';
import type { ActorRef, QuotaAction, ResourceRow, ResourceSpec } from '../../shared/resourcetype';
import type { ConnectionDetails } from '../backend';

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

/** What is announced, by type; each has its schema in `shared/events`. */
export type { ResourceEventDraft };

export interface TransitionRequest {
  ownerRun: string;
  /** The whole row as it shall be; its `revision` is the expected one plus one. */
  row: ResourceRow;
  event: ResourceEventDraft;
  actor: ActorRef;
  requestId: string | null;
  /** The command that this is for: what tells a repeated attempt from another command. */
  commandId: string | null;
  /** Virtual time of the workflow, never a clock of the worker. */
  atMs: number;
  /** A claim: how many of the kind the new owner may hold, -1 = no limit. Over it, the transition fails with the kind's code. */
  kindCount?: number;
  /** What clients connect with changes with this: the details of the backend that the row goes to. */
  details?: ConnectionDetails;
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
  /** As stored: an older build may have written it. */
  data: Record<string, string | number | boolean | null>;
}

/** Where a resource of an open server goes. */
export type IsolationTarget = { outcome: 'target'; backendName: string } | { outcome: 'refused'; code: ErrorCode; message: string };

export interface PlatformActivities {
  reserve(request: ReserveRequest): Promise<ReserveAnswer>;
  transition(request: TransitionRequest): Promise<TransitionAnswer>;
  /** Creates and stores a credential version if it is not there yet, before the backend hears of it. */
  prepareCredential(request: { resourceId: string; version: number }): Promise<void>;
  /** Looks for a backend with accounts and room; changes nothing. */
  chooseIsolation(request: { resourceId: string }): Promise<IsolationTarget>;
}

/** A resource whose stored bytes crossed a threshold. */
export interface QuotaFinding {
  resourceId: string;
  bytes: number;
  action: QuotaAction;
}
