// Requests and answers under `/api/v1/resources` and `/api/v1/admin`.
import { z } from 'zod';
import type { ErrorCode } from '../../shared/errors';
import { RESOURCE_STATUSES } from '../../shared/resourcestatus';
import { RESOURCE_KINDS } from '../../shared/resourcetype';
import { ApiError } from '../errors';
import { connectionShapeOfAny } from './connection';
import { isPlainText, labelsField, nameField, reasonField, ttlField } from './fields';
import { timestamp } from './provision';

const count = z.int();

export const resourceParams = z.object({
  id: z.string().meta({ description: 'The id (with a bearer or X-Resource-Token), or the token of an anonymous resource.' }),
});

const itemShape = {
  id: z.uuid(),
  token: z.uuid().optional(),
  resource_type: z.enum(RESOURCE_KINDS),
  name: z.string(),
  env: z.string(),
  tier: z.string(),
  status: z.enum(RESOURCE_STATUSES),
  labels: z.record(z.string(), z.string()),
  created_at: timestamp,
  expires_at: timestamp.nullable(),
  paused_at: timestamp.nullable(),
  suspended_reason: z.string().nullable(),
  storage_bytes: count,
  storage_limit_bytes: count.nullable().meta({ description: 'null = unlimited.' }),
  storage_exceeded: z.boolean(),
  connections_limit: count.meta({ description: '-1 = unlimited.' }),
  parent_resource_id: z.uuid().nullable(),
  failure: z.object({ code: z.string(), message: z.string() }).nullable(),
};
export const itemSchema = z.object(itemShape).meta({ id: 'Resource' });

export const adminItemSchema = z
  .object({
    ...itemShape,
    team_id: z.uuid().nullable(),
    owner_fingerprint: z.string().nullable(),
    backend_name: z.string(),
    object_name: z.string(),
    revision: count,
  })
  .meta({ id: 'AdminResource' });

const ok = z.literal(true);
const nextCursor = z.string().nullable();

export const listAnswer = z.object({ ok, items: z.array(itemSchema), total: count, next_cursor: nextCursor });
export const adminListAnswer = z.object({ ok, items: z.array(adminItemSchema), total: count, next_cursor: nextCursor });

const lifecycleSchema = z
  .object({
    workflow_id: z.string(),
    run_id: z.string(),
    next_step: z.string().nullable(),
    next_step_at: timestamp.nullable(),
    pending: z.array(z.object({ activity: z.string(), attempt: count, state: z.string(), last_failure: z.string().nullable() })),
    history_length: count,
    ui_url: z.string(),
  })
  .nullable()
  .meta({ id: 'Lifecycle', description: 'What its workflow says of itself; null when the orchestrator does not answer.' });

/** The fields at top level too, as older clients read them. */
export const itemAnswer = z.object({ ok, item: itemSchema, resource: itemSchema, ...itemShape });
export const resourceAnswer = z.object({ ok, item: itemSchema, resource: itemSchema, lifecycle: lifecycleSchema, ...itemShape });

export const credentialsAnswer = z.object({
  ok,
  id: z.uuid(),
  token: z.uuid(),
  resource_type: z.enum(RESOURCE_KINDS),
  name: z.string(),
  env: z.string(),
  status: z.enum(RESOURCE_STATUSES),
  expires_at: timestamp.nullable(),
  ...connectionShapeOfAny,
  connection_url: z.string(),
  previous_valid_until: timestamp.nullable(),
});

export const commandAnswer = z.object({
  ok,
  id: z.uuid(),
  status: z.enum(RESOURCE_STATUSES),
  expires_at: timestamp.nullable(),
  warning: z.string().optional().meta({ description: 'That access cannot be cut: a queue of auth_mode legacy_open.' }),
  item: itemSchema,
});
export const rotateAnswer = z.object({
  ok,
  id: z.uuid(),
  status: z.enum(RESOURCE_STATUSES),
  ...connectionShapeOfAny,
  connection_url: z.string().optional().meta({ description: 'Absent in a 202, like all credentials: they are not applied yet.' }),
  previous_valid_until: timestamp.nullable(),
});
export const deleteAnswer = z.object({ ok, id: z.uuid(), message: z.string(), status: z.literal('deleting') });
export const adminCommandAnswer = z.object({
  ok,
  id: z.uuid(),
  status: z.enum(RESOURCE_STATUSES),
  warning: z.string().optional().meta({ description: 'That access cannot be cut: a queue of auth_mode legacy_open.' }),
  item: adminItemSchema,
});

