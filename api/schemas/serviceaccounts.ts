// Service accounts: what an admin sends, and what is listed.
import { z } from 'zod';
import { SERVICE_ROLES } from '../identity/serviceaccounts';
import { isPlainText, nameField } from './fields';

const SCOPES = ['read', 'write'] as const;

const plain = (what: string) =>
  z
    .string({ error: `${what} is required: 1 to 255 characters` })
    .min(1, { error: `${what} is required: 1 to 255 characters` })
    .max(255, { error: `${what} must have at most 255 characters` })
    .refine(isPlainText, { error: `${what} must hold no control characters` });

export const serviceAccountBody = z.strictObject({
  name: nameField,
  issuer: plain('issuer').meta({
    description: 'One of the configured issuers, exactly as in the tokens.',
    example: 'https://issuer.example',
  }),
  subject: plain('subject').meta({ description: 'The `sub` of the machine’s tokens.', example: 'repo:acme/orders:ref:refs/heads/main' }),
  role: z.enum(SERVICE_ROLES, { error: 'role must be one of member, viewer' }),
  scopes: z
    .array(z.enum(SCOPES, { error: 'scopes must be a list of read, write' }), { error: 'scopes must be a list of read, write' })
    .min(1, { error: 'scopes must name at least one of read, write' })
    .transform((scopes) => [...new Set(scopes)]),
});

const item = z.object({
  id: z.uuid(),
  name: z.string(),
  issuer: z.string(),
  subject: z.string(),
  role: z.enum(SERVICE_ROLES),
  scopes: z.array(z.string()),
  created_by: z.uuid().nullable(),
  created_at: z.iso.datetime(),
});

export const serviceAccountAnswer = z.object({ ok: z.literal(true), ...item.shape }).meta({ id: 'ServiceAccount' });
export const serviceAccountsAnswer = z.object({ ok: z.literal(true), items: z.array(item) });
