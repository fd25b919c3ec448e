import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CancelledFailure } from '@temporalio/activity';
import { MockActivityEnvironment } from '@temporalio/testing';
import { type PostgresHarness, startPostgresHarness } from '../../test/contract/postgres-harness';
import { tenantsAdminUrl } from '../../test/harness/servers';
import type { ProvisionRequest } from '../backend';
import { createKindActivities } from '../kind-activities';
import { createPostgresBackend } from './index';

let harness: PostgresHarness;
const made: ProvisionRequest[] = [];

beforeAll(async () => {
  harness = await startPostgresHarness();
});

afterAll(async () => {
  for (const request of made) await harness.backend.deprovision(request);
  expect(await harness.backend.list('test')).toEqual([]);
  await harness.close();
});

function newRequest(connections?: number): ProvisionRequest {
  const request = harness.newRequest(connections);
  made.push(request);
  return request;
}

async function works(request: ProvisionRequest, version = 1): Promise<void> {
  const session = await harness.open(request, version);
  await session.write('works');
  await session.close();
}

describe('warm items', () => {
  test('nobody can log in until it is claimed; a claim may be repeated', async () => {
    const request = newRequest(1);
    await harness.backend.createWarmItem({ ...request, template: 'template0' });
    await expect(harness.open(request)).rejects.toThrow();
    await harness.backend.claimWarm(request);
    await harness.backend.claimWarm(request);
    const session = await harness.open(request);
    await session.write('works');
    await expect(harness.open(request)).rejects.toThrow();
    await session.close();
  });

  test('making it again does not take a claimed one back', async () => {
    const request = newRequest();
    await Promise.all([
      harness.backend.createWarmItem({ ...request, template: 'template0' }),
      harness.backend.createWarmItem({ ...request, template: 'template0' }),
    ]);
    await harness.backend.claimWarm(request);
    await harness.backend.createWarmItem({ ...request, template: 'template0' });
    await works(request);
  });

  test('what is made or destroyed only on a condition asks for it under the lock', async () => {
    const request = newRequest();
    const { backendName, objectName } = request;
    await harness.backend.createWarmItem({ backendName, objectName, template: 'template0', onlyIf: async () => false });
    expect(await harness.backend.list('test')).not.toContain(objectName);
    await harness.backend.createWarmItem({ backendName, objectName, template: 'template0', onlyIf: async () => true });
    let heldByUs = false;
    const onlyIf = async () => {
      const held = await harness.admin(
        `SELECT FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted AND query LIKE '%${objectName}%'`,
      );
      heldByUs = held.length > 0;
      return false;
    };
    await harness.backend.destroyOrphan({ backendName, objectName, onlyIf });
    expect(heldByUs).toBe(true);
    expect(await harness.backend.list('test')).toContain(objectName);
    await harness.backend.destroyOrphan({ backendName, objectName, onlyIf: async () => true });
    expect(await harness.backend.list('test')).not.toContain(objectName);
  });

  test('a missing item is made in full, behind the fence', async () => {
    const request = newRequest();
    await harness.backend.claimWarm(request);
    await works(request);
    const fenced = newRequest();
    harness.setFence(fenced.objectName, false);
    await expect(harness.backend.claimWarm(fenced)).rejects.toMatchObject({ name: 'Fenced' });
  });

  test('a claim with a later credential version is a full provision', async () => {
    const request = newRequest();
    await harness.backend.createWarmItem({ ...request, template: 'template0' });
    await harness.backend.claimWarm({ ...request, credentialVersion: 2 });
    await works(request, 2);
  });

  test('a claim waits for the name’s lock and finds nothing after a delete', async () => {
    const request = newRequest();
    await harness.backend.createWarmItem({ ...request, template: 'template0' });
    harness.setFence(request.objectName, false);
    await harness.backend.destroyOrphan(request);
    await expect(harness.backend.claimWarm(request)).rejects.toMatchObject({ name: 'Fenced' });
    expect(await harness.backend.list('test')).not.toContain(request.objectName);
  });
});

