// The first door to a row, on the real database: quota and placement under parallel load, warm items, adoption, repeats.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Keyring } from '../../shared/crypto';
import type { ResourceSpec } from '../../shared/resourcetype';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database';
import { TEST_KEYRING, testSpec } from '../../test/harness/lifecycle';
import { eventsOf, rowOf } from '../../test/harness/rows';
import { createCredentialReader } from './credentials';
import { createReserve } from './reserve';
import type { ReserveAnswer, ReserveRequest } from './types';

const STARTED_AT = Date.UTC(2026, 4, 1, 12);
const keyring = Keyring.parse(TEST_KEYRING);

let database: TestDatabase;
let reserve: (request: ReserveRequest) => Promise<ReserveAnswer>;
let notified: string[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  const { pool, installationId } = database;
  reserve = createReserve({ pool, keyring, installationId, poolTemplateOf: () => 'template0', notify: (id) => notified.push(id) });
});
afterAll(async () => {
  await database.drop();
});
beforeEach(async () => {
  notified = [];
  await database.pool.query(`UPDATE backends SET capacity = 10000, ready = true, drained = false`);
});

function requestFor(changes: Partial<ResourceSpec> = {}, ownerRun = 'run-1'): ReserveRequest {
  const spec = testSpec({ owner: anonymous(), ...changes });
  const expiresAtMs = spec.ttlMs === null ? null : STARTED_AT + spec.ttlMs;
  return { spec, ownerRun, workflowStartedAtMs: STARTED_AT, expiresAtMs };
}

/** A caller of its own for each test, so that no quota is shared. */
function anonymous(): ResourceSpec['owner'] {
  const fingerprint = randomUUID();
  return { type: 'anonymous', fingerprint, addressHash: `hash of ${fingerprint}` };
}

async function count(sql: string, ...values: unknown[]): Promise<number> {
  const { rows } = await database.pool.query<{ count: number }>(`SELECT count(*) FROM ${sql}`, values);
  return Number(rows[0]?.count);
}

async function addPoolItem(changes: { state?: string; template?: string; serverVersion?: string } = {}): Promise<string> {
  const name = `lhwarm_${randomUUID()}`;
  await database.pool.query(
    `INSERT INTO pool_items (object_name, backend_name, kind, template, server_version, state) VALUES ($1, $2, 'postgres', $3, $4, $5)`,
    [name, database.backendName, changes.template ?? 'template0', changes.serverVersion ?? 'test', changes.state ?? 'ready'],
  );
  return name;
}

const outcomes = (answers: ReserveAnswer[]) => {
  const tally: Record<string, number> = {};
  for (const answer of answers) {
    const key = answer.outcome === 'rejected' ? answer.code : answer.outcome;
    tally[key] = (tally[key] ?? 0) + 1;
  }
  return tally;
};

