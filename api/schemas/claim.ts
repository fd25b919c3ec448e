// Requests and answers of the claim.
import { z } from 'zod';
import { RESOURCE_STATUSES } from '../../shared/resourcestatus';
import { RESOURCE_KINDS } from '../../shared/resourcetype';
import { emailField, label } from './identity';
import { timestamp } from './provision';

const TOKENS_MAX = 20;
const ok = z.literal(true);
const tokenField = z.uuid({ error: 'a token is a UUID, as the answer of the provision holds it' });
const tokensField = z
  .array(tokenField, { error: 'tokens must be a list of tokens' })
  .min(1, { error: 'tokens must hold at least one token' })
  .max(TOKENS_MAX, { error: `tokens must hold at most ${TOKENS_MAX} tokens` });
const jwtField = z
  .string({ error: 'jwt must be the upgrade_jwt of a provision’s answer' })
  .max(8192, { error: 'jwt is too long for an upgrade_jwt' });

/** What there is to claim with, before it is known to be any good. */
export interface ClaimProof {
  token?: string;
  tokens?: string[];
  jwt?: string;
}

const hasOne = ({ token, tokens, jwt }: ClaimProof): boolean => [token, tokens, jwt].filter((proof) => proof !== undefined).length === 1;

export const claimBody = z
  .strictObject(
    {
      token: tokenField.optional(),
      tokens: tokensField.optional(),
      jwt: jwtField.optional(),
      email: emailField.optional().meta({ description: 'Needed without a bearer: whose the new team will be.' }),
      team_name: label('team_name').optional(),
    },
    { error: (issue) => (issue.code === 'invalid_type' ? 'the body must be a JSON object' : undefined) },
  )
  .refine(hasOne, { error: 'send exactly one of token, tokens and jwt' });

const oneOrMany = z
  .union([z.string(), z.array(z.string())])
  .transform((value) => (Array.isArray(value) ? value : [value]).flatMap((text) => text.split(',')).map((text) => text.trim()))
  .pipe(tokensField);

/** What a claim link may hold in its query. */
export const claimQuery = z
  .object({
    t: jwtField.optional().meta({ description: 'The upgrade_jwt.' }),
    tokens: oneOrMany.optional().meta({ description: 'Tokens or claim handles, with commas between.', type: 'string' }),
  })
  .refine(({ t, tokens }) => (t === undefined) !== (tokens === undefined), { error: 'send exactly one of t and tokens' });

const claimedResource = {
  resource_id: z.uuid().nullable(),
  resource_type: z.enum(RESOURCE_KINDS).nullable(),
  name: z.string().nullable(),
  status: z.enum(RESOURCE_STATUSES).nullable(),
  expires_at: timestamp.nullable(),
  tier: z.string().nullable(),
};

const claimResult = z
  .object({
    outcome: z.enum(['claimed', 'accepted', 'refused']).meta({ description: 'accepted: its effect is still under way.' }),
    ...claimedResource,
    error: z.string().nullable(),
    message: z.string().nullable(),
  })
  .meta({ id: 'ClaimResult' });

export const claimAnswer = z.object({
  ok,
  team_id: z.uuid(),
  user_id: z.uuid().nullable().meta({ description: 'null for a key from the configuration.' }),
  session_token: z.string().optional().meta({ description: 'Of the new account; shown once.' }),
  session_expires_at: timestamp.optional(),
  message: z.string(),
  results: z.array(claimResult).meta({ description: 'One a token, in their order.' }),
});

export const previewAnswer = z.object({
  ok,
  items: z.array(
    z
      .object({
        ...claimedResource,
        claimable: z.boolean(),
        tier_after: z.string(),
        ttl_seconds_after: z.int().nullable().meta({ description: 'Counted from the claim; null = no end.' }),
        error: z.string().nullable().meta({ description: 'Why it cannot be claimed.' }),
      })
      .meta({ id: 'ClaimPreview' }),
  ),
});

/** What the page's form sends: text fields, empty where nothing was typed. */
export const claimForm = z
  .object({
    jwt: jwtField.optional(),
    tokens: oneOrMany.optional(),
    email: emailField,
    team_name: z.preprocess((value) => (value === '' ? undefined : value), label('team_name').optional()),
  })
  .refine(hasOne, { error: 'the form has lost what it is about; open the claim link again' });
