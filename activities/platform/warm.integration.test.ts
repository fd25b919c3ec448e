// The short way to active, on the real doors: taken where the claim succeeds in time, and invisible where it does not.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Keyring } from '../../shared/crypto';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database';
import { TEST_KEYRING, testSpec } from '../../test/harness/lifecycle';
import { eventsOf, rowOf } from '../../test/harness/rows';
import type { ProvisionRequest } from '../backend';
import { createPlatformActivities } from './index';
import type { PlatformActivities, ReserveRequest } from './types';
import { createWarmReserve } from './warm';

let database: TestDatabase;
let platform: PlatformActivities;
let claimed: ProvisionRequest[];
let slow: unknown[];

beforeAll(async () => {
  database = await createTestDatabase();
  const { pool, installationId } = database;
  platform = createPlatformActivities({
    pool,
    keyring: Keyring.parse(TEST_KEYRING),
    installationId,
    poolTemplateOf: () => 'template0',
  });
});
afterAll(() => database.drop());
beforeEach(() => {
  claimed = [];
  slow = [];
});

function warmReserve(claim: () => Promise<void> = async () => undefined, transition = platform.transition) {
  return createWarmReserve({
    reserve: platform.reserve,
    transition,
    claimWarm: async (request) => {
      claimed.push(request);
      await claim();
    },
    onSlow: (error) => slow.push(error),
  });
}

function request(): ReserveRequest {
  return { spec: testSpec(), ownerRun: 'run-1', workflowStartedAtMs: Date.UTC(2026, 4, 1), expiresAtMs: Date.UTC(2026, 4, 2) };
}

async function addItem(): Promise<void> {
  await database.pool.query(
    `INSERT INTO pool_items (object_name, backend_name, kind, template, server_version, state)
     VALUES ('lhwarm_' || gen_random_uuid(), $1, 'postgres', 'template0', 'test', 'ready')`,
    [database.backendName],
  );
}

describe('reserve with a warm item', () => {
  it('hands out an active resource, with the two events that two steps would have written', async () => {
    await addItem();
    const asked = request();
    const answer = await warmReserve()(asked);
    expect(answer).toMatchObject({ outcome: 'created', row: { status: 'active', revision: 2, fromPool: true } });
    expect(claimed).toMatchObject([{ resourceId: asked.spec.resourceId, credentialVersion: 1, limits: asked.spec.limits }]);
    expect(await rowOf(database, asked.spec.resourceId)).toMatchObject({ status: 'active', revision: 2 });
    const events = await eventsOf(database, asked.spec.resourceId);
    expect(events.map(({ type }) => type)).toEqual(['resource.reserved', 'resource.active']);
    // The answer was lost: the next attempt finds it done.
    expect(await warmReserve()(asked)).toMatchObject({ outcome: 'adopted', row: { status: 'active', revision: 2 } });
    expect(claimed).toHaveLength(1);
  });

  it('answers the reserved row where the claim fails, hangs, or is not written', async () => {
    const never = () => new Promise<void>(() => undefined);
    const failing = async () => {
      throw new Error('no');
    };
    for (const claim of [failing, never]) {
      await addItem();
      const asked = request();
      expect(await warmReserve(claim)(asked)).toMatchObject({
        outcome: 'created',
        row: { status: 'pending', revision: 1, fromPool: true },
      });
      expect(await rowOf(database, asked.spec.resourceId)).toMatchObject({ status: 'pending', revision: 1 });
    }
    expect(slow).toHaveLength(2);
    await addItem();
    const asked = request();
    const answer = await warmReserve(undefined, async () => ({ outcome: 'superseded' }))(asked);
    expect(answer).toMatchObject({ outcome: 'created', row: { status: 'pending' } });
    // The attempt after it completes what this one left.
    expect(await warmReserve()(asked)).toMatchObject({ row: { status: 'active', revision: 2 } });
  });

  it('gives up waiting within its limit', async () => {
    await addItem();
    let claimEnded = false;
    const lasting = async () => {
      await sleep(60_000, undefined, { ref: false });
      claimEnded = true;
    };
    await warmReserve(lasting)(request());
    expect(slow).toHaveLength(1);
    expect(claimEnded).toBe(false);
  });

  it('claims nothing without an item', async () => {
    expect(await warmReserve()(request())).toMatchObject({ outcome: 'created', row: { status: 'pending', fromPool: false } });
    expect(claimed).toEqual([]);
  });
});
