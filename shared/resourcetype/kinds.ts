export const RESOURCE_KINDS = ['postgres', 'vector', 'redis', 'mongodb', 'queue', 'storage', 'webhook'] as const;
/** `resource_type` on the wire. */
export type ResourceKind = (typeof RESOURCE_KINDS)[number];

/** Servers that the embedded stack starts only when they are named, each with the kind that it serves. */
export const OPTIONAL_SERVERS = ['rabbitmq', 'kafka', 'nats-open', 'minio'] as const;
export type OptionalServer = (typeof OPTIONAL_SERVERS)[number];
export const KIND_OF_OPTIONAL_SERVER: Readonly<Record<OptionalServer, ResourceKind>> = {
  rabbitmq: 'queue',
  kafka: 'queue',
  'nats-open': 'queue',
  minio: 'storage',
};

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

/** What runs processes for tenants has a queue for each machine, of all kinds: the work must be done where the processes are. */
export function hostTaskQueue(hostName: string): string {
  return `host-${hostName}`;
}

/** Where the activities of a backend run: on the host that it lives on, or with its kind's worker. */
export function backendTaskQueue(backend: { kind: ResourceKind; hostName?: string | null }): string {
  return backend.hostName ? hostTaskQueue(backend.hostName) : kindTaskQueue(backend.kind);
}
