// Answers of the operator's routes about events that could not be announced.
import { z } from 'zod';
import { timestamp } from './provision';

export const deadLetterSchema = z
  .object({
    id: z.uuid().meta({ description: 'The event’s id, on every stream.' }),
    resource_id: z.uuid(),
    revision: z.int(),
    type: z.string(),
    attempts: z.int(),
    last_error: z.string().nullable(),
    recorded_at: timestamp,
    dead_lettered_at: timestamp,
    waiting_behind: z.int().meta({ description: 'Later events of the same resource, which wait for it.' }),
  })
  .meta({ id: 'DeadLetter' });

export const deadLettersAnswer = z.object({ ok: z.literal(true), items: z.array(deadLetterSchema) });
export const outboxParams = z.object({ id: z.string().meta({ description: 'Of a dead-lettered event.' }) });
export const replayAnswer = z.object({ ok: z.literal(true), id: z.uuid(), resource_id: z.uuid() });
