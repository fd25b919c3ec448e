// The error envelope as a schema, one for each HTTP status, so that each names the codes it can hold.
import { z } from 'zod';
import { codesOfStatus } from '../errors';

const detail = z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())]);
const made = new Map<number, z.ZodType>();

function withCodes(status: number) {
  return {
    ok: z.literal(false),
    error: z.enum(codesOfStatus(status)),
    message: z.string(),
    request_id: z.string(),
    retry_after_seconds: status === 429 || status > 500 ? z.int() : z.null(),
    agent_action: z.string().max(280),
    upgrade_url: z.string().optional(),
    claim_url: z.string().optional(),
    ...(status === 401
      ? { error_code: z.enum(['missing_credentials', 'malformed_token', 'expired_token', 'invalid_claims', 'revoked_session']) }
      : { error_code: z.string().optional() }),
    details: z.record(z.string(), detail).optional(),
  };
}

export function errorSchema(status: number): z.ZodType {
  const existing = made.get(status);
  if (existing !== undefined) return existing;
  const schema = z.object(withCodes(status)).meta({ id: `Error${status}` });
  made.set(status, schema);
  return schema;
}

/** RFC 9457, with the envelope's members besides. */
export function problemSchema(status: number): z.ZodType {
  const existing = made.get(-status);
  if (existing !== undefined) return existing;
  const problem = { type: z.url(), title: z.string(), status: z.literal(status), detail: z.string(), instance: z.string() };
  const schema = z.object({ ...problem, ...withCodes(status) }).meta({ id: `Problem${status}` });
  made.set(-status, schema);
  return schema;
}
