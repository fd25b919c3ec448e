// What a command line sends and gets while a person signs it in.
import { z } from 'zod';

const TOKENS_MAX = 50;
const SESSION_ID = /^[a-z2-7]{40}$/;

const tokensError = `anon_tokens must be a list of at most ${TOKENS_MAX} tokens of anonymous resources`;

export const cliOpenBody = z.object({
  anon_tokens: z
    .array(z.uuid({ error: 'anon_tokens must hold tokens of anonymous resources, each a UUID' }), { error: tokensError })
    .max(TOKENS_MAX, { error: tokensError })
    .optional()
    .meta({ description: 'Anonymous resources that become the team’s when the sign-in is completed.' }),
});

export const cliOpenAnswer = z.object({
  ok: z.literal(true),
  session_id: z.string().regex(SESSION_ID).meta({ description: 'Poll with it, and tell nobody: it picks up the api key.' }),
  auth_url: z.url().meta({ description: 'A person opens this and signs the command line in.' }),
  expires_in: z.int().meta({ description: 'Seconds.' }),
});

export const cliParams = z.object({ session_id: z.string() });

export const cliPendingAnswer = z.object({ pending: z.literal(true) });

export const cliKeyAnswer = z.object({
  ok: z.literal(true),
  api_key: z.string(),
  email: z.string(),
  tier: z.string(),
  team_name: z.string(),
  claimed_tokens: z.array(z.string()),
});

export const cliCompleteAnswer = z.object({
  ok: z.literal(true),
  message: z.string(),
  team_id: z.uuid(),
  team_name: z.string(),
  claimed_tokens: z.array(z.string()),
});

export function isCliSessionId(text: string): boolean {
  return SESSION_ID.test(text);
}
