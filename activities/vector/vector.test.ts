// What a server must have, and what a new database is given.
import { describe, expect, it } from '@jest/globals';
import { assertPgvector, furnish } from './index';

const objectName = 'lhabcdefgh_abcdefghijklmnopqrstuvwx';

describe('a server', () => {
  it.each([['0.8.5'], ['0.5.0'], ['1.0']])('that offers %s will do', async (version) => {
    await expect(assertPgvector(async () => [{ version }])).resolves.toBeUndefined();
  });

  it.each([
    [[], 'the server has no extension vector'],
    [[{ version: null }], 'the server has no extension vector'],
    [[{ version: '0.4.4' }], "the server's pgvector is 0.4.4, and 0.5 is needed"],
  ])('that offers %j is refused with the remedy', async (rows, words) => {
    const refused = expect(assertPgvector(async () => rows)).rejects;
    await refused.toMatchObject({
      name: 'ProviderMisconfigured',
      message: `${words}: install pgvector on it, or set LEASEHOLD_POSTGRES_VECTOR_ADMIN_URL to one that has it`,
    });
  });
});

describe('a new database', () => {
  it('has the extension, and a table of the size that was asked for', () => {
    expect(furnish({ objectName, options: {} })).toEqual(['CREATE EXTENSION IF NOT EXISTS vector SCHEMA public']);
    expect(furnish({ objectName, options: { dimensions: 3 } })).toEqual([
      'CREATE EXTENSION IF NOT EXISTS vector SCHEMA public',
      'CREATE TABLE IF NOT EXISTS public.items (id bigserial PRIMARY KEY, embedding public.vector(3))',
      `ALTER TABLE public.items OWNER TO "${objectName}"`,
    ]);
  });

  it.each([0, -1, 1.5, 16_001, Number.NaN, '3); DROP TABLE x; --' as unknown as number])('is not made with %j dimensions', (dimensions) => {
    expect(() => furnish({ objectName, options: { dimensions } })).toThrow('dimensions must be 1 to 16000');
  });
});
