// A row as the wire shows it. Pure: what is decrypted comes in as an argument.
import { formatDuration } from '../../shared/plans';
import type { ResourceKind } from '../../shared/resourcetype';
import type { ResourceEvent, StoredResource } from './store';

const MIB = 1024 * 1024;
const UNLIMITED = -1;

export type Limits = Record<string, number | string>;

/** The limits of a kind under its wire names; -1 = none. */
export function wireLimits(kind: ResourceKind, limits: StoredResource['limits'], expiresIn: string | null): Limits {
  const life: Limits = expiresIn === null ? {} : { expires_in: expiresIn };
  switch (kind) {
    case 'postgres':
    case 'vector':
    case 'mongodb':
      return { storage_mb: limits.storageMb ?? UNLIMITED, connections: limits.connections ?? UNLIMITED, ...life };
    case 'redis':
      return { memory_mb: limits.memoryMb ?? UNLIMITED, ...life };
    case 'queue':
    case 'storage':
      return { storage_mb: limits.storageMb ?? UNLIMITED, ...life };
    case 'webhook':
      return { requests_stored: limits.requestsStored ?? UNLIMITED, ...life };
  }
}

/** How long the lease is, from its creation: `24h`. */
export function leaseLength(row: Pick<StoredResource, 'created_at' | 'expires_at'>): string | null {
  return row.expires_at === null ? null : formatDuration(row.expires_at.getTime() - row.created_at.getTime());
}

function storageLimitBytes(row: StoredResource): number | null {
  const mb = row.kind === 'redis' ? row.limits.memoryMb : row.limits.storageMb;
  return mb === undefined ? null : mb * MIB;
}

export interface ResourceItem {
  id: string;
  token?: string;
  resource_type: ResourceKind;
  name: string;
  env: string;
  tier: string;
  status: StoredResource['status'];
  labels: Record<string, string>;
  created_at: string;
  expires_at: string | null;
  paused_at: string | null;
  suspended_reason: string | null;
  storage_bytes: number;
  storage_limit_bytes: number | null;
  storage_exceeded: boolean;
  connections_limit: number;
  parent_resource_id: string | null;
  failure: { code: string; message: string } | null;
}

/** @param token null where the reader must not have it (operators) */
export function toItem(row: StoredResource, token: string | null): ResourceItem {
  const limitBytes = storageLimitBytes(row);
  return {
    id: row.id,
    ...(token === null ? {} : { token }),
    resource_type: row.kind,
    name: row.name,
    env: row.env,
    tier: row.tier,
    status: row.status,
    labels: row.labels,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at?.toISOString() ?? null,
    paused_at: row.paused_at?.toISOString() ?? null,
    suspended_reason: row.suspended_reason,
    storage_bytes: row.storage_bytes,
    storage_limit_bytes: limitBytes,
    storage_exceeded: limitBytes !== null && row.storage_bytes > limitBytes,
    connections_limit: row.limits.connections ?? UNLIMITED,
    parent_resource_id: row.parent_resource_id,
    failure: row.failure_code === null ? null : { code: row.failure_code, message: row.failure_message ?? '' },
  };
}

/** An operator sees whose it is and where it lives, and no credential. */
export function toAdminItem(row: StoredResource) {
  return {
    ...toItem(row, null),
    team_id: row.team_id,
    owner_fingerprint: row.owner_fingerprint,
    backend_name: row.backend_name,
    object_name: row.object_name,
    revision: row.revision,
  };
}

export function toEvent(resourceId: string, event: ResourceEvent) {
  return {
    id: event.id,
    resource_id: resourceId,
    revision: event.revision,
    type: event.type,
    status: event.status,
    data: event.data,
    actor: { type: event.actor_type, id: event.actor_id },
    request_id: event.request_id,
    occurred_at: event.occurred_at.toISOString(),
  };
}
