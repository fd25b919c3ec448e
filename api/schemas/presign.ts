// Request and answer of `POST /storage/:token/presign`.
import { z } from 'zod';
import { PRESIGN_OPERATIONS } from '../../shared/storageprovider';
import { timestamp } from './provision';

const LONGEST_SECONDS = 3_600;
const DEFAULT_SECONDS = 600;

export const presignParams = z.object({
  token: z.string().meta({ description: 'The token of an anonymous resource; with a bearer or X-Resource-Token, its id or token.' }),
});

const expiresIn = { error: `expires_in must be a whole number of seconds from 1 to ${LONGEST_SECONDS}` };

export const presignBody = z.strictObject(
  {
    operation: z.enum(PRESIGN_OPERATIONS, { error: `operation must be one of ${PRESIGN_OPERATIONS.join(', ')}` }),
    key: z
      .string({ error: 'key must be a string' })
      .meta({ description: 'Of the object, below the prefix of the resource.', example: 'a/b.txt' }),
    expires_in: z
      .int(expiresIn)
      .min(1, expiresIn)
      .max(LONGEST_SECONDS, expiresIn)
      .default(DEFAULT_SECONDS)
      .meta({ description: 'Seconds.' }),
  },
  { error: (issue) => (issue.code === 'invalid_type' ? 'the body must be a JSON object' : undefined) },
);

export const presignAnswer = z.object({
  ok: z.literal(true),
  url: z.url().meta({ description: 'Good for this one method and key, until expires_at or until access ends.' }),
  method: z.enum(PRESIGN_OPERATIONS),
  key: z.string(),
  object_key: z.string().meta({ description: 'The key in the bucket, prefix included.' }),
  expires_at: timestamp,
});
