// The events as a document: the JSON schema, and the table of docs/events.md.
import { z } from 'zod';
import { EVENT_VERSION, resourceEventSchema } from './schemas';

/** JSON Schema 2020-12 of every event of this version. Unknown fields are allowed, as consumers must allow them. */
export function resourceEventJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(resourceEventSchema, { io: 'input' });
  return { ...schema, $id: `leasehold/events/v${EVENT_VERSION}`, title: `Resource events, version ${EVENT_VERSION}` };
}

export function resourceEventTable(): string {
  const rows = resourceEventSchema.options.map((option) => {
    const fields = Object.keys(option.shape.data.shape).map((field) => `\`${field}\``);
    return `| \`${option.shape.type.value}\` | ${option.description ?? ''} | ${fields.join(', ')} |`;
  });
  return ['| type | what it means | data |', '| --- | --- | --- |', ...rows].join('\n');
}