describe('a reservation', () => {
  it('writes the row with its event, outbox and audit rows and a credential that nobody can read but us', async () => {
    const request = requestFor();
    const answer = await reserve(request);
    expect(answer).toMatchObject({ outcome: 'created', row: { status: 'pending', revision: 1, fromPool: false } });
    const id = request.spec.resourceId;
    const row = await rowOf(database, id);
    expect(row.expires_at?.getTime()).toBe(STARTED_AT + 24 * 3_600_000);
    expect(row.created_at.getTime()).toBe(STARTED_AT);
    expect(row.object_name).toMatch(new RegExp(`^lh${database.installationId}_[a-z2-7]{24}$`));
    expect((await eventsOf(database, id)).map((event) => [event.type, event.revision])).toEqual([['resource.reserved', 1]]);
    expect(await count('outbox_events WHERE resource_id = $1', id)).toBe(1);
    expect(await count('audit_logs WHERE target_id = $1', id)).toBe(1);
    expect(notified).toEqual([id]);

    const credential = await createCredentialReader({ pool: database.pool, keyring })({ resourceId: id, version: 1 });
    expect(credential.username).toBe(`${row.object_name}_1`);
    const { rows } = await database.pool.query<{ everything: string }>(
      `SELECT concat(row_to_json(r), row_to_json(c), (SELECT string_agg(payload::text, '') FROM outbox_events)) AS everything
         FROM resources r JOIN resource_credentials c ON c.resource_id = r.id WHERE r.id = $1`,
      [id],
    );
    expect(rows[0]?.everything).toContain(row.object_name);
    expect(rows[0]?.everything).not.toContain(credential.password);
  });

  it('repeated, and repeated at once, is one reservation with one name', async () => {
    const request = requestFor({ quota: { kindCount: 1, provisionsPerDay: 1 } });
    const answers = await Promise.all(Array.from({ length: 10 }, () => reserve(request)));
    answers.push(await reserve(request));
    expect(outcomes(answers)).toEqual({ created: 11 });
    const names = new Set(answers.map((answer) => (answer.outcome === 'rejected' ? '' : answer.row.objectName)));
    expect(names.size).toBe(1);
    expect(await count('resource_events WHERE resource_id = $1', request.spec.resourceId)).toBe(1);
    expect(await count('provision_counts WHERE fingerprint = $1 AND count = 1', ownerOf(request))).toBe(1);
  });

  it('keeps the name, token and credential of the first attempt', async () => {
    const request = requestFor();
    await reserve(request);
    const secrets = () =>
      database.pool.query(
        `SELECT token_hash, token_encrypted, password_encrypted FROM resources JOIN resource_credentials ON resource_id = id WHERE id = $1`,
        [request.spec.resourceId],
      );
    const before = (await secrets()).rows;
    await reserve(request);
    expect((await secrets()).rows).toEqual(before);
  });

  it('that the database cannot take is rejected, not tried for ever', async () => {
    const noTeam = requestFor({ owner: { type: 'team', teamId: randomUUID() } });
    expect(await reserve(noTeam)).toMatchObject({ outcome: 'rejected', code: 'internal_error' });
    const unstorable = requestFor({ labels: { key: 'a\u0000b' } });
    expect(await reserve(unstorable)).toMatchObject({ outcome: 'rejected', code: 'internal_error' });
    expect(await count('resources WHERE id = ANY($1)', [noTeam.spec.resourceId, unstorable.spec.resourceId])).toBe(0);
  });
});

function ownerOf({ spec }: ReserveRequest): string {
  return spec.owner.type === 'team' ? spec.owner.teamId : spec.owner.fingerprint;
}

describe('quota', () => {
  it('is exact under 100 parallel reservations of one caller', async () => {
    const owner = anonymous();
    const requests = Array.from({ length: 100 }, () => requestFor({ owner, quota: { kindCount: 7, provisionsPerDay: -1 } }));
    const answers = await Promise.all(requests.map(reserve));
    expect(outcomes(answers)).toEqual({ created: 7, postgres_limit_reached: 93 });
    expect(await count('resources WHERE owner_fingerprint = $1', ownerOf(requests[0] as ReserveRequest))).toBe(7);
  });

  it('of a day is exact under 100 parallel reservations, and a new day begins anew', async () => {
    const owner = anonymous();
    const requests = Array.from({ length: 100 }, () => requestFor({ owner, quota: { kindCount: -1, provisionsPerDay: 5 } }));
    expect(outcomes(await Promise.all(requests.map(reserve)))).toEqual({ created: 5, provision_limit_reached: 95 });
    expect(await count('provision_counts WHERE fingerprint = $1 AND count = 5', ownerOf(requests[0] as ReserveRequest))).toBe(1);
    const tomorrow = requestFor({ owner, quota: { kindCount: -1, provisionsPerDay: 5 } });
    expect((await reserve({ ...tomorrow, workflowStartedAtMs: STARTED_AT + 24 * 3_600_000 })).outcome).toBe('created');
  });

  it('counts what is not terminal, and nothing else', async () => {
    const owner = anonymous();
    const quota = { kindCount: 1, provisionsPerDay: -1 };
    const first = requestFor({ owner, quota });
    expect((await reserve(first)).outcome).toBe('created');
    for (const status of ['active', 'paused', 'suspended', 'expired', 'deleting', 'delete_failed']) {
      await database.pool.query('UPDATE resources SET status = $2 WHERE id = $1', [first.spec.resourceId, status]);
      expect((await reserve(requestFor({ owner, quota }))).outcome).toBe('rejected');
    }
    for (const status of ['deleted', 'failed']) {
      await database.pool.query('UPDATE resources SET status = $2 WHERE owner_fingerprint = $1', [ownerOf(first), status]);
      expect((await reserve(requestFor({ owner, quota }))).outcome).toBe('created');
    }
  });

  it('does not count a day for a reservation that found no place', async () => {
    await database.pool.query('UPDATE backends SET capacity = 0');
    const request = requestFor({ quota: { kindCount: 5, provisionsPerDay: 5 } });
    expect(await reserve(request)).toMatchObject({ outcome: 'rejected', code: 'no_capacity' });
    expect(await count('provision_counts WHERE fingerprint = $1', ownerOf(request))).toBe(0);
  });
});

