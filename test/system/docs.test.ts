// The pages of the kinds do what they say: every snippet is run on a product of its own, and prints what the page says it prints.
// Python's packages and mongosh are fetched by `npm run docs:check`; without them their snippets are skipped, by name.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { RESOURCE_KINDS } from '../../shared/resourcetype';
import { builtFerretdb } from '../../stack/servers/ferretdb';
import { findTools, missingFor, Reader, snippetsOf } from '../harness/snippets';
import { ROOT, Stack } from '../harness/stack';

jest.setTimeout(180_000);

const CACHE = process.env.LEASEHOLD_CACHE ?? join(ROOT, '.leasehold/cache');
const PAGES = join(ROOT, 'docs/kinds');
const SECTIONS = ['What you get', 'What is enforced, and how hard', 'What is refused, and why', 'Snippets'];
// Building FerretDB takes minutes; the tests of its kind do that, and then it is here too.
const KINDS = RESOURCE_KINDS.filter((kind) => kind !== 'mongodb' || existsSync(builtFerretdb(CACHE)));
const tools = findTools(join(CACHE, 'docs-tools'));
const pageOf = (name: string) => readFileSync(join(PAGES, `${name}.md`), 'utf8');

const stack = new Stack({ LEASEHOLD_KINDS: KINDS.join(','), LEASEHOLD_POOL_REFILL: 'off' });
beforeAll(() => stack.start());
afterAll(() => stack.dispose());

describe('the pages', () => {
  it.each(RESOURCE_KINDS)('%s has its four sections, in this order', (kind) => {
    const headings = [...pageOf(kind).matchAll(/^## (.+)$/gm)].map(([, heading]) => heading ?? '');
    expect(headings.filter((heading) => SECTIONS.includes(heading))).toEqual(SECTIONS);
  });

  it.each(RESOURCE_KINDS)('%s has snippets in JavaScript, in Python and for the command line', (kind) => {
    expect(new Set(snippetsOf(pageOf(kind)).map(({ language }) => language))).toEqual(new Set(['sh', 'js', 'python']));
  });

  it('are all in the index', () => {
    const index = pageOf('README');
    for (const kind of RESOURCE_KINDS) expect(index).toContain(`(${kind}.md)`);
  });
});

describe.each(RESOURCE_KINDS)('the snippets of %s', (kind) => {
  if (!KINDS.includes(kind)) {
    it.skip('skipped: no server', () => undefined);
    return;
  }
  let reader: Reader;
  beforeAll(() => {
    reader = new Reader({ folder: join(stack.home, `reader-${kind}`), root: ROOT, apiUrl: stack.baseUrl, tools });
  });
  for (const snippet of snippetsOf(pageOf(kind))) {
    const name = `${snippet.language} of line ${snippet.line}`;
    const missing = missingFor(snippet, tools);
    if (missing !== null) it.skip(`${name} (skipped: no ${missing})`, () => undefined);
    else
      it(name, async () => {
        let printed = await reader.run(snippet);
        for (const text of snippet.prints) {
          expect(printed).toContain(text);
          printed = printed.slice(printed.indexOf(text) + text.length);
        }
      });
  }
});
