// Every event of a resource, as zod schemas: what the platform writes and what a consumer may rely on. docs/events.md is tested against them.
import { z } from 'zod';

/**
 * Raised only when what a consumer relies on is taken away or changes its meaning. New types, new fields, new kinds and new statuses come
 * within a version: consumers ignore what they do not know.
 */
export const EVENT_VERSION = 1;

const moment = z.iso.datetime();
const count = z.number().int().nonnegative();

/** What every event has, known or not. Kinds and statuses are open: there will be more of them. */
const facts = {
  id: z.uuid().describe('Stable and unique: the same event has the same id on every way it is delivered'),
  version: z.literal(EVENT_VERSION),
  resource_id: z.uuid(),
  resource_type: z.string().describe('The kind, for example "postgres"'),
  resource_name: z.string(),
  team_id: z.uuid().nullable().describe('The owner after the event; null for an anonymous caller'),
  revision: z.number().int().positive().describe('Counts the events of one resource, without gaps'),
  status: z.string().describe('Of the resource, after the event'),
  occurred_at: moment,
  request_id: z.string().nullable().describe('X-Request-ID of the call that led to it'),
};

export const eventFacts = z.object({ ...facts, type: z.string(), data: z.record(z.string(), z.unknown()) });

function event<const Type extends string, Data extends z.ZodRawShape>(type: Type, meaning: string, data: Data) {
  return z.object({ ...facts, type: z.literal(type), data: z.object(data) }).describe(meaning);
}

/** Unknown fields are dropped, never refused. */
export const resourceEventSchema = z.discriminatedUnion('type', [
  event('resource.reserved', 'A slot and a name are taken; the backend is being asked.', {}),
  event('resource.active', 'Ready for use.', { from_pool: z.boolean() }),
  event('resource.failed', 'Could not be provisioned; nothing of it is left.', { code: z.string(), message: z.string() }),
  event('resource.expiring', 'A rung of the expiry ladder is reached.', {
    rung: z.string().describe('Time left, as plans.yaml writes it: "6h", "2h", "1h"'),
    expires_at: moment.nullable(),
  }),
  event('resource.extended', 'It expires later; the ladder begins anew.', {
    expires_at: moment.nullable(),
    previous_expires_at: moment.nullable(),
  }),
  event('resource.paused', 'Access is cut by its owner.', {}),
  event('resource.resumed', 'The owner lifted the pause.', {}),
  event('resource.suspended', 'Access is cut by the platform.', { reason: z.string() }),
  event('resource.unsuspended', 'The platform lifted the suspension.', { reason: z.string().nullable() }),
  event('resource.expired', 'The time to live is over: access is cut, data is kept for the grace.', { grace_ends_at: moment }),
  event('resource.credentials_rotated', 'New credentials; the old ones work until then.', {
    version: count,
    previous_valid_until: moment.nullable(),
  }),
  event('resource.credentials_retired', 'Credentials before a rotation work no longer.', { version: count }),
  event('resource.claimed', 'An anonymous resource belongs to a team now.', {
    team_id: z.uuid(),
    tier: z.string(),
    expires_at: moment.nullable(),
  }),
  event('resource.updated', 'Name or labels changed.', { name: z.string().nullable(), labels_changed: z.boolean() }),
  event('resource.scaled', 'Limits changed.', { storage_mb: z.number().nullable(), connections: z.number().nullable() }),
  event('resource.storage_exceeded', 'More is stored than the plan allows.', {
    storage_bytes: count,
    storage_limit_mb: z.number().nullable(),
    action: z.enum(['read_only', 'suspend']),
  }),
  event('resource.storage_recovered', 'Storage is within the plan again.', { storage_bytes: count }),
  event('resource.command_refused', 'A command that nobody waited for was refused.', {
    command: z.string(),
    code: z.string(),
    message: z.string(),
  }),
  event('resource.isolating', 'It is moved from a server without credentials to an account of its own; writes are refused meanwhile.', {}),
  event('resource.isolated', 'It is in an account of its own, with everything it held: read its credentials anew.', { version: count }),
  event('resource.isolation_abandoned', 'It could not be moved and is where it was; writes are taken again.', {
    code: z.string(),
    message: z.string(),
  }),
  event('resource.open_streams_removed', 'Nothing of it is left on the server without credentials.', {}),
  event('resource.copy_removed', 'Nothing is left of a copy that was abandoned; it can be moved anew.', {}),
  event('resource.deleting', 'It is being deleted; access ends.', { reason: z.string() }),
  event('resource.delete_failed', 'The backend did not delete it; this is tried again without end.', { error: z.string().nullable() }),
  event('resource.deleted', 'Nothing of it is left. The last event.', { reason: z.string() }),
  event('resource.adopted', 'Another workflow run looks after it now.', {}),
]);