describe('provision completes what an earlier attempt has left', () => {
  const quoted = (request: ProvisionRequest) => `"${request.objectName}"`;
  const leftovers: [string, (request: ProvisionRequest) => Promise<unknown>][] = [
    ['a bare database', (request) => harness.admin(`CREATE DATABASE ${quoted(request)} TEMPLATE template0`)],
    ['an owner role', (request) => harness.admin(`CREATE ROLE ${quoted(request)} NOLOGIN`)],
    ['a login role', (request) => harness.admin(`CREATE ROLE "${request.objectName}_1" LOGIN`)],
    [
      'a database that nobody may connect to',
      async (request) => {
        await harness.backend.provision(request);
        await harness.admin(`ALTER DATABASE ${quoted(request)} WITH ALLOW_CONNECTIONS false CONNECTION LIMIT 0`);
      },
    ],
  ];
  test.each(leftovers)('%s', async (_what, leave) => {
    const request = newRequest();
    await harness.backend.prepareServer('test');
    await leave(request);
    expect(await harness.backend.list('test')).toContain(request.objectName);
    await harness.backend.provision(request);
    await works(request);
    const [row] = await harness.admin<{ owner: string; open: boolean }>(
      `SELECT nspowner::regrole::text AS owner, has_database_privilege('public', current_database(), 'CONNECT') AS open
       FROM pg_namespace WHERE nspname = 'public'`,
      request.objectName,
    );
    expect(row).toEqual({ owner: request.objectName, open: false });
  });
});

describe('the plan’s settings of a session', () => {
  const limits = (tempFileMb: number, statementTimeoutMs: number) => ({ connections: 3, tempFileMb, statementTimeoutMs });
  /** As a new session of the tenant begins. */
  const inForce = async (request: ProvisionRequest, version = 1) => {
    const client = harness.client(request, { version });
    await client.connect();
    try {
      const { rows } = await client.query(
        `SELECT current_setting('temp_file_limit') AS "tempFile", current_setting('statement_timeout') AS timeout`,
      );
      return rows[0] as unknown;
    } finally {
      await client.end();
    }
  };

  test.each(['provision', 'claimWarm'] as const)('come with %s, and follow the plan through rotation, cut and claim', async (make) => {
    const request = newRequest();
    if (make === 'claimWarm') await harness.backend.createWarmItem({ ...request, template: 'template0' });
    await harness.backend[make]({ ...request, limits: limits(64, 5_000) });
    expect(await inForce(request)).toEqual({ tempFile: '64MB', timeout: '5s' });
    await harness.backend.rotate({ ...request, limits: limits(32, 7_000), credentialVersion: 2, previousVersion: 1 });
    expect(await inForce(request, 2)).toEqual({ tempFile: '32MB', timeout: '7s' });
    await harness.backend.cut(request);
    await harness.backend.applyLimits({ ...request, limits: limits(512, 120_000) });
    await harness.backend.restore(request);
    for (const version of [1, 2]) expect(await inForce(request, version)).toEqual({ tempFile: '512MB', timeout: '2min' });
    await harness.backend.applyLimits({ ...request, limits: { connections: 3 } });
    expect(await inForce(request)).toEqual({ tempFile: '256MB', timeout: '1min' });
  });

  test('a query that spills more than its plan has is ended', async () => {
    const request = newRequest();
    await harness.backend.provision({ ...request, limits: limits(1, 60_000) });
    const client = harness.client(request);
    await client.connect();
    const spilling = 'SELECT count(*) FROM (SELECT md5(n::text) FROM generate_series(1, 400000) n ORDER BY 1 OFFSET 10) sorted';
    await expect(client.query(spilling)).rejects.toMatchObject({ code: '53400' });
    await client.end();
  });
});

