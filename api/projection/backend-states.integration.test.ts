// A host whose worker has been silent for a minute takes nothing, and everybody who is asked says so.
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { createReserve } from '../../activities/platform/reserve';
import { Keyring } from '../../shared/crypto';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database';
import { TEST_KEYRING, testSpec } from '../../test/harness/lifecycle';
import { PgResourceStore } from './pgstore';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase();
  await database.pool.query('DELETE FROM backends');
});
afterEach(async () => {
  await database.drop();
});

async function addHost(silentSeconds: number | null, { ready = true, drained = false } = {}): Promise<void> {
  await database.pool.query(
    `INSERT INTO hosts (name, region, address, first_port, last_port, drained, ready, checked_at)
     VALUES ('machine', 'local', '127.0.0.1', 1024, 1025, $1, $2, now() - make_interval(secs => $3))`,
    [drained, ready, silentSeconds],
  );
  await database.pool.query(
    `INSERT INTO backends (name, kind, region, capacity, ready, host_name, checked_at) VALUES ('on-machine', 'redis', 'local', 10, true, 'machine', now())`,
  );
}

/** What each of the four places says. */
async function said() {
  const { pool, installationId } = database;
  const store = new PgResourceStore(pool);
  const [state] = await store.backendStates();
  const { backends, hosts } = await store.placements();
  const reserve = createReserve({
    pool,
    keyring: Keyring.parse(TEST_KEYRING),
    installationId,
    poolTemplateOf: () => null,
    notify: () => undefined,
  });
  const spec = testSpec({ kind: 'redis', resourceId: randomUUID() });
  const { outcome } = await reserve({ spec, ownerRun: 'run', workflowStartedAtMs: Date.now(), expiresAtMs: Date.now() + 3_600_000 });
  return {
    readyz: state?.ready,
    why: state?.lastError ?? null,
    operators: [backends[0]?.ready, hosts[0]?.ready],
    kinds: (await store.readyKinds()).has('redis'),
    reserved: outcome === 'created',
  };
}

it.each([
  ['reports', 5, true],
  ['has been silent for two minutes', 120, false],
  ['never reported', null, false],
])('a host that %s', async (_what, silentSeconds, ready) => {
  await addHost(silentSeconds);
  const { why, ...answers } = await said();
  expect(answers).toEqual({ readyz: ready, operators: [ready, ready], kinds: ready, reserved: ready });
  if (ready) expect(why).toBeNull();
  else expect(why).toMatch(silentSeconds === null ? /^host machine: / : /^host machine: its worker has been silent since \d{4}-.*Z$/);
});

it('is not asked of a server that resources share', async () => {
  await database.pool.query(`INSERT INTO backends (name, kind, region, capacity, ready) VALUES ('shared', 'redis', 'local', 10, true)`);
  const { kinds, readyz, reserved } = await said();
  expect({ kinds, readyz, reserved }).toEqual({ kinds: true, readyz: true, reserved: true });
});

it('a drained host takes nothing, and its backend is not the one that is drained', async () => {
  await addHost(1, { drained: true });
  const { kinds, reserved } = await said();
  expect({ kinds, reserved }).toEqual({ kinds: false, reserved: false });
  const { backends } = await new PgResourceStore(database.pool).placements();
  expect(backends[0]?.drained).toBe(false);
});