describe('placement', () => {
  it('never goes beyond the capacity of a backend, however many come at once', async () => {
    const held = await count(`resources WHERE status NOT IN ('deleted', 'failed')`);
    await database.pool.query('UPDATE backends SET capacity = $1', [held + 10]);
    const answers = await Promise.all(Array.from({ length: 100 }, () => reserve(requestFor())));
    expect(outcomes(answers)).toEqual({ created: 10, no_capacity: 90 });
  });

  it('refuses a kind without a backend that is ready', async () => {
    for (const change of ['ready = false', 'drained = true']) {
      await database.pool.query(`UPDATE backends SET ready = true, drained = false`);
      await database.pool.query(`UPDATE backends SET ${change}`);
      expect(await reserve(requestFor())).toMatchObject({ outcome: 'rejected', code: 'service_disabled', details: { kind: 'postgres' } });
    }
    expect(await reserve(requestFor({ kind: 'redis' }))).toMatchObject({ outcome: 'rejected', code: 'service_disabled' });
  });

  it('prefers the backend with the larger free share', async () => {
    const emptier = `empty-${randomUUID()}`;
    await database.pool.query(
      `INSERT INTO backends (name, kind, region, capacity, ready, server_version) VALUES ($1, 'postgres', 'local', 10000, true, 'test')`,
      [emptier],
    );
    expect(await reserve(requestFor())).toMatchObject({ row: { backendName: emptier } });
    await database.pool.query('UPDATE backends SET drained = true WHERE name = $1', [emptier]);
    expect(await reserve(requestFor())).toMatchObject({ row: { backendName: database.backendName } });
    await database.pool.query('UPDATE resources SET backend_name = $2 WHERE backend_name = $1', [emptier, database.backendName]);
    await database.pool.query('DELETE FROM backends WHERE name = $1', [emptier]);
  });
});

describe('warm items', () => {
  it('are handed out once each, and found again by a repeat', async () => {
    const names = new Set(await Promise.all(Array.from({ length: 5 }, () => addPoolItem())));
    const requests = Array.from({ length: 20 }, () => requestFor());
    const answers = await Promise.all(requests.map(reserve));
    const warm = answers.flatMap((answer) => (answer.outcome === 'created' && answer.row.fromPool ? [answer.row.objectName] : []));
    expect(new Set(warm)).toEqual(names);
    expect(warm).toHaveLength(5);
    for (const [index, answer] of answers.entries()) expect(await reserve(requests[index] as ReserveRequest)).toEqual(answer);
    expect(await count(`pool_items WHERE state = 'claimed' AND claimed_by IS NOT NULL`)).toBe(5);
  });

  it('of another template, another server version or another state are left alone', async () => {
    await addPoolItem({ template: 'other' });
    await addPoolItem({ serverVersion: 'older' });
    await addPoolItem({ state: 'creating' });
    await addPoolItem({ state: 'destroying' });
    expect(await reserve(requestFor())).toMatchObject({ outcome: 'created', row: { fromPool: false } });
  });

  it('claimed by attempts that came twice at once do not leak', async () => {
    const mine = await Promise.all(Array.from({ length: 10 }, () => addPoolItem()));
    const request = requestFor();
    // Two attempts at once may each take an item; the second is refused by the unique claim and tries again.
    await Promise.allSettled(Array.from({ length: 6 }, () => reserve(request)));
    const answer = await reserve(request);
    if (answer.outcome !== 'created') throw new Error(answer.outcome);
    const { rows } = await database.pool.query<{ object_name: string; state: string }>(
      'SELECT object_name, state FROM pool_items WHERE claimed_by = $1',
      [request.spec.resourceId],
    );
    expect(rows.filter((item) => item.state === 'claimed').map((item) => item.object_name)).toEqual(
      answer.row.fromPool ? [answer.row.objectName] : [],
    );
    expect(await count(`pool_items WHERE object_name = ANY($1) AND state = 'ready'`, mine)).toBe(10 - rows.length);
  });
});

