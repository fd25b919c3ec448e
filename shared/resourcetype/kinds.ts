export const RESOURCE_KINDS = ['postgres', 'vector', 'redis', 'mongodb', 'queue', 'storage', 'webhook'] as const;
/** `resource_type` on the wire. */
export type ResourceKind = (typeof RESOURCE_KINDS)[number];

/** The first segment of `POST /<segment>/new` (contract section 2). */
export const ROUTE_SEGMENT: Readonly<Record<ResourceKind, string>> = {
  postgres: 'db',
  vector: 'vector',
  redis: 'cache',
  mongodb: 'nosql',
  queue: 'queue',
  storage: 'storage',
  webhook: 'webhook',
};

/** Workflows and the platform's bookkeeping activities. */
export const LIFECYCLE_TASK_QUEUE = 'lifecycle';

/** Each kind has a task queue of its own, so that one dead backend delays no other kind. */
export function kindTaskQueue(kind: ResourceKind): string {
  return `kind-${kind}`;
}
