// The fields that requests are made of: each says what is wrong with it and what would be right.
import ipaddr from 'ipaddr.js';
import { z } from 'zod';
import { parseDurationMs } from '../../shared/plans';

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is refused.
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
// With the u flag this is half a pair only.
const LONE_SURROGATE = /[\ud800-\udfff]/u;
const LABEL_KEY = /^[a-z0-9][a-z0-9._/-]{0,62}$/;
const LABELS_MAX = 16;
const LABEL_VALUE_MAX = 128;

/** Postgres stores no NUL and JSON no half a surrogate pair; control characters help nobody. */
export function isPlainText(text: string): boolean {
  return !CONTROL.test(text) && !LONE_SURROGATE.test(text);
}

export const nameField = z
  .string({ error: (issue) => (issue.input === undefined || issue.input === null ? 'name is required' : 'name must be a string') })
  .trim()
  .min(1, { error: 'name is required: 1 to 64 characters' })
  .max(64, { error: 'name must have at most 64 characters' })
  .regex(/^[A-Za-z0-9][A-Za-z0-9 _-]*$/, { error: 'name must start with a letter or digit and hold only letters, digits, spaces, _ and -' })
  .meta({ description: 'What you call it; trimmed.', example: 'orders' });

export const envField = z
  .string({ error: 'env must be a string of a-z, 0-9 and -, 1 to 32 characters' })
  .regex(/^[a-z0-9-]{1,32}$/, { error: 'env must be 1 to 32 characters of a-z, 0-9 and -' })
  .meta({ description: 'The environment it belongs to.', example: 'development' });

/** A duration as text; its length is checked against the plan later. */
export const ttlField = z
  .string({ error: 'ttl must be a duration as a string, such as "90m" or "24h"' })
  .refine((text) => parseDurationMs(text) !== null, {
    error: 'ttl must be a whole number and one of s, m, h, d, such as "90m" or "24h", and at most 36500d',
  })
  .meta({ description: 'How long it lives: a whole number and s, m, h or d.', example: '90m', pattern: '^\\d{1,12}[smhd]$' });

function labelsProblem(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'labels must be an object of strings';
  const keys = Object.keys(value);
  if (keys.length > LABELS_MAX) return `labels must have at most ${LABELS_MAX} entries, not ${keys.length}`;
  for (const [key, text] of Object.entries(value)) {
    if (!LABEL_KEY.test(key)) return 'each label key must match ^[a-z0-9][a-z0-9._/-]{0,62}$';
    if (typeof text !== 'string') return `the value of label "${key}" must be a string`;
    if (text.length > LABEL_VALUE_MAX) return `the value of label "${key}" must have at most ${LABEL_VALUE_MAX} characters`;
    if (!isPlainText(text)) return `the value of label "${key}" must hold no control characters`;
  }
  return null;
}

// Not a z.record: that one drops a key named __proto__ without a word.
export const labelsField = z
  .custom<Record<string, string>>()
  .superRefine((value, context) => {
    const problem = labelsProblem(value);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  })
  .meta({
    type: 'object',
    maxProperties: LABELS_MAX,
    propertyNames: { pattern: LABEL_KEY.source },
    additionalProperties: { type: 'string', maxLength: LABEL_VALUE_MAX },
    description: 'Up to 16 labels of your own.',
    example: { app: 'shop' },
  });

const INTERNAL_NAME = /(^|\.)(localhost|local|internal|localdomain|home\.arpa)\.?$/i;

/** What can be told from the address alone; the sender looks at the resolved address again before it connects. */
export function webhookProblem(text: string): string | null {
  if (text.length > 2048 || !URL.canParse(text)) return 'notify_webhook must be an https URL of at most 2048 characters';
  const url = new URL(text);
  if (url.protocol !== 'https:') return 'notify_webhook must be an https URL';
  if (url.username !== '' || url.password !== '') return 'notify_webhook must hold no user or password';
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (ipaddr.isValid(host)) {
    return ipaddr.process(host).range() === 'unicast' ? null : 'notify_webhook must not point to a private, loopback or link-local address';
  }
  if (INTERNAL_NAME.test(host) || !host.replace(/\.$/, '').includes('.')) return 'notify_webhook must point to a public host name';
  return null;
}

export const notifyWebhookField = z
  .string({ error: 'notify_webhook must be an https URL as a string' })
  .superRefine((text, context) => {
    const problem = webhookProblem(text);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  })
  .meta({
    format: 'uri',
    maxLength: 2048,
    description: 'Called, signed, when something happens to the resource.',
    example: 'https://example.com/hooks/leasehold',
  });

export const notifyEmailField = z
  .email({ error: 'notify_email must be an e-mail address' })
  .max(254, { error: 'notify_email must have at most 254 characters' })
  .meta({ description: 'Told by mail before the resource expires, and when it is gone.', example: 'agent@example.com' });

export const idField = z.uuid({ error: 'must be a UUID' });

export const reasonField = z
  .string({ error: 'reason is required: 1 to 300 characters that say why' })
  .trim()
  .min(1, { error: 'reason is required: 1 to 300 characters that say why' })
  .max(300, { error: 'reason must have at most 300 characters' })
  .refine(isPlainText, { error: 'reason must hold no control characters' })
  .meta({ description: 'Why; the owner reads it.', example: 'abuse report 4711' });
