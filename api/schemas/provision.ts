// Requests and answers of `POST /<kind>/new`.
import { z } from 'zod';
import type { ErrorCode } from '../../shared/errors';
import { RESOURCE_STATUSES } from '../../shared/resourcestatus';
import type { ResourceKind } from '../../shared/resourcetype';
import { CONNECTION_SHAPES } from './connection';
import { envField, idField, labelsField, nameField, notifyEmailField, notifyWebhookField, ttlField } from './fields';

const common = {
  name: nameField,
  env: envField.default('development'),
  ttl: ttlField.optional(),
  labels: labelsField.optional(),
  notify_webhook: notifyWebhookField.optional(),
  notify_email: notifyEmailField.optional(),
  parent_resource_id: idField.optional().meta({ description: 'A resource of the same owner that this one belongs to.' }),
  dedicated: z
    .boolean({ error: 'dedicated must be true or false' })
    .optional()
    .meta({ description: 'A backend of its own; only plans with dedicated backends have it.' }),
  dry_run: z
    .boolean({ error: 'dry_run must be true or false' })
    .optional()
    .meta({ description: 'Checks everything, the quota included, and makes nothing.' }),
};

const dimensions = z
  .int({ error: 'dimensions must be a whole number from 1 to 16000' })
  .min(1, { error: 'dimensions must be a whole number from 1 to 16000' })
  .max(16_000, { error: 'dimensions must be a whole number from 1 to 16000' })
  .optional();
const engine = z.enum(['nats', 'rabbitmq', 'kafka'], { error: 'engine must be nats, rabbitmq or kafka' }).optional();

const notAnObject = { error: 'the body must be a JSON object' };
const base = z.looseObject(common, notAnObject);

/** Unknown keys are let through here, and told to the caller as `ignored_fields`. */
export const PROVISION_SCHEMAS: Readonly<Record<ResourceKind, z.ZodType<ProvisionInput>>> = {
  postgres: base,
  redis: base,
  mongodb: base,
  storage: base,
  webhook: base,
  vector: z.looseObject({ ...common, dimensions }, notAnObject),
  queue: z.looseObject({ ...common, engine }, notAnObject),
};

export interface ProvisionInput {
  name: string;
  env: string;
  ttl?: string;
  labels?: Record<string, string>;
  notify_webhook?: string;
  notify_email?: string;
  parent_resource_id?: string;
  dedicated?: boolean;
  dry_run?: boolean;
  dimensions?: number;
  engine?: 'nats' | 'rabbitmq' | 'kafka';
}

export const PROVISION_FIELD_CODES: Readonly<Record<string, ErrorCode>> = {
  name: 'invalid_name',
  env: 'invalid_env',
  ttl: 'invalid_ttl',
  labels: 'invalid_labels',
  notify_webhook: 'invalid_notify_webhook',
  notify_email: 'invalid_notify_email',
  parent_resource_id: 'invalid_parent',
  dimensions: 'invalid_dimensions',
};

export function ignoredFields(kind: ResourceKind, body: object): string[] {
  const known = new Set([...Object.keys(common), ...(kind === 'vector' ? ['dimensions'] : []), ...(kind === 'queue' ? ['engine'] : [])]);
  return Object.keys(body)
    .filter((key) => !known.has(key))
    .sort();
}

const expires_in = z.string().optional().meta({ description: 'Absent = never expires.', example: '24h' });
const amount = z.int().meta({ description: '-1 = unlimited.' });
const storageAndConnections = z.object({ storage_mb: amount, connections: amount, expires_in });
const storageOnly = z.object({ storage_mb: amount, expires_in });

export const LIMITS_SCHEMAS: Readonly<Record<ResourceKind, z.ZodType>> = {
  postgres: storageAndConnections,
  vector: storageAndConnections,
  mongodb: storageAndConnections,
  redis: z.object({ memory_mb: amount, expires_in }),
  queue: storageOnly,
  storage: storageOnly,
  webhook: z.object({ requests_stored: amount, expires_in }),
};

export const timestamp = z.iso.datetime();

function acceptedShape(kind: ResourceKind) {
  return {
    ok: z.literal(true),
    id: idField,
    name: z.string(),
    tier: z.string(),
    env: z.string(),
    env_override_reason: z.string().optional(),
    ignored_fields: z.array(z.string()).optional(),
    limits: LIMITS_SCHEMAS[kind],
    note: z.string().optional(),
    warning: z.string().optional(),
    status: z.enum(RESOURCE_STATUSES),
    expires_at: timestamp.nullable(),
    resource_url: z.url(),
    events_url: z.url(),
    notify_webhook_secret: z.string().optional().meta({ description: 'What calls to notify_webhook are signed with.' }),
    upgrade: z.url().optional().meta({ description: 'Anonymous callers: the same as claim_url.' }),
    claim_url: z.url().optional(),
    upgrade_jwt: z.string().optional(),
  };
}

export function provisionAnswer(kind: ResourceKind) {
  return z.object({ ...acceptedShape(kind), token: idField, ...CONNECTION_SHAPES[kind] });
}

export function provisionAccepted(kind: ResourceKind) {
  return z.object({
    ...acceptedShape(kind),
    token: idField
      .optional()
      .meta({ description: 'Absent until the resource is reserved: repeat with the same Idempotency-Key to get it.' }),
  });
}

const counted = z.object({ limit: amount, used: z.int() });

export function dryRunAnswer(kind: ResourceKind) {
  return z.object({
    ok: z.literal(true),
    dry_run: z.literal(true),
    name: z.string(),
    tier: z.string(),
    env: z.string(),
    limits: LIMITS_SCHEMAS[kind],
    quota: z.object({ of_kind: counted, provisions_today: counted }),
    ignored_fields: z.array(z.string()).optional(),
    warning: z.string().optional(),
  });
}
