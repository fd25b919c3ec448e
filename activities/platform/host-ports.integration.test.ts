import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database';
import { createHostPorts } from './host-ports';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

let made = 0;
async function newHost(ports: { first: number; last: number } = { first: 42_000, last: 42_009 }) {
  made += 1;
  const hostName = `host-${made}`;
  await database.pool.query(`INSERT INTO hosts (name, region, address, first_port, last_port) VALUES ($1, 'local', '127.0.0.1', $2, $3)`, [
    hostName,
    ports.first,
    ports.last,
  ]);
  return createHostPorts({ pool: database.pool, hostName, firstPort: ports.first, lastPort: ports.last });
}

describe('ports of a host', () => {
  test('the same one each time, never one to two, also when all ask at once', async () => {
    const ports = await newHost();
    const names = Array.from({ length: 10 }, (_, index) => `object-${index}`);
    const given = await Promise.all([...names, ...names].map((name) => ports.claim(name)));
    expect(new Set(given).size).toBe(10);
    expect(given.slice(0, 10)).toEqual(given.slice(10));
    await expect(ports.claim('one-more')).rejects.toThrow('are taken');
  });

  test('one that was never used comes first, then the one that has been free for longest', async () => {
    const ports = await newHost({ first: 42_000, last: 42_002 });
    expect(await ports.claim('a')).toBe(42_000);
    await ports.release('a');
    expect([await ports.claim('b'), await ports.claim('c'), await ports.claim('d')]).toEqual([42_001, 42_002, 42_000]);
    await ports.release('c');
    await ports.release('b');
    await ports.release('b');
    expect([await ports.claim('e'), await ports.claim('f')]).toEqual([42_002, 42_001]);
  });

  test('two hosts have ports of their own; what is outside a new range is not handed out any more', async () => {
    const [one, other] = [await newHost(), await newHost()];
    expect(await one.claim('a')).toBe(await other.claim('a'));
    const narrowed = createHostPorts({ pool: database.pool, hostName: `host-${made}`, firstPort: 42_005, lastPort: 42_009 });
    expect(await narrowed.claim('a')).toBe(42_000);
    expect(await narrowed.claim('b')).toBe(42_005);
  });

  test('whatever is claimed and released in whatever order, side by side', async () => {
    const steps = fc.array(fc.record({ release: fc.boolean(), name: fc.integer({ min: 0, max: 7 }) }), { minLength: 1, maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(steps, async (taken) => {
        const ports = await newHost();
        const held = new Map<string, number>();
        for (const { release, name } of taken) {
          const key = `object-${name}`;
          if (release) {
            await ports.release(key);
            held.delete(key);
          } else {
            const port = await ports.claim(key);
            expect(held.get(key) ?? port).toBe(port);
            held.set(key, port);
          }
          expect(new Set(held.values()).size).toBe(held.size);
        }
      }),
      { numRuns: 15 },
    );
  });
});
