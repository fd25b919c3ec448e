// Where events are published: `leasehold.events.v<version>.<kind>.<type>`, for example `leasehold.events.v1.postgres.resource.expiring`.

/** The stream that keeps them. */
export const EVENT_STREAM = 'LEASEHOLD_EVENTS';
const PREFIX = 'leasehold.events';
/** All of them, of every version. */
export const EVENT_SUBJECTS = `${PREFIX}.>`;

const TOKEN = /^[a-z0-9_-]{1,64}$/;
const TYPE = /^[a-z0-9_-]{1,64}(\.[a-z0-9_-]{1,64}){0,3}$/;

/** @throws Error for what would be a wildcard, or another subject than it looks like */
export function eventSubject(event: { version: number; resource_type: string; type: string }): string {
  const { version, resource_type: kind, type } = event;
  if (!Number.isSafeInteger(version) || version < 1 || !TOKEN.test(kind) || !TYPE.test(type))
    throw new Error('the event has no valid version, resource_type or type to name its subject by');
  return `${PREFIX}.v${version}.${kind}.${type}`;
}
