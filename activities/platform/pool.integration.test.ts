import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { MockActivityEnvironment } from '@temporalio/testing';
import { Registry } from 'prom-client';
import { withTransaction } from '../../shared/db';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database';
import { createPoolFiller, createPoolPlanner, type PoolMaker, type RefillStep } from './pool';
import { createUpkeepMetrics } from './upkeep';

const QUIET = { info() {}, warn() {}, error() {} };

/** Remembers what exists; a real server behind the same verbs is in the workflow's own test. */
class RememberingMaker implements PoolMaker {
  readonly objects = new Set<string>();
  version = 'test';
  failing = new Set<string>();

  async createWarmItem({ objectName }: { objectName: string }): Promise<void> {
    if (this.failing.has(objectName)) throw new Error('no luck');
    this.objects.add(objectName);
  }
  async destroyOrphan({ objectName }: { objectName: string }): Promise<void> {
    this.objects.delete(objectName);
  }
  async serverVersion(): Promise<string> {
    return this.version;
  }
}

describe('the pool', () => {
  let database: TestDatabase;
  let maker: RememberingMaker;

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(() => database.drop());
  beforeEach(async () => {
    maker = new RememberingMaker();
    await database.pool.query('DELETE FROM pool_items');
    await database.pool.query(`UPDATE backends SET server_version = 'test', drained = false, ready = true`);
  });

  const metrics = createUpkeepMetrics(new Registry());
  const plan = (changes: { target?: number; refill?: boolean; template?: string } = {}): Promise<RefillStep> => {
    const planner = createPoolPlanner({ pool: database.pool, installationId: database.installationId, settings: { batchSize: 3 } });
    return planner.planRefill({ backendName: database.backendName, kind: 'postgres', template: 'template0', target: 3, ...changes });
  };
  const filler = () => createPoolFiller({ pool: database.pool, poolMaker: maker, metrics, logger: QUIET });
  const create = (objectNames: string[]) =>
    new MockActivityEnvironment().run(filler().createItems, { backendName: database.backendName, objectNames });
  const destroy = (objectNames: string[]) =>
    new MockActivityEnvironment().run(filler().destroyItems, { backendName: database.backendName, objectNames });
  const states = async (): Promise<Record<string, string>> => {
    const { rows } = await database.pool.query<{ object_name: string; state: string }>('SELECT object_name, state FROM pool_items');
    return Object.fromEntries(rows.map((row) => [row.object_name, row.state]));
  };
  async function fill(): Promise<string[]> {
    const { create: names } = await plan();
    await create(names);
    return names;
  }
  /** As a resource's reservation does it: item and row in one transaction. Null when no item is left. */
  async function claim(options: { status: string; objectName?: string }): Promise<string | null> {
    const id = randomUUID();
    return withTransaction(database.pool, async (client) => {
      const { rows } = await client.query<{ object_name: string }>(
        `UPDATE pool_items SET state = 'claimed', claimed_by = $1
          WHERE object_name = (SELECT object_name FROM pool_items WHERE state = 'ready' LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING object_name`,
        [id],
      );
      const objectName = rows[0]?.object_name ?? null;
      if (objectName === null) return null;
      await client.query(
        `INSERT INTO resources (id, kind, name, env, owner_fingerprint, tier, status, revision, generation, owner_run, backend_name, object_name,
                                token_hash, token_encrypted, policy, limits, created_at, updated_at)
         VALUES ($1::uuid, 'postgres', 'n', 'e', 'f', 'anonymous', $2, 1, 1, 'run', $3, $4, $1::text, '', '{}', '{}', now(), now())`,
        [id, options.status, database.backendName, options.objectName ?? objectName],
      );
      return objectName;
    });
  }

  it('has each name in its row before it is on the backend, then makes it ready', async () => {
    const step = await plan();
    expect(step).toMatchObject({ ready: 0, full: false, destroy: [] });
    expect(step.create).toHaveLength(3);
    for (const name of step.create) expect(name).toMatch(new RegExp(`^lh${database.installationId}_[a-z2-7]{24}$`));
    expect(Object.values(await states())).toEqual(['creating', 'creating', 'creating']);
    expect(await create(step.create)).toEqual({ made: 3 });
    expect([...maker.objects].sort()).toEqual([...step.create].sort());
    expect(await plan()).toEqual({ create: [], destroy: [], ready: 3, full: true });
  });

  it('finishes what a dead attempt has begun instead of beginning anew', async () => {
    const before = await plan();
    expect((await plan()).create.sort()).toEqual(before.create.sort());
  });

  it('keeps one stubborn item from holding up the others', async () => {
    const { create: names } = await plan();
    maker.failing.add(names[0] ?? '');
    expect(await create(names)).toEqual({ made: 2 });
    expect(await plan()).toMatchObject({ create: [names[0]], ready: 2 });
    await expect(create([names[0] ?? ''])).rejects.toThrow('no luck');
  });

  it('leaves a claimed item alone, also when its making is repeated late', async () => {
    const names = await fill();
    const claimed = await claim({ status: 'active' });
    expect(await create(names)).toEqual({ made: 0 });
    const step = await plan({ target: 0 });
    expect(step.destroy).not.toContain(claimed);
    await destroy(names);
    expect(maker.objects).toEqual(new Set([claimed]));
    expect(await states()).toEqual({ [`${claimed}`]: 'claimed' });
  });

  it('destroys what was made too late for anybody to want it', async () => {
    const { create: names } = await plan();
    const slow: PoolMaker = {
      serverVersion: async () => 'test',
      destroyOrphan: (item) => maker.destroyOrphan(item),
      createWarmItem: async (item) => {
        await database.pool.query('DELETE FROM pool_items WHERE object_name = $1', [item.objectName]);
        await maker.createWarmItem(item);
      },
    };
    const late = createPoolFiller({ pool: database.pool, poolMaker: slow, metrics, logger: QUIET });
    await new MockActivityEnvironment().run(late.createItems, { backendName: database.backendName, objectNames: names });
    expect(maker.objects.size).toBe(0);
  });

  it('replaces everything after the server was upgraded', async () => {
    const old = await fill();
    await claim({ status: 'active' });
    maker.version = 'newer';
    // Noticed while one more is made.
    await create((await plan()).create);
    const step = await plan();
    expect(step.destroy.sort()).toEqual(old.filter((name) => step.destroy.includes(name)).sort());
    expect(step.destroy).toHaveLength(2);
    expect(step.ready).toBe(1);
  });

  it('empties a drained backend and retires the names', async () => {
    const names = await fill();
    await database.pool.query('UPDATE backends SET drained = true');
    const step = await plan();
    expect(step.create).toEqual([]);
    expect(await destroy(step.destroy)).toEqual({ destroyed: 3 });
    expect(await states()).toEqual({});
    expect(maker.objects.size).toBe(0);
    const { rows } = await database.pool.query('SELECT 1 FROM retired_names WHERE object_name = ANY ($1)', [names]);
    expect(rows).toHaveLength(3);
  });

  it('forgets the claims of resources that are gone, and destroys what was claimed for nothing', async () => {
    await fill();
    const gone = await claim({ status: 'deleted' });
    const lost = await claim({ status: 'active', objectName: 'another' });
    const step = await plan({ refill: false });
    expect(step).toMatchObject({ create: [], destroy: [lost] });
    expect(await states()).toMatchObject({ [`${lost}`]: 'destroying' });
    expect(await states()).not.toHaveProperty([`${gone}`]);
  });

  it('never both hands out and destroys an item', async () => {
    for (let round = 0; round < 10; round += 1) {
      await fill();
      const claims = Promise.all([1, 2, 3].map(() => claim({ status: 'active' })));
      const [step] = await Promise.all([plan({ target: 0 }), claims]);
      const held = Object.entries(await states()).filter(([, state]) => state === 'claimed');
      await destroy(step.destroy);
      for (const [name] of held) expect(maker.objects).toContain(name);
      await database.pool.query('DELETE FROM pool_items');
    }
  });
});