export const eventSchema = z
  .object({
    id: z.uuid(),
    resource_id: z.uuid(),
    revision: count,
    type: z.string(),
    status: z.enum(RESOURCE_STATUSES),
    data: z.record(z.string(), z.unknown()),
    actor: z.object({ type: z.string(), id: z.string() }),
    request_id: z.string().nullable(),
    occurred_at: timestamp,
  })
  .meta({ id: 'ResourceEvent' });
export const eventsAnswer = z.object({ ok, items: z.array(eventSchema), next_cursor: nextCursor });

const notAnObject = 'the body must be a JSON object';
const strictBody = <T extends z.ZodRawShape>(shape: T) =>
  z.strictObject(shape, { error: (issue) => (issue.code === 'invalid_type' ? notAnObject : undefined) });

export const extendBody = strictBody({ ttl: ttlField });
export const suspendBody = strictBody({ reason: reasonField });
export const noBody = strictBody({}).optional();
export const patchBody = strictBody({ name: nameField.optional(), labels: labelsField.optional() }).refine(
  (body) => body.name !== undefined || body.labels !== undefined,
  { error: 'name or labels is needed: the body changes nothing' },
);

export const COMMAND_FIELD_CODES: Readonly<Record<string, ErrorCode>> = {
  ttl: 'invalid_ttl',
  name: 'invalid_name',
  labels: 'invalid_labels',
};

const one = (what: string) => ({ error: `${what} must be given once` });
const limitField = z
  .string(one('limit'))
  .refine((text) => /^\d{1,3}$/.test(text) && Number(text) >= 1 && Number(text) <= 100, {
    error: 'limit must be a whole number from 1 to 100',
  })
  .default('20')
  .meta({ description: '1 to 100.' });
const cursorField = z.string(one('cursor')).optional().meta({ description: 'next_cursor of the page before.' });
const statusFilter = z.enum(RESOURCE_STATUSES, { error: `status must be one of ${RESOURCE_STATUSES.join(', ')}` }).optional();

export const listQuery = z.object({
  env: z
    .string(one('env'))
    .regex(/^[a-z0-9-]{1,32}$/, { error: 'env must be 1 to 32 characters of a-z, 0-9 and -' })
    .optional(),
  kind: z.enum(RESOURCE_KINDS, { error: `kind must be one of ${RESOURCE_KINDS.join(', ')}` }).optional(),
  status: statusFilter.meta({ description: 'Absent = everything but what is deleted.' }),
  label: z
    .union([z.string(), z.array(z.string()).max(16)], { error: 'label must be key=value, up to 16 times' })
    .optional()
    .meta({ description: 'key=value; all that are given must match.' }),
  limit: limitField,
  cursor: cursorField,
});

export const LIST_FIELD_CODES: Readonly<Record<string, ErrorCode>> = {
  env: 'invalid_filter',
  kind: 'invalid_filter',
  status: 'invalid_filter',
  label: 'invalid_filter',
  limit: 'invalid_limit',
  cursor: 'invalid_cursor',
};

export const getQuery = z.object({ status: statusFilter.meta({ description: 'With Prefer: wait=20: answer when the status is this.' }) });
export const eventsQuery = z.object({ limit: limitField, cursor: cursorField });

/** @throws ApiError invalid_filter */
export function parseLabels(label: string | string[] | undefined): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const text of label === undefined ? [] : [label].flat()) {
    const [key, ...value] = text.split('=');
    if (!key || value.length === 0 || !isPlainText(text) || key === '__proto__' || text.length > 200) {
      throw new ApiError({
        code: 'invalid_filter',
        message: 'label must be key=value, such as label=app=shop.',
        details: { field: 'label' },
      });
    }
    labels[key] = value.join('=');
  }
  return labels;
}
