// Requests and answers under `/api/v1/webhooks`.
import { z } from 'zod';
import type { RequestSummary, StoredRequest } from '../../shared/inbox';
import { ApiError } from '../errors';
import { isPlainText } from './fields';
import { timestamp } from './provision';

const count = z.int();
const ok = z.literal(true);

const token = z.string().meta({ description: 'The id (with a bearer or X-Resource-Token), or the token of an anonymous inbox.' });
export const inboxParams = z.object({ token });
export const storedParams = z.object({ token, id: z.string().meta({ description: 'The id of a stored request.' }) });

const summaryShape = {
  id: z.uuid(),
  received_at: timestamp,
  method: z.string(),
  path: z.string().meta({ description: 'What followed the receive url.' }),
  query: z.string(),
  headers: z.record(z.string(), z.string()).meta({ description: 'Names in lower case; what is secret reads [REDACTED].' }),
  body_bytes: count,
};
const summarySchema = z.object(summaryShape).meta({ id: 'WebhookRequest' });
export const storedRequestsAnswer = z.object({ ok, items: z.array(summarySchema), next_cursor: z.string().nullable() });
export const storedRequestAnswer = z.object({
  ok,
  ...summaryShape,
  body: z.string().meta({ description: 'As text where it is UTF-8, else in base64.' }),
  body_encoding: z.enum(['utf8', 'base64']),
});

export const replayAnswer = z.object({
  ok,
  id: z.uuid(),
  delivered: z.boolean().meta({ description: 'Whether there was any answer.' }),
  status: count.nullable(),
  content_type: z.string().nullable(),
  redirects: count,
  duration_ms: count,
  failure: z.string().nullable(),
});

const notAnObject = 'the body must be a JSON object';
const strictBody = <T extends z.ZodRawShape>(shape: T) =>
  z.strictObject(shape, { error: (issue) => (issue.code === 'invalid_type' ? notAnObject : undefined) });

export const replayBody = strictBody({
  url: z
    .string({ error: 'url is required: where to send the request' })
    .min(1, { error: 'url is required: where to send the request' })
    .max(2048, { error: 'url must have at most 2048 characters' })
    .refine(isPlainText, { error: 'url must hold no control characters' })
    .meta({ format: 'uri', description: 'http or https; public addresses only.', example: 'https://example.com/hooks' }),
});

const signature = z
  .strictObject(
    {
      secret: z
        .string({ error: 'signature.secret is required: 8 to 256 characters that the sender knows too' })
        .min(8, { error: 'signature.secret must have at least 8 characters' })
        .max(256, { error: 'signature.secret must have at most 256 characters' }),
      header: z
        .string({ error: 'signature.header must be the name of a header' })
        .regex(/^[A-Za-z0-9-]{1,64}$/, { error: 'signature.header must be the name of a header' })
        .default('x-hub-signature-256')
        .transform((name) => name.toLowerCase()),
      prefix: z
        .string({ error: 'signature.prefix must be a string' })
        .max(32, { error: 'signature.prefix must have at most 32 characters' })
        .default('sha256='),
      encoding: z.enum(['hex', 'base64'], { error: 'signature.encoding must be hex or base64' }).default('hex'),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'signature must be an object, or null to check none' : undefined) },
  )
  .nullable()
  .meta({ description: 'HMAC-SHA256 over the body as it was sent; null = signatures are not checked.' });
export const signatureBody = strictBody({ signature });

export const inboxAnswer = z.object({
  ok,
  signature: z.object({ header: z.string(), prefix: z.string(), encoding: z.enum(['hex', 'base64']) }).nullable(),
});

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isRequestId(text: string): boolean {
  return UUID.test(text);
}

export function encodeRequestCursor(id: string): string {
  return Buffer.from(`w${id}`, 'utf8').toString('base64url');
}

/** @throws ApiError invalid_cursor */
export function decodeRequestCursor(cursor: string): string {
  const text = Buffer.from(cursor.slice(0, 100), 'base64url').toString('utf8');
  // Node skips what is not base64url, and a cursor has one spelling only.
  if (text.startsWith('w') && isRequestId(text.slice(1)) && encodeRequestCursor(text.slice(1)) === cursor) return text.slice(1);
  throw new ApiError({
    code: 'invalid_cursor',
    message: 'cursor must be the next_cursor of an earlier page; leave it out for the first page.',
  });
}

export function toSummary(request: RequestSummary) {
  const { id, receivedAt, method, path, query, headers, bodyBytes } = request;
  return { id, received_at: receivedAt.toISOString(), method, path, query, headers, body_bytes: bodyBytes };
}

export function toStored(request: StoredRequest) {
  const text = request.body.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(request.body);
  return {
    ok: true as const,
    ...toSummary(request),
    body: isText ? text : request.body.toString('base64'),
    body_encoding: isText ? ('utf8' as const) : ('base64' as const),
  };
}
