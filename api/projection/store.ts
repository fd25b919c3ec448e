// What the api asks of the platform's Postgres. Tests give another implementation; nothing here writes a resource's status.
import type { TeamRole } from '../../shared/authz';
import type { ResourceRecord } from '../../shared/db';
import type { ResourceStatus } from '../../shared/resourcestatus';
import type { ActorRef, Owner, ResourceKind } from '../../shared/resourcetype';
import type { Scope } from '../auth/caller';

/** A row with what is secret about it, still encrypted. */
export interface StoredResource extends ResourceRecord {
  token_hash: string;
  token_encrypted: string;
  /** `created_at` with all its digits, for keyset pages. */
  created_key: string;
}

export interface StoredCredential {
  version: number;
  username: string;
  password_encrypted: string;
  /** What the provider itself issued; null where it issues nothing, or not yet. */
  issued_encrypted: string | null;
}

export interface ResourceWithCredential {
  resource: StoredResource;
  /** null until `reserve` has stored it. */
  credential: StoredCredential | null;
  /** What provisioning decided; null where it decides nothing, or not yet. */
  details: Record<string, string | number | boolean | null> | null;
}

export interface ApiKeyRecord {
  keyId: string;
  teamId: string;
  tier: string;
  scopes: Scope[];
  /** Of the person who made it; the owner's for a key from the configuration. */
  role: TeamRole;
  userId: string | null;
  /** Also when its maker has left the team. */
  revoked: boolean;
}

export interface ResourceEvent {
  id: string;
  revision: number;
  type: string;
  status: ResourceStatus;
  data: Record<string, unknown>;
  actor_type: ActorRef['type'];
  actor_id: string;
  request_id: string | null;
  occurred_at: Date;
}

export interface ListFilter {
  /** null = every owner (operators). */
  teamId: string | null;
  env?: string;
  kind?: ResourceKind;
  /** Absent = everything but what is deleted. */
  status?: ResourceStatus;
  labels: Record<string, string>;
}

export interface ListPage {
  items: StoredResource[];
  total: number;
}

/** The newest attempt under an idempotency key. */
export interface IdempotencyRecord {
  generation: number;
  requestHash: string;
  resourceId: string;
  /** Younger than the fingerprint's window, by the database's clock. */
  recent: boolean;
  /** null = no row: not reserved yet, or rejected. */
  status: ResourceStatus | null;
}

export interface IdempotencyClaim {
  scope: string;
  key: string;
  generation: number;
  requestHash: string;
  resourceId: string;
}

export interface AuditEntry {
  actor: ActorRef;
  action: string;
  targetType: string;
  targetId: string;
  teamId: string | null;
  result: 'success' | 'denied' | 'failure';
  correlationId: string;
  ip: string;
  data?: Record<string, string | number | boolean | null>;
}

export interface BackendState {
  name: string;
  kind: string;
  drained: boolean;
  ready: boolean;
  /** False: not configured any more, and resources live on it. */
  listed: boolean;
  lastError: string | null;
  /** What was never tried against the vendor's own server. */
  unproven: string | null;
  poolReady: number;
}

export interface PlacementStates {
  backends: {
    name: string;
    kind: ResourceKind;
    engine: string | null;
    region: string;
    host: string | null;
    capacity: number;
    held: number;
    weight: number;
    drained: boolean;
    ready: boolean;
    server_version: string | null;
    last_error: string | null;
    unproven: string | null;
    pool_ready: number;
  }[];
  hosts: {
    name: string;
    region: string;
    address: string;
    drained: boolean;
    ready: boolean;
    checked_at: Date | null;
    last_error: string | null;
  }[];
}

export interface ResourceStore {
  /** By id, or by the hash of a token. */
  find(key: { id: string; tokenHash: string | null }): Promise<StoredResource | null>;
  /** By the hash of its token, or of the handle that stands for it in claim links. */
  findByClaimToken(hash: string): Promise<StoredResource | null>;
  /** With the current credential, or with the given version of it. */
  findWithCredential(id: string): Promise<ResourceWithCredential | null>;
  list(filter: ListFilter, page: { limit: number; after: { createdKey: string; id: string } | null }): Promise<ListPage>;
  /** After `afterRevision`, oldest first. */
  events(id: string, page: { afterRevision: number; limit: number }): Promise<ResourceEvent[]>;
  findApiKey(keyHash: string): Promise<ApiKeyRecord | null>;
  newestAttempt(scope: string, key: string): Promise<IdempotencyRecord | null>;
  /** False when that generation is there already. */
  claimAttempt(claim: IdempotencyClaim): Promise<boolean>;
  readyKinds(): Promise<ReadonlySet<string>>;
  backendStates(): Promise<BackendState[]>;
  /** For operators: every backend and host. */
  placements(): Promise<PlacementStates>;
  /** False when there is none of that name. */
  setDrained(change: { place: 'backend' | 'host'; name: string; drained: boolean }): Promise<boolean>;
  poolItems(): Promise<{ backend: string; state: string; count: number }[]>;
  /** What is not gone, with how long the most overdue one should have been. */
  lifecycleCounts(): Promise<{ kind: string; status: string; count: number; overdueSeconds: number }[]>;
  /** For `dry_run`: what `reserve` would count. */
  usage(owner: Owner, kind: ResourceKind): Promise<{ ofKind: number; provisionsToday: number }>;
  audit(entry: AuditEntry): Promise<void>;
  ping(): Promise<void>;
  migration(): Promise<{ version: string | null; status: string }>;
}
