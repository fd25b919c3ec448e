import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database';
import { currentEventCursor, type EventScope, InvalidEventCursor, readEventsAfter } from './index';

const EVERYTHING: EventScope = { type: 'platform' };

let database: TestDatabase;
/** Other tests of this server hold transactions open too: reading goes on until all that is expected is there. */
const PATIENCE_MS = 60_000;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

let teamId: string;
beforeEach(async () => {
  teamId = randomUUID();
  await database.pool.query(`INSERT INTO teams (id, name, tier) VALUES ($1, 'a team', 'pro')`, [teamId]);
});

async function makeResource(owner: string | null): Promise<string> {
  const id = randomUUID();
  await database.pool.query(
    `INSERT INTO resources (id, kind, name, env, team_id, owner_fingerprint, tier, status, revision, generation, owner_run, backend_name, object_name,
                            token_hash, token_encrypted, policy, limits, created_at, updated_at)
     VALUES ($1, 'postgres', 'orders', 'test', $2, $3, 'pro', 'active', 0, 1, 'run', $4, $5, $5, '', '{}', '{}', now(), now())`,
    [id, owner, owner === null ? 'somebody' : null, database.backendName, `object-${id}`],
  );
  return id;
}

async function record(client: pg.Pool | pg.PoolClient, resourceId: string, revision: number): Promise<string> {
  const id = randomUUID();
  await client.query(
    `INSERT INTO resource_events (id, resource_id, revision, type, status, data, actor_type, actor_id, occurred_at)
     VALUES ($1, $2, $3, 'resource.updated', 'active', '{}', 'system', 'lifecycle', now())`,
    [id, resourceId, revision],
  );
  return id;
}

/** Reads page by page until so many came, or for as long as patience lasts. */
async function readAll(cursor: string | null, options: { scope: EventScope; count: number; limit?: number }) {
  const endsAtMs = Date.now() + PATIENCE_MS;
  const ids: string[] = [];
  let at = cursor;
  while (ids.length < options.count && Date.now() < endsAtMs) {
    const page = await readEventsAfter(database.pool, at, { scope: options.scope, limit: options.limit ?? 100 });
    ids.push(...page.events.map((event) => event.id));
    at = page.cursor;
    if (page.isComplete && ids.length < options.count) await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return { ids, cursor: at };
}

describe('events by cursor', () => {
  it('come in the order in which they were recorded, page by page, each once', async () => {
    const [one, two] = [await makeResource(teamId), await makeResource(teamId)];
    const recorded: string[] = [];
    for (let revision = 1; revision <= 5; revision += 1)
      for (const resource of [one, two]) recorded.push(await record(database.pool, resource, revision));
    const scope: EventScope = { type: 'team', teamId };
    for (const limit of [1, 3, 10, 100]) expect((await readAll(null, { scope, count: 10, limit })).ids).toEqual(recorded);
    const { events } = await readEventsAfter(database.pool, null, { scope, limit: 4 });
    const rest = await readAll(events[3]?.cursor ?? '', { scope, count: 6 });
    expect(rest.ids).toEqual(recorded.slice(4));
    expect(await readEventsAfter(database.pool, rest.cursor, { scope, limit: 4 })).toMatchObject({ events: [], isComplete: true });
  });

  it('of a transaction that commits late are not skipped, whoever read in between', async () => {
    const [slow, quick] = [await makeResource(teamId), await makeResource(teamId)];
    const start = await currentEventCursor(database.pool);
    const scope: EventScope = { type: 'team', teamId };
    const client = await database.pool.connect();
    try {
      await client.query('BEGIN');
      const late = await record(client, slow, 1);
      const early = await record(database.pool, quick, 1);
      const between = await readEventsAfter(database.pool, start, { scope, limit: 100 });
      // The younger one is there for everybody, and still held back: handing it out would move the cursor past the older one.
      expect((await database.pool.query('SELECT 1 FROM resource_events WHERE id = $1', [early])).rowCount).toBe(1);
      expect(between).toMatchObject({ events: [], isComplete: true });
      await client.query('COMMIT');
      const { ids, cursor } = await readAll(between.cursor, { scope, count: 2 });
      expect(ids).toEqual([late, early]);
      expect((await readAll(cursor, { scope, count: 0 })).ids).toEqual([]);
    } finally {
      client.release();
    }
  });

  it('are all there once, with many writers and a reader that never waits', async () => {
    const resources = await Promise.all(Array.from({ length: 10 }, () => makeResource(teamId)));
    let at = await currentEventCursor(database.pool);
    const expected = new Set<string>();
    let isWriting = true;
    const writing = Promise.all(
      resources.map(async (resource) => {
        for (let revision = 1; revision <= 20; revision += 1) {
          const client = await database.pool.connect();
          await client.query('BEGIN');
          expected.add(await record(client, resource, revision));
          await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
          await client.query('COMMIT');
          client.release();
        }
      }),
    ).then(() => {
      isWriting = false;
    });
    const seen: { resourceId: string; revision: number; id: string }[] = [];
    const endsAtMs = Date.now() + PATIENCE_MS;
    while ((isWriting || seen.length < expected.size) && Date.now() < endsAtMs) {
      const page = await readEventsAfter(database.pool, at, { scope: { type: 'resources', resourceIds: resources }, limit: 7 });
      seen.push(...page.events);
      at = page.cursor;
    }
    await writing;
    expect(seen).toHaveLength(200);
    expect(new Set(seen.map((event) => event.id))).toEqual(expected);
    for (const resource of resources) {
      const revisions = seen.filter((event) => event.resourceId === resource).map((event) => event.revision);
      expect(revisions).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    }
  });

  it('of another owner are not in a scope, and the cursor moves past them', async () => {
    const [mine, foreign] = [await makeResource(teamId), await makeResource(null)];
    const start = await currentEventCursor(database.pool);
    const own = await record(database.pool, mine, 1);
    const other = await record(database.pool, foreign, 1);
    expect((await readAll(start, { scope: EVERYTHING, count: 2 })).ids).toEqual([own, other]);
    const team = await readEventsAfter(database.pool, start, { scope: { type: 'team', teamId }, limit: 10 });
    expect(team.events.map((event) => event.id)).toEqual([own]);
    expect(team.events[0]).toMatchObject({ resourceId: mine, teamId, kind: 'postgres', resourceName: 'orders', actor: { type: 'system' } });
    expect((await readAll(team.cursor, { scope: EVERYTHING, count: 0 })).ids).toEqual([]);
    const none = await readEventsAfter(database.pool, null, { scope: { type: 'resources', resourceIds: [] }, limit: 10 });
    expect(none.events).toEqual([]);
  });

  it.each(['', 'x', '1-2', `99999999999999999999-${randomUUID()}`, `1-${randomUUID()}'`, `18446744073709551615-${randomUUID()}`])(
    'refuse the cursor "%s"',
    async (cursor) => {
      await expect(readEventsAfter(database.pool, cursor, { scope: EVERYTHING, limit: 1 })).rejects.toThrow(InvalidEventCursor);
    },
  );
});
