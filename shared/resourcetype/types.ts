import type { PlanPolicy } from '../plans/types';
import type { ResourceStatus } from '../resourcestatus';
import type { ResourceKind } from './kinds';

/** Who owns a resource: a team, or an anonymous caller (fingerprint = network, addressHash = the full client address). */
export type Owner = { type: 'team'; teamId: string } | { type: 'anonymous'; fingerprint: string; addressHash: string };

/** Who asked for something, as the audit log names them. */
export interface ActorRef {
  type: 'anonymous' | 'team' | 'operator' | 'system';
  id: string;
  role?: string;
  /** The person, where one is known. */
  userId?: string;
  /** What they proved it with: `key:<id>`, `session:<id>`, never the secret. */
  credential?: string;
  ip?: string;
}

/** What the backend enforces. Absent = not limited. */
export interface ResourceLimits {
  storageMb?: number;
  connections?: number;
  memoryMb?: number;
  /** By UTC day; measured, and enforced by suspension. */
  commandsPerDay?: number;
  opsPerMinute?: number;
  /** The length of a webhook inbox's ring. */
  requestsStored?: number;

  // Absent in resources that are older than these: they have what `PLAN_DEFAULTS` says.
  /** postgres, vector. */
  tempFileMb?: number;
  /** postgres, vector. */
  statementTimeoutMs?: number;
  /** queue. */
  streams?: number;
  /** queue. */
  consumersPerStream?: number;
  /** queue: of one message. */
  messageKb?: number;
  /** webhook: of all stored requests together; absent = by the length of the ring. Full is a ring's usual state, so this is no storageMb. */
  ringMb?: number;
  /** webhook: of one body. */
  bodyKb?: number;
  /** webhook: what is taken in within a minute. */
  mbPerMinute?: number;
}

export type QueueEngine = 'nats' | 'rabbitmq' | 'kafka';

/** What the caller chose about the kind itself; fixed at the start. */
export interface ResourceOptions {
  /** vector: of the example table. */
  dimensions?: number;
  /** queue: which server's protocol. */
  engine?: QueueEngine;
}

/** How many of this kind, and of today's provisions, the caller may hold. -1 = no limit. */
export interface ReservationQuota {
  kindCount: number;
  provisionsPerDay: number;
}

/** Everything that a resource is made from; fixed at its start. Holds no secret. */
export interface ResourceSpec {
  resourceId: string;
  kind: ResourceKind;
  name: string;
  env: string;
  owner: Owner;
  policy: PlanPolicy;
  limits: ResourceLimits;
  /** Absent in runs from before there were any. */
  options?: ResourceOptions;
  quota: ReservationQuota;
  /** null = never expires. */
  ttlMs: number | null;
  labels: Record<string, string>;
  parentResourceId: string | null;
  notifyWebhook: string | null;
  /** Raised when an earlier attempt under the same idempotency key ended failed or rejected. */
  generation: number;
  actor: ActorRef;
  requestId: string;
}

/** The row as the workflow holds it: the facts it alone may change. */
export interface ResourceRow {
  resourceId: string;
  kind: ResourceKind;
  name: string;
  labels: Record<string, string>;
  owner: Owner;
  status: ResourceStatus;
  revision: number;
  generation: number;
  backendName: string;
  /** The host whose worker acts on it; null or absent = the kind's own worker does. */
  hostName?: string | null;
  /** The object's name on the backend: random, fixed before the first backend call. */
  objectName: string;
  options?: ResourceOptions;
  policy: PlanPolicy;
  limits: ResourceLimits;
  createdAtMs: number;
  expiresAtMs: number | null;
  /** Time to live that is already announced; see ladder.ts. */
  coveredMs: number | null;
  pausedByOwner: boolean;
  suspendedReason: string | null;
  readOnlyByQuota: boolean;
  credentialVersion: number;
  /** The version before the last rotation, good until then. */
  retiring: { version: number; untilMs: number } | null;
  /** True while the item came from the warm pool and its claim is not yet applied on the backend. */
  fromPool: boolean;
  /** Absent in runs from before there were any. */
  moving?: ResourceMove | null;
}

/**
 * `copying`: to that backend, which nobody has credentials for yet. `leaving`: that backend, where what is left is being removed.
 * `abandoning`: the copy on that backend is being removed.
 */
export interface ResourceMove {
  phase: 'copying' | 'leaving' | 'abandoning';
  backendName: string;
}

/** What the quota watchdog found to be due. */
export type QuotaAction = 'read_only' | 'suspend' | 'lift';
