import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database';
import { backoffMs, markFailed, markPublished, outboxLag, takeOutboxRows } from './queue';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());
beforeEach(() => database.pool.query('DELETE FROM outbox_events'));

async function write(resourceId: string, revision: number): Promise<string> {
  const id = randomUUID();
  await database.pool.query(`INSERT INTO outbox_events (id, resource_id, revision, type, payload) VALUES ($1, $2, $3, 'test', '{}')`, [
    id,
    resourceId,
    revision,
  ]);
  return id;
}

const lease = { limit: 10, leaseMs: 60_000 };

describe('the outbox', () => {
  it("hands out one resource's rows in order, one at a time", async () => {
    const resource = randomUUID();
    const ids = [await write(resource, 1), await write(resource, 2), await write(resource, 3)];
    for (const id of ids) {
      const rows = await takeOutboxRows(database.pool, lease);
      expect(rows.map((row) => row.id)).toEqual([id]);
      expect(await takeOutboxRows(database.pool, lease)).toEqual([]);
      await markPublished(database.pool, [id]);
    }
    expect((await outboxLag(database.pool)).waiting).toBe(0);
  });

  it('hands no row to two relays at once', async () => {
    for (let count = 0; count < 20; count += 1) await write(randomUUID(), 1);
    const taken = await Promise.all(Array.from({ length: 4 }, () => takeOutboxRows(database.pool, lease)));
    const ids = taken.flat().map((row) => row.id);
    expect(ids).toHaveLength(20);
    expect(new Set(ids).size).toBe(20);
  });

  it('gives a row back when its lease ends, and holds back only the resource whose row is dead', async () => {
    const [broken, healthy] = [randomUUID(), randomUUID()];
    const id = await write(broken, 1);
    await write(broken, 2);
    await write(healthy, 1);
    const [first] = (await takeOutboxRows(database.pool, { limit: 10, leaseMs: 0 })).filter((row) => row.id === id);
    const again = (await takeOutboxRows(database.pool, { limit: 10, leaseMs: 0 })).find((row) => row.id === id);
    expect(again?.attempts).toBe((first?.attempts ?? 0) + 1);
    expect(await markFailed(database.pool, { id, attempts: 5 }, { error: 'refused', maximumAttempts: 5 })).toBe(true);
    const rows = await takeOutboxRows(database.pool, lease);
    expect(rows.map((row) => row.resourceId)).toEqual([healthy]);
    expect(await outboxLag(database.pool)).toMatchObject({ deadLettered: 1 });
  });

  it('backs off within bounds', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10_000 }), (attempts) => {
        expect(backoffMs(attempts)).toBeGreaterThanOrEqual(250);
        expect(backoffMs(attempts)).toBeLessThanOrEqual(60_000);
        expect(backoffMs(attempts + 1)).toBeGreaterThanOrEqual(backoffMs(attempts));
      }),
    );
  });
});
