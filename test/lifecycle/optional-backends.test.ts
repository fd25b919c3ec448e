// Optional backends in the tables: there when they are configured, no trace when not, and loud when resources live on one that went away.
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { PgResourceStore } from '../../api/projection/pgstore';
import type { BackendConfig } from '../../shared/plans';
import { mirrorBackends } from '../../stack/worker/backends';
import { createTestDatabase, type TestDatabase } from '../harness/database';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
  await database.pool.query('DELETE FROM backends');
});
afterEach(async () => {
  await database.drop();
});

const queue = (name: string, engine: 'nats' | 'rabbitmq'): BackendConfig => ({
  name,
  engine,
  ...{ kind: 'queue', region: 'local', capacity: 10, weight: 1, drained: false, host: null, publicUrl: null, options: {} },
  optional: engine !== 'nats',
  adminUrlEnv: 'ANY',
});
const [nats, rabbitmq] = [queue('nats', 'nats'), queue('rabbitmq', 'rabbitmq')];

const mirror = (backends: BackendConfig[], leave: string[] = []) => mirrorBackends(database.pool, { hosts: [], backends }, { leave });
const becomeReady = () => database.pool.query('UPDATE backends SET ready = true');

async function seen() {
  const store = new PgResourceStore(database.pool);
  const states = await store.backendStates();
  const placements = (await store.placements()).backends.map(({ name, held }) => ({ name, held }));
  return {
    readyz: states.map(({ name, ready, listed }) => ({ name, ready, listed })),
    placements,
    why: states.map((state) => state.lastError),
  };
}

async function makeResource(backendName: string, status: string): Promise<string> {
  const id = randomUUID();
  await database.pool.query(
    `INSERT INTO resources (id, kind, name, env, tier, status, revision, generation, owner_run, backend_name, object_name, token_hash, token_encrypted,
                            policy, limits, owner_fingerprint, created_at, updated_at)
     VALUES ($1, 'queue', 'q', 'development', 'anonymous', $2, 1, 1, 'run', $3, $4, $4, 'x', '{}', '{}', 'f', now(), now())`,
    [id, status, backendName, `lhtest_${id}`],
  );
  return id;
}

test('one that is not there leaves no trace; one that comes is placed on, and one that goes is gone', async () => {
  expect(await mirror([nats])).toEqual([]);
  await becomeReady();
  const without = { readyz: [{ name: 'nats', ready: true, listed: true }], placements: [{ name: 'nats', held: 0 }], why: [null] };
  expect(await seen()).toEqual(without);
  await mirror([nats, rabbitmq]);
  await becomeReady();
  expect((await seen()).readyz.map(({ name, ready }) => [name, ready])).toEqual([
    ['nats', true],
    ['rabbitmq', true],
  ]);
  expect(await mirror([nats])).toEqual([]);
  expect(await seen()).toEqual(without);
});

test('one that goes with resources on it is said with their number, until the last of them is deleted', async () => {
  await mirror([nats, rabbitmq]);
  await becomeReady();
  const ids = [await makeResource('rabbitmq', 'active'), await makeResource('rabbitmq', 'delete_failed')];
  await makeResource('rabbitmq', 'deleted');
  expect(await mirror([nats])).toEqual([{ name: 'rabbitmq', held: 2 }]);
  // As an older worker does that still runs.
  await becomeReady();
  const { readyz, why } = await seen();
  expect(readyz).toContainEqual({ name: 'rabbitmq', ready: false, listed: false });
  expect(why).toContain('2 resources live on it, and it is not in backends.yaml any more, or its variable is not set');
  await database.pool.query(`UPDATE resources SET status = 'deleted' WHERE id = ANY ($1)`, [ids]);
  expect(await mirror([nats])).toEqual([]);
  expect((await seen()).readyz.map(({ name }) => name)).toEqual(['nats']);
});

test('it takes up where it was when it comes back', async () => {
  await mirror([nats, rabbitmq]);
  await makeResource('rabbitmq', 'active');
  await mirror([nats]);
  expect(await mirror([nats, rabbitmq])).toEqual([]);
  await becomeReady();
  expect((await seen()).placements).toContainEqual({ name: 'rabbitmq', held: 1 });
  expect((await seen()).readyz).toContainEqual({ name: 'rabbitmq', ready: true, listed: true });
});

test('a process that does not know its variable leaves it as it is', async () => {
  await mirror([nats, rabbitmq]);
  await becomeReady();
  await mirror([nats], ['rabbitmq']);
  expect((await seen()).readyz).toContainEqual({ name: 'rabbitmq', ready: true, listed: true });
});
