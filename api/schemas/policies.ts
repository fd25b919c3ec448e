// Figures that operators set in place of those of plans.yaml.
import { z } from 'zod';
import { POLICY_KEYS, policyScope } from '../../shared/policy';

const scope = z
  .string()
  .refine((text) => policyScope(text) !== null, { error: 'must be global, team/<id> or fingerprint/<64 hex digits>' })
  .meta({ example: 'global' });
const key = z.enum(POLICY_KEYS as [string, ...string[]]).transform((text) => text as (typeof POLICY_KEYS)[number]);

export const policyName = z.object({ scope, key });
export const policyBody = z.object({
  scope,
  key,
  value: z.int().min(-1, { error: 'must be a whole number; -1 means unlimited' }).max(1_000_000_000),
});

export const policyAnswer = z.object({ ok: z.literal(true), scope: z.string(), key: z.string(), value: z.int() });
export const policyGone = z.object({ ok: z.literal(true), scope: z.string(), key: z.string() });
export const policiesAnswer = z.object({
  ok: z.literal(true),
  items: z.array(z.object({ scope: z.string(), key: z.string(), value: z.int(), updated_at: z.iso.datetime(), updated_by: z.string() })),
});
