// What signing in by an issuer's token takes and answers.
import { z } from 'zod';

const ID_TOKEN_MAX = 16_384;

export const exchangeBody = z.object({
  id_token: z
    .string({ error: 'id_token is required: the id token that the issuer gave' })
    .min(1, { error: 'id_token is required: the id token that the issuer gave' })
    .max(ID_TOKEN_MAX, { error: `id_token must have at most ${ID_TOKEN_MAX} characters` })
    .meta({ description: 'Of a configured issuer, for this installation.', example: 'eyJhbGciOiJSUzI1NiJ9.e30.c2ln' }),
  team_id: z
    .uuid({ error: 'team_id must be a UUID' })
    .optional()
    .meta({ description: 'Which of your teams the session is for; the oldest without it.' }),
});

export const exchangeAnswer = z
  .object({
    ok: z.literal(true),
    session_token: z.string().meta({ description: 'Send it as Authorization: Bearer.' }),
    team_id: z.uuid(),
    user_id: z.uuid(),
    expires_at: z.iso.datetime(),
  })
  .meta({ id: 'Session' });