describe('a row that is there already', () => {
  it('is adopted by a new run, once, with its facts and one event', async () => {
    const request = requestFor();
    await reserve(request);
    const id = request.spec.resourceId;
    await database.pool.query(`UPDATE resources SET status = 'paused', paused_by_owner = true, revision = 7 WHERE id = $1`, [id]);
    const adopter = { ...request, ownerRun: 'run-2', expiresAtMs: null };
    const answer = await reserve(adopter);
    expect(answer).toMatchObject({
      outcome: 'adopted',
      row: { revision: 8, status: 'paused', pausedByOwner: true, expiresAtMs: request.expiresAtMs },
    });
    expect(await reserve(adopter)).toEqual(answer);
    expect((await eventsOf(database, id)).map((event) => [event.type, event.revision])).toEqual([
      ['resource.reserved', 1],
      ['resource.adopted', 8],
    ]);
    const { rows } = await database.pool.query('SELECT owner_run FROM resources WHERE id = $1', [id]);
    expect(rows).toEqual([{ owner_run: 'run-2' }]);
  });

  it('is adopted also when the caller could not reserve another', async () => {
    const request = requestFor({ quota: { kindCount: 1, provisionsPerDay: 1 } });
    await reserve(request);
    await database.pool.query('UPDATE backends SET ready = false');
    expect((await reserve({ ...request, ownerRun: 'run-2' })).outcome).toBe('adopted');
  });

  it.each(['deleted', 'failed'])('is left as it is once it is %s', async (status) => {
    const request = requestFor();
    await reserve(request);
    await database.pool.query('UPDATE resources SET status = $2 WHERE id = $1', [request.spec.resourceId, status]);
    expect(await reserve({ ...request, ownerRun: 'run-2' })).toMatchObject({ outcome: 'terminal', row: { status, revision: 1 } });
    expect(await count('resource_events WHERE resource_id = $1', request.spec.resourceId)).toBe(1);
  });
});

describe('hosts', () => {
  const addHost = async (name: string, checked = 'now()') => {
    await database.pool.query(
      `INSERT INTO hosts (name, region, address, first_port, last_port, ready, checked_at) VALUES ($1, 'here', '127.0.0.1', 42000, 42999, true, ${checked})`,
      [name],
    );
    await database.pool.query(
      `INSERT INTO backends (name, kind, region, capacity, ready, host_name, server_version) VALUES ($1, 'redis', 'here', 10000, true, $2, '7')`,
      [`redis-${name}`, name],
    );
  };
  const place = async (count: number) => {
    const answers = await Promise.all(Array.from({ length: count }, () => reserve(requestFor({ kind: 'redis' }))));
    const hosts = answers.map((answer) => (answer.outcome === 'created' ? answer.row.hostName : answer.outcome));
    return Object.fromEntries([...new Set(hosts)].sort().map((host) => [host, hosts.filter((name) => name === host).length]));
  };

  it('are filled side by side, and one that is drained or has fallen silent takes nothing new', async () => {
    await addHost('a');
    await addHost('b');
    for (let round = 0; round < 5; round += 1) await place(1).then(() => place(1));
    const { rows } = await database.pool.query<{ held: number }>(
      `SELECT count(*) AS held FROM resources WHERE kind = 'redis' GROUP BY host_name ORDER BY 1`,
    );
    expect(rows.map(({ held }) => Number(held))).toEqual([5, 5]);
    await database.pool.query(`UPDATE hosts SET drained = true WHERE name = 'a'`);
    expect(await place(4)).toEqual({ b: 4 });
    await database.pool.query(`UPDATE hosts SET drained = false, checked_at = now() - interval '5 minutes' WHERE name = 'a'`);
    expect(await place(4)).toEqual({ b: 4 });
    await database.pool.query(`UPDATE hosts SET checked_at = now() WHERE name = 'a'`);
    expect(await place(1)).toEqual({ a: 1 });
    await database.pool.query(`UPDATE hosts SET drained = true`);
    expect((await reserve(requestFor({ kind: 'redis' }))).outcome).toBe('rejected');
  });

  it('give the row the host whose worker shall act on it, and the options that were asked for', async () => {
    await database.pool.query(`UPDATE hosts SET drained = false, checked_at = now()`);
    const request = requestFor({ kind: 'redis', options: { dimensions: 3 } });
    const answer = await reserve(request);
    expect(answer).toMatchObject({ outcome: 'created', row: { options: { dimensions: 3 } } });
    expect(await rowOf(database, request.spec.resourceId)).toMatchObject({
      host_name: expect.stringMatching(/^[ab]$/),
      options: { dimensions: 3 },
    });
  });
});
