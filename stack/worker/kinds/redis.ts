// Redis for a process: servers of their own on a host worker's host, shared ones in the worker.
import { createRedisBackend } from '../../../activities/redis';
import { adminUrlOf, type CreateKind } from './types';

export const createRedisKind: CreateKind = (parts) =>
  createRedisBackend({
    dependencies: parts.dependencies,
    host: parts.host?.processes ?? null,
    serverPath: parts.secretOf('LEASEHOLD_REDIS_SERVER'),
    adminUrlOf: (backendName) => adminUrlOf(parts, backendName),
  });
