// `npm run events:docs`: writes the schema and the table of events into docs, from the schemas that validate.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { resourceEventJsonSchema, resourceEventTable } from '../dist/shared/events/document.js';

const docs = (name) => fileURLToPath(new URL(`../docs/${name}`, import.meta.url));
writeFileSync(docs('events.schema.json'), `${JSON.stringify(resourceEventJsonSchema(), null, 2)}\n`);
const page = readFileSync(docs('events.md'), 'utf8');
const table = `<!-- events -->\n\n${resourceEventTable()}\n\n<!-- /events -->`;
writeFileSync(
  docs('events.md'),
  page.replace(/<!-- events -->[\s\S]*<!-- \/events -->/, () => table),
);
