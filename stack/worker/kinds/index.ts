// Which kinds this build can make, each with the function that assembles its room for a process.
import type { KindBackend } from '../../../activities/backend';
import type { PostgresBackend } from '../../../activities/postgres';
import type { BackendConfig } from '../../../shared/plans';
import { RESOURCE_KINDS, type ResourceKind } from '../../../shared/resourcetype';
import { createMongodbKind } from './mongodb';
import { createPostgresKind } from './postgres';
import { createQueueKind } from './queue';
import { createRedisKind } from './redis';
import { createStorageKind } from './storage';
import type { CreateKind, KindParts } from './types';
import { createVectorKind } from './vector';
import { createWebhookKind } from './webhook';

export type { KindParts } from './types';

const KINDS: Readonly<Partial<Record<ResourceKind, CreateKind>>> = {
  postgres: createPostgresKind,
  redis: createRedisKind,
  mongodb: createMongodbKind,
  queue: createQueueKind,
  storage: createStorageKind,
  vector: createVectorKind,
  webhook: createWebhookKind,
};

/** Postgres and its like, whose warm items are claimed in the lifecycle worker itself. */
export function isPostgres(backend: KindBackend): backend is PostgresBackend {
  return 'expectCredential' in backend;
}

/** One room for each kind that has a backend among `backends`. */
export function createKinds(parts: Omit<KindParts, 'backends'> & { backends: readonly BackendConfig[] }): Map<ResourceKind, KindBackend> {
  const kinds = new Map<ResourceKind, KindBackend>();
  for (const kind of RESOURCE_KINDS) {
    const backends = parts.backends.filter((backend) => backend.kind === kind);
    const create = KINDS[kind];
    if (backends.length > 0 && create !== undefined) kinds.set(kind, create({ ...parts, backends }));
  }
  return kinds;
}
