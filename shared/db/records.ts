import type { PlanPolicy } from '../plans/types';
import type { ResourceStatus } from '../resourcestatus';
import type {
  ActorRef,
  Owner,
  ResourceKind,
  ResourceLimits,
  ResourceMove,
  ResourceOptions,
  ResourceRow,
  ResourceSpec,
} from '../resourcetype';

/** The columns that make up a `ResourceRecord`, for `SELECT`. */
export const RESOURCE_COLUMNS = `id, kind, name, env, labels, team_id, owner_fingerprint, owner_address_hash, tier, status, revision, generation,
  owner_run, backend_name, object_name, from_pool, policy, limits, created_at, updated_at, expires_at, covered_ms, paused_by_owner, paused_at,
  suspended_reason, read_only_by_quota, credential_version, retiring_version, retiring_until, parent_resource_id, notify_webhook,
  failure_code, failure_message, storage_bytes, measured_at, host_name, options, moving`;

/** One row of `resources`, as pg hands it out; no secret is among these columns. */
export interface ResourceRecord {
  id: string;
  kind: ResourceKind;
  name: string;
  env: string;
  labels: Record<string, string>;
  team_id: string | null;
  owner_fingerprint: string | null;
  owner_address_hash: string | null;
  tier: string;
  status: ResourceStatus;
  revision: number;
  generation: number;
  owner_run: string;
  backend_name: string;
  object_name: string;
  from_pool: boolean;
  policy: PlanPolicy;
  limits: ResourceLimits;
  created_at: Date;
  updated_at: Date;
  expires_at: Date | null;
  covered_ms: number | null;
  paused_by_owner: boolean;
  paused_at: Date | null;
  suspended_reason: string | null;
  read_only_by_quota: boolean;
  credential_version: number;
  retiring_version: number | null;
  retiring_until: Date | null;
  parent_resource_id: string | null;
  notify_webhook: string | null;
  failure_code: string | null;
  failure_message: string | null;
  storage_bytes: number;
  measured_at: Date | null;
  host_name: string | null;
  options: ResourceOptions;
  moving: ResourceMove | null;
}

function ownerOf(record: ResourceRecord): Owner {
  if (record.team_id !== null) return { type: 'team', teamId: record.team_id };
  return { type: 'anonymous', fingerprint: record.owner_fingerprint ?? '', addressHash: record.owner_address_hash ?? '' };
}

/** The row as the workflow holds it. */
export function resourceRowFromRecord(record: ResourceRecord): ResourceRow {
  return {
    resourceId: record.id,
    kind: record.kind,
    name: record.name,
    labels: record.labels,
    owner: ownerOf(record),
    status: record.status,
    revision: record.revision,
    generation: record.generation,
    backendName: record.backend_name,
    hostName: record.host_name,
    objectName: record.object_name,
    policy: record.policy,
    limits: record.limits,
    options: record.options,
    createdAtMs: record.created_at.getTime(),
    expiresAtMs: record.expires_at?.getTime() ?? null,
    coveredMs: record.covered_ms,
    pausedByOwner: record.paused_by_owner,
    suspendedReason: record.suspended_reason,
    readOnlyByQuota: record.read_only_by_quota,
    credentialVersion: record.credential_version,
    retiring:
      record.retiring_version === null || record.retiring_until === null
        ? null
        : { version: record.retiring_version, untilMs: record.retiring_until.getTime() },
    fromPool: record.from_pool,
    moving: record.moving,
  };
}

/**
 * The start argument for a run that shall adopt this row. The row's own facts win over it; its quota is
 * unlimited because the slot is already held.
 */
export function specFromRecord(record: ResourceRecord, request: { actor: ActorRef; requestId: string }): ResourceSpec {
  return {
    resourceId: record.id,
    kind: record.kind,
    name: record.name,
    env: record.env,
    owner: ownerOf(record),
    policy: record.policy,
    limits: record.limits,
    options: record.options,
    quota: { kindCount: -1, provisionsPerDay: -1 },
    ttlMs: record.expires_at === null ? null : record.expires_at.getTime() - record.created_at.getTime(),
    labels: record.labels,
    parentResourceId: record.parent_resource_id,
    notifyWebhook: record.notify_webhook,
    generation: record.generation,
    actor: request.actor,
    requestId: request.requestId,
  };
}
