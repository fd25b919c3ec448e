// Requests and answers of subscriptions, their deliveries, mail settings and the team's events.
import { z } from 'zod';
import type { ErrorCode } from '../../shared/errors';
import type { RecordedEvent } from '../../shared/outbox';
import { RESOURCE_STATUSES } from '../../shared/resourcestatus';
import { RESOURCE_KINDS } from '../../shared/resourcetype';
import type { Delivery, Subscription } from '../notifications/store';
import { notifyWebhookField } from './fields';
import { timestamp } from './provision';

const ok = z.literal(true);
const count = z.int();
const EVENT_TYPE = /^(\*|resource\.[a-z_]{1,64})$/;

const notAnObject = 'the body must be a JSON object';
const strictBody = <T extends z.ZodRawShape>(shape: T) =>
  z.strictObject(shape, { error: (issue) => (issue.code === 'invalid_type' ? notAnObject : undefined) });

const eventsField = z
  .array(z.string().regex(EVENT_TYPE, { error: 'each of events must be "*" or a type such as "resource.expiring"' }), {
    error: 'events must be a list of event types, or ["*"]',
  })
  .min(1, { error: 'events must name one event type at least, or be ["*"]' })
  .max(32, { error: 'events must name at most 32 event types' })
  .meta({ example: ['resource.expiring', 'resource.deleted'] });
const kindsField = z
  .array(z.enum(RESOURCE_KINDS, { error: `each of kinds must be one of ${RESOURCE_KINDS.join(', ')}` }), {
    error: 'kinds must be a list of resource types',
  })
  .min(1, { error: 'kinds must name one resource type at least; leave it out for all' })
  .max(RESOURCE_KINDS.length)
  .nullable()
  .meta({ description: 'null or absent = of every type.' });

export const subscriptionBody = strictBody({
  url: notifyWebhookField,
  events: eventsField.default(['*']),
  kinds: kindsField.optional(),
});
export const subscriptionPatch = strictBody({
  url: notifyWebhookField.optional(),
  events: eventsField.optional(),
  kinds: kindsField.optional(),
  enabled: z.boolean({ error: 'enabled must be true or false' }).optional(),
}).refine((body) => Object.values(body).some((value) => value !== undefined), {
  error: 'url, events, kinds or enabled is needed: the body changes nothing',
});
export const SUBSCRIPTION_FIELD_CODES: Readonly<Record<string, ErrorCode>> = { url: 'invalid_notify_webhook' };

export const subscriptionParams = z.object({ id: z.string().meta({ description: 'The id of a subscription.' }) });
export const deliveryParams = z.object({ id: z.string(), delivery_id: z.string().meta({ description: 'The id of a delivery.' }) });

const subscriptionSchema = z
  .object({
    id: z.uuid(),
    url: z.string(),
    events: z.array(z.string()),
    kinds: z.array(z.enum(RESOURCE_KINDS)).nullable(),
    enabled: z.boolean(),
    disabled_at: timestamp.nullable(),
    disabled_reason: z.string().nullable(),
    created_at: timestamp,
    updated_at: timestamp,
  })
  .meta({ id: 'WebhookSubscription' });
const secretField = z.string().meta({ description: 'What the calls are signed with; shown this once.', example: 'whsec_...' });
export const subscriptionsAnswer = z.object({ ok, items: z.array(subscriptionSchema) });
export const subscriptionAnswer = z.object({ ok, item: subscriptionSchema });
export const subscriptionCreated = z.object({ ok, item: subscriptionSchema, secret: secretField });
export const secretAnswer = z.object({ ok, id: z.uuid(), secret: secretField, previous_valid_until: timestamp });
export const removedAnswer = z.object({ ok, id: z.uuid() });

export function toSubscription(row: Subscription): z.input<typeof subscriptionSchema> {
  return {
    id: row.id,
    url: row.url,
    events: row.events,
    kinds: row.kinds,
    enabled: row.disabled_at === null,
    disabled_at: row.disabled_at?.toISOString() ?? null,
    disabled_reason: row.disabled_reason,
    created_at: row.created_at.toISOString(),
    updated_at: row.updated_at.toISOString(),
  };
}

const STATES = ['pending', 'delivered', 'dead'] as const;
const deliverySchema = z
  .object({
    id: z.uuid(),
    event_id: z.uuid(),
    event_type: z.string(),
    resource_id: z.uuid(),
    state: z.enum(STATES),
    attempts: count,
    last_status: count.nullable(),
    last_error: z.string().nullable(),
    created_at: timestamp,
    ended_at: timestamp.nullable(),
  })
  .meta({ id: 'Delivery' });
export const deliveriesAnswer = z.object({ ok, items: z.array(deliverySchema), next_cursor: z.string().nullable() });
export const deliveryAnswer = z.object({ ok, item: deliverySchema });
export const deliveryState = z.enum(STATES, { error: `state must be one of ${STATES.join(', ')}` }).optional();

export function toDelivery({ created_key: _, ...row }: Delivery): z.input<typeof deliverySchema> {
  return { ...row, created_at: row.created_at.toISOString(), ended_at: row.ended_at?.toISOString() ?? null };
}

export const replayBody = strictBody({
  after: z
    .string({ error: 'after must be a cursor as a string' })
    .max(100, { error: 'after must be a cursor of an earlier answer' })
    .optional()
    .meta({ description: 'The cursor of the last event that you have; absent = from the first one there is.' }),
}).optional();
export const replayAnswer = z.object({
  ok,
  queued: count.meta({ description: 'How many events are sent again.' }),
  next_cursor: z.string().nullable().meta({ description: 'There are more: repeat with it as after.' }),
});

const ROLES = ['owner', 'admin', 'member', 'viewer'] as const;
const rolesField = z.array(z.enum(ROLES, { error: `each of email_roles must be one of ${ROLES.join(', ')}` }), {
  error: 'email_roles must be a list of roles; [] = no mail',
});
export const settingsBody = strictBody({ email_roles: rolesField.max(ROLES.length) });
export const settingsAnswer = z.object({
  ok,
  email_roles: z.array(z.enum(ROLES)).meta({ description: 'Members with these roles get mail about the team’s resources.' }),
});

const teamEventSchema = z
  .object({
    cursor: z.string().meta({ description: 'Reading after it goes on behind this event; the id of the event on the stream.' }),
    id: z.uuid().meta({ description: 'The same on every channel and in every repetition.' }),
    resource_id: z.uuid(),
    resource_type: z.enum(RESOURCE_KINDS),
    resource_name: z.string(),
    revision: count,
    type: z.string(),
    status: z.enum(RESOURCE_STATUSES),
    data: z.record(z.string(), z.unknown()),
    actor: z.object({ type: z.string(), id: z.string() }),
    request_id: z.string().nullable(),
    occurred_at: timestamp,
  })
  .meta({ id: 'TeamEvent' });
export const teamEventsAnswer = z.object({ ok, items: z.array(teamEventSchema), next_cursor: z.string() });

export function toTeamEvent(event: RecordedEvent) {
  return {
    cursor: event.cursor,
    id: event.id,
    resource_id: event.resourceId,
    resource_type: event.kind,
    resource_name: event.resourceName,
    revision: event.revision,
    type: event.type,
    status: event.status,
    data: event.data,
    actor: event.actor,
    request_id: event.requestId,
    occurred_at: event.occurredAt.toISOString(),
  };
}