test('a login role that is half retired does not come back with restore', async () => {
  const request = newRequest();
  await harness.backend.provision(request);
  await harness.backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
  await harness.admin(`ALTER ROLE "${request.objectName}_1" NOLOGIN CONNECTION LIMIT 0`);
  await harness.backend.cut(request);
  await harness.backend.applyLimits({ ...request, limits: { connections: 2 } });
  await harness.backend.restore(request);
  await expect(harness.open(request, 1)).rejects.toThrow();
  await works(request, 2);
});

test('a credential can be retired while the database is read-only', async () => {
  const request = newRequest();
  await harness.backend.provision(request);
  await harness.backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
  await harness.backend.setReadOnly({ ...request, readOnly: true });
  await harness.backend.retireCredential({ ...request, retireVersion: 1 });
  expect(await harness.admin(`SELECT FROM pg_roles WHERE rolname = '${request.objectName}_1'`)).toEqual([]);
});

test('verbs on what is not there: cut has nothing to do, the others say so', async () => {
  const request = newRequest();
  await harness.backend.cut(request);
  await harness.backend.retireCredential({ ...request, retireVersion: 1 });
  const missing = { name: 'ObjectMissing' };
  await expect(harness.backend.restore(request)).rejects.toMatchObject(missing);
  await expect(harness.backend.applyLimits(request)).rejects.toMatchObject(missing);
  await expect(harness.backend.setReadOnly({ ...request, readOnly: true })).rejects.toMatchObject(missing);
  await expect(harness.backend.rotate({ ...request, previousVersion: null })).rejects.toMatchObject(missing);
});

test('the password is stored as a SCRAM verifier', async () => {
  const request = newRequest();
  await harness.backend.provision(request);
  const [row] = await harness.admin<{ stored: string }>(
    `SELECT rolpassword AS stored FROM pg_authid WHERE rolname = '${request.objectName}_1'`,
  );
  expect(row?.stored).toMatch(/^SCRAM-SHA-256\$/);
});

test('a cancelled activity lets the server finish under the lock; the delete waits for it', async () => {
  const request = newRequest();
  const environment = new MockActivityEnvironment();
  const provision = environment.run(createKindActivities(harness.backend).provision, request);
  setTimeout(() => environment.cancel(), 15);
  await expect(provision).rejects.toBeInstanceOf(CancelledFailure);
  harness.setFence(request.objectName, false);
  await harness.backend.deprovision(request);
  expect(await harness.backend.list('test')).not.toContain(request.objectName);
});

describe('the server', () => {
  test('the probe finds it strict and leaves nothing behind', async () => {
    const report = await harness.backend.probeIsolation('test');
    expect(report).toMatchObject({ strict: true, refusedByHostRules: true });
    expect(report.refusedDetails.map((check) => check.database)).toEqual(expect.arrayContaining(['postgres', 'template1']));
    const left = await harness.backend.list('test');
    expect(left.filter((name) => !made.some((request) => request.objectName === name))).toEqual([]);
  });

  test('an admin without the rights it needs is refused with the remedy', async () => {
    const role = `weak_${harness.installationId}`;
    await harness.admin(`CREATE ROLE ${role} LOGIN PASSWORD 'weak-password' IN ROLE leasehold_tenants`);
    await harness.admin(`CREATE DATABASE ${role}`);
    const url = new URL(tenantsAdminUrl());
    Object.assign(url, { username: role, password: 'weak-password' });
    const weak = createPostgresBackend({
      adminUrlOf: () => url.href,
      installationId: harness.installationId,
      fence: async () => true,
      readCredential: () => Promise.reject(new Error('not asked')),
    });
    await expect(weak.prepareServer('weak')).rejects.toMatchObject({ name: 'ProviderMisconfigured' });
    await weak.close();
    await harness.admin(`DROP DATABASE ${role}`);
    await harness.admin(`DROP ROLE ${role}`);
  });
});
