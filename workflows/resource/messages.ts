// The resource workflow's public face: its id, its start argument, and every update, signal and query by name.
// The api imports this file and nothing else of the workflows.
import { defineQuery, defineSignal, defineUpdate } from '@temporalio/workflow';
import type { ErrorCode, ErrorDetails } from '../../shared/errors';
import type { PlanPolicy } from '../../shared/plans/types';
import type { ResourceStatus } from '../../shared/resourcestatus';
import type { ActorRef, QuotaAction, ResourceLimits, ResourceRow, ResourceSpec } from '../../shared/resourcetype';

export type { ActorRef, Owner, QuotaAction, ReservationQuota, ResourceLimits, ResourceRow, ResourceSpec } from '../../shared/resourcetype';

export const RESOURCE_WORKFLOW_TYPE = 'resource';
/** `ready` always has this update id, so that any number of waiters share one update. */
export const READY_UPDATE_ID = 'ready';

export function resourceWorkflowId(resourceId: string): string {
  return `resource/${resourceId}`;
}

/** The resource's id, or null when the workflow is none of ours. */
export function resourceIdFromWorkflowId(workflowId: string): string | null {
  return workflowId.startsWith('resource/') ? workflowId.slice('resource/'.length) : null;
}

export interface ResourceInput {
  spec: ResourceSpec;
  /** Set by continue-as-new only. */
  snapshot?: ResourceSnapshot;
}

/** A command as it waits its turn. */
export interface QueuedCommand {
  commandId: string;
  command: Command;
  actor: ActorRef;
  requestId: string | null;
  /** Signals answer nothing: their refusal is written as an event. */
  bySignal: boolean;
}

export type Command =
  | { type: 'extend'; ttlMs: number }
  | { type: 'pause' }
  | { type: 'resume'; liftSuspension: boolean }
  | { type: 'suspend'; reason: string }
  | { type: 'unsuspend' }
  | { type: 'rotate' }
  | { type: 'isolate' }
  /** `kindCount`: how many of the kind the team may hold, -1 or absent = no limit. */
  | { type: 'claim'; teamId: string; policy: PlanPolicy; limits: ResourceLimits; ttlMs: number | null; kindCount?: number }
  | { type: 'update'; name?: string; labels?: Record<string, string> }
  | { type: 'scale'; limits: ResourceLimits; policy?: PlanPolicy }
  | { type: 'storage'; bytes: number; action: QuotaAction };

export interface DeleteRequest {
  actor: ActorRef;
  requestId: string | null;
  reason: string;
}

/** What must survive continue-as-new. Plain data only. */
export interface ResourceSnapshot {
  row: ResourceRow;
  queue: QueuedCommand[];
  processed: ProcessedCommand[];
  deleteRequest: DeleteRequest | null;
  commandSequence: number;
}

export interface ProcessedCommand {
  commandId: string;
  outcome: CommandOutcome;
}

export type CommandOutcome = { ok: true; view: ResourceView } | { ok: false; code: ErrorCode; message: string; details: ErrorDetails };

/** What a command answers; `applied: false` = accepted, its effect is still under way (202). */
export interface CommandAnswer {
  applied: boolean;
  view: ResourceView;
}

export interface ResourceView {
  resourceId: string;
  status: ResourceStatus;
  revision: number;
  expiresAt: string | null;
  previousCredentialValidUntil: string | null;
  suspendedReason: string | null;
}

/** `ready`: the resource once it can be used. Fails with the catalogue's code as failure type otherwise. */
export interface ReadyAnswer {
  view: ResourceView;
  fromPool: boolean;
}

/** Every command carries who sent it; `commandId` makes it exactly-once across continue-as-new. */
export interface CommandMeta {
  actor: ActorRef;
  requestId: string | null;
  commandId?: string;
}

export const readyUpdate = defineUpdate<ReadyAnswer, []>('ready');
export const extendUpdate = defineUpdate<CommandAnswer, [{ ttlMs: number } & CommandMeta]>('extend');
export const pauseUpdate = defineUpdate<CommandAnswer, [CommandMeta]>('pause');
export const resumeUpdate = defineUpdate<CommandAnswer, [CommandMeta]>('resume');
export const suspendUpdate = defineUpdate<CommandAnswer, [{ reason: string } & CommandMeta]>('suspend');
export const unsuspendUpdate = defineUpdate<CommandAnswer, [CommandMeta]>('unsuspend');
export const rotateUpdate = defineUpdate<CommandAnswer, [CommandMeta]>('rotate');
export const isolateUpdate = defineUpdate<CommandAnswer, [CommandMeta]>('isolate');
export const claimUpdate = defineUpdate<
  CommandAnswer,
  [{ teamId: string; policy: PlanPolicy; limits: ResourceLimits; ttlMs: number | null; kindCount?: number } & CommandMeta]
>('claim');
export const updateUpdate = defineUpdate<CommandAnswer, [{ name?: string; labels?: Record<string, string> } & CommandMeta]>('update');
export const scaleUpdate = defineUpdate<CommandAnswer, [{ limits: ResourceLimits; policy?: PlanPolicy } & CommandMeta]>('scale');

/** An operator's `temporal workflow signal`: a bare duration or reason, or an object with a `commandId`. */
export type ExtendSignalArgument = string | { ttl: string; commandId?: string };
export type SuspendSignalArgument = string | { reason: string; commandId?: string } | undefined;
export type ResumeSignalArgument = { commandId?: string } | undefined;

export const extendSignal = defineSignal<[ExtendSignalArgument]>('extend');
export const suspendSignal = defineSignal<[SuspendSignalArgument?]>('suspend');
export const resumeSignal = defineSignal<[ResumeSignalArgument?]>('resume');
export const deleteSignal = defineSignal<[DeleteRequest?]>('delete');
export const storageSignal = defineSignal<[{ bytes: number; action: QuotaAction; commandId: string }]>('storage');

/** For operators only: hangs without a worker. */
export const stateQuery = defineQuery<ResourceState>('state');

/** How a run ended. An outcome is data: a workflow that shows as Failed is always our bug. */
export interface ResourceOutcome {
  outcome: 'deleted' | 'failed' | 'rejected' | 'superseded';
  code?: ErrorCode;
}

export interface ResourceState {
  row: ResourceRow | null;
  nextStep: string;
  nextStepAt: string | null;
  queued: number;
  deleteRequested: boolean;
  lastError: string | null;
}

/** The memo that `describe()` hands out without a worker. */
export interface ResourceMemo {
  status: ResourceStatus;
  nextStep: string;
  nextStepAt: string | null;
}
