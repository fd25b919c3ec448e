// Requests and answers of accounts, teams, api keys and the audit log.
import { z } from 'zod';
import { KEY_SCOPES, TEAM_ROLES } from '../../shared/authz';
import { isPlainText } from './fields';
import { timestamp } from './provision';

const ok = z.literal(true);
const EMAIL_MAX = 254;

const strictBody = <T extends z.ZodRawShape>(shape: T) =>
  z.strictObject(shape, { error: (issue) => (issue.code === 'invalid_type' ? 'the body must be a JSON object' : undefined) });

export const label = (what: string) =>
  z
    .string({ error: `${what} must be a string of 1 to 64 characters` })
    .trim()
    .min(1, { error: `${what} is required: 1 to 64 characters` })
    .max(64, { error: `${what} must have at most 64 characters` })
    .refine(isPlainText, { error: `${what} must hold no control characters` });

export const emailField = z
  .string({ error: 'email must be an address as a string' })
  .trim()
  .max(EMAIL_MAX, { error: `email must have at most ${EMAIL_MAX} characters` })
  .pipe(z.email({ error: 'email must be an address such as ada@example.com' }));

const invitedRole = z.enum(['admin', 'member', 'viewer'], { error: 'role must be one of admin, member, viewer' });
const anyRole = z.enum(TEAM_ROLES, { error: `role must be one of ${TEAM_ROLES.join(', ')}` });
const scope = z.enum(KEY_SCOPES, { error: `scopes must be a list of ${KEY_SCOPES.join(', ')}` });
const scopes = z.array(scope, { error: `scopes must be a list of ${KEY_SCOPES.join(', ')}` });

export const whoamiAnswer = z.object({
  ok,
  user_id: z.uuid().nullable().meta({ description: 'null for a key from the configuration, and for the operator key.' }),
  team_id: z.uuid().nullable().meta({ description: 'null for an operator.' }),
  email: z.string().nullable(),
  tier: z.string().nullable(),
  plan_tier: z.string().nullable().meta({ description: 'The same as tier.' }),
  team_name: z.string().nullable(),
});

const teamRef = z.object({ team_id: z.uuid(), team_name: z.string(), tier: z.string(), role: anyRole });

export const meAnswer = z.object({
  ...whoamiAnswer.shape,
  role: z.enum([...TEAM_ROLES, 'platform_operator']),
  scopes: z.array(scope).meta({ description: 'What of the role this credential may use.' }),
  credential: z.enum(['api_key', 'session', 'id_token', 'operator_key']),
  platform_operator: z.boolean(),
  teams: z.array(teamRef).meta({ description: 'Every team of this person; of an api key its own alone.' }),
});

export const logoutAnswer = z.object({ ok, message: z.string() });

export const switchBody = strictBody({ team_id: z.uuid({ error: 'team_id must be the id of a team of yours' }) });
export const switchAnswer = z.object({
  ok,
  session_token: z.string(),
  expires_at: timestamp,
  ...teamRef.shape,
});

export const teamAnswer = z.object({
  ok,
  team: z.object({
    id: z.uuid(),
    name: z.string(),
    tier: z.string(),
    members: z.int(),
    members_limit: z.int().meta({ description: '-1 = unlimited.' }),
    created_at: timestamp,
  }),
});
export const teamBody = strictBody({ name: label('name') });

export const memberParams = z.object({ user_id: z.string().meta({ description: 'The id of a member.' }) });
const memberSchema = z.object({ user_id: z.uuid(), email: z.string(), role: anyRole, joined_at: timestamp }).meta({ id: 'Member' });
export const membersAnswer = z.object({ ok, items: z.array(memberSchema) });
export const memberAnswer = z.object({ ok, member: memberSchema });
export const memberBody = strictBody({ role: anyRole });
export const doneAnswer = z.object({ ok, message: z.string() });

export const idParams = z.object({ id: z.string().meta({ description: 'Its id.' }) });
export const invitationBody = strictBody({ email: emailField, role: invitedRole.default('member') });
const invitationShape = {
  id: z.uuid(),
  email: z.string(),
  role: invitedRole,
  status: z.enum(['open', 'accepted', 'revoked', 'expired']),
  invited_by: z.uuid().nullable(),
  created_at: timestamp,
  expires_at: timestamp,
};
export const invitationsAnswer = z.object({ ok, items: z.array(z.object(invitationShape).meta({ id: 'Invitation' })) });
export const invitationAnswer = z.object({
  ok,
  ...invitationShape,
  token: z.string().meta({ description: 'Good once; shown once.' }),
  accept_url: z.url().meta({ description: 'Says what the invitation is for and how to accept it.' }),
});
export const invitationTokenParams = z.object({ token: z.string().meta({ description: 'The token of the invitation.' }) });
export const invitationPreviewAnswer = z.object({
  ok,
  team_name: z.string(),
  role: invitedRole,
  expires_at: timestamp,
  accept: z.object({ method: z.literal('POST'), url: z.url() }),
});
export const acceptAnswer = z.object({ ok, ...teamRef.shape, message: z.string() });

export const apiKeyBody = strictBody({
  name: label('name'),
  scopes: scopes
    .min(1, { error: `scopes must name at least one of ${KEY_SCOPES.join(', ')}` })
    .max(KEY_SCOPES.length, { error: 'scopes must name each scope once' })
    .refine((list) => new Set(list).size === list.length, { error: 'scopes must name each scope once' }),
});
export const apiKeyAnswer = z.object({
  ok,
  id: z.uuid(),
  name: z.string(),
  key: z.string().meta({ description: 'Shown once; only its hash is kept.' }),
  scopes: z.array(scope),
  created_at: timestamp,
});
const apiKeyItem = z
  .object({
    id: z.uuid(),
    name: z.string(),
    scopes: z.array(scope),
    hint: z.string().nullable().meta({ description: 'Its last four characters.' }),
    created_at: timestamp,
    created_by: z.uuid().nullable().meta({ description: 'null = from the configuration.' }),
    last_used_at: timestamp.nullable().meta({ description: 'To the minute.' }),
    revoked_at: timestamp.nullable(),
  })
  .meta({ id: 'ApiKey' });
export const apiKeysAnswer = z.object({ ok, items: z.array(apiKeyItem) });
