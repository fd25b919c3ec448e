import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ProvisionRequest } from '../../activities/backend';
import { sizedTemplate } from '../../activities/templates';
import { eventually } from '../harness/rows';
import { tenantsAdminUrl } from '../harness/servers';
import { describeBackendContract } from './backend.contract';
import { mongodUrl, startMongodHarness } from './mongod-harness';
import { ferretdbIsThere, type MongodbHarness, startMongodbHarness } from './mongodb-harness';

// Without a Postgres all is in SQLite. Another page cap is a restart, so the contract's limits name none.
const SQLITE = { limits: {} };
const IN_POSTGRES = { limits: { storageMb: 100 } };

const isThere = ferretdbIsThere();

if (isThere) {
  describeBackendContract('FerretDB on SQLite', () => startMongodbHarness(SQLITE));
  describeBackendContract('FerretDB on Postgres', () => startMongodbHarness({ ...IN_POSTGRES, postgresAdminUrl: tenantsAdminUrl() }), {
    warmTemplate: ({ limits }: ProvisionRequest) => sizedTemplate('storageMb', limits),
  });
} else {
  test.skip('FerretDB keeps the backend contract (skipped: no server; npm start builds it where Go is)', () => undefined);
}

if (mongodUrl() === undefined) {
  test.skip('a MongoDB server keeps the backend contract (skipped: no server; set LEASEHOLD_TEST_MONGODB_URL)', () => undefined);
} else {
  // Neither is counted by the server, and an empty database is none.
  describeBackendContract('a MongoDB server', () => startMongodHarness(), { connectionLimit: false, emptyHasBytes: false });
}

(isThere ? describe : describe.skip)('FerretDB, what only it has to do', () => {
  let sqlite: MongodbHarness;
  let postgres: MongodbHarness;
  beforeAll(async () => {
    sqlite = await startMongodbHarness(SQLITE);
    postgres = await startMongodbHarness({ ...IN_POSTGRES, postgresAdminUrl: tenantsAdminUrl() });
  });
  afterAll(async () => {
    for (const harness of [sqlite, postgres]) {
      for (const objectName of await harness.backend.list('test')) await harness.backend.destroyOrphan({ backendName: 'test', objectName });
      await harness.close();
    }
  });

  test('small plans are put into SQLite, the others into Postgres', async () => {
    const [small, large] = [postgres.request({ storageMb: 5 }), postgres.request({ storageMb: 100 })];
    for (const request of [small, large]) await postgres.backend.provision(request);
    expect(postgres.detailsOf(small.resourceId)).toMatchObject({ engine: 'ferretdb', storage: 'sqlite' });
    expect(postgres.detailsOf(large.resourceId)).toMatchObject({ engine: 'ferretdb', storage: 'postgres' });
    for (const request of [small, large]) {
      const client = postgres.client(request);
      await client.db().collection('c').insertOne({ a: 1 });
      expect(await client.db().collection('c').countDocuments()).toBe(1);
      await client.close();
      await postgres.backend.deprovision(request);
    }
  });

  test('an item of the warm pool answers on its port, and lets nobody in', async () => {
    const request = postgres.request({ storageMb: 5 });
    const { backendName, objectName } = request;
    await postgres.backend.createWarmItem?.({ backendName, objectName, template: sizedTemplate('storageMb', request.limits) ?? '' });
    const port = await postgres.host.portFor(objectName);
    const url = postgres.urlOf(request).replace('undefined', String(port));
    const ping = async (given: string) => await postgres.client(request, { url: given }).db().collection('c').countDocuments();
    await expect(ping(url)).rejects.toThrow(/uthentication/);
    await expect(ping(`mongodb://127.0.0.1:${port}/${objectName}`)).rejects.toThrow(/uthentication/);
    await postgres.backend.claimWarm(request);
    expect(postgres.detailsOf(request.resourceId)).toMatchObject({ port, storage: 'sqlite' });
    expect(await ping(url)).toBe(0);
    await postgres.backend.deprovision(request);
  });

  test('a provision whose end was not heard of is once', async () => {
    const request = sqlite.newRequest();
    sqlite.failNextRecording();
    await expect(sqlite.backend.provision(request)).rejects.toThrow('away');
    const before = await sqlite.host.inspect(request.objectName);
    await sqlite.backend.provision(request);
    expect((await sqlite.host.inspect(request.objectName)).pid).toBe(before.pid);
    await (await sqlite.open(request)).close();
  });

  test('the storage limit is hard in SQLite, and can be raised', async () => {
    const request = sqlite.request({ storageMb: 2 });
    await sqlite.backend.provision(request);
    const client = sqlite.client(request);
    const fill = async (megabytes: number) => {
      for (let n = 0; n < megabytes * 4; n += 1)
        await client
          .db()
          .collection('c')
          .insertOne({ d: 'x'.repeat(250_000) });
    };
    await expect(fill(3)).rejects.toThrow(/full/);
    await sqlite.backend.applyLimits({ ...request, limits: { storageMb: 6 } });
    await fill(2);
    await expect(fill(6)).rejects.toThrow(/full/);
    await client.close();
  });

  test.each(['sqlite', 'postgres'] as const)(
    'dropping the own database and the users database locks nobody out for good (%s)',
    async (storage) => {
      const harness = { sqlite, postgres }[storage];
      const request = harness.newRequest();
      await harness.backend.provision(request);
      const client = harness.client(request);
      await client.db().collection('c').insertOne({ a: 1 });
      await client.db().dropDatabase();
      await client.db('admin').dropDatabase();
      await client.close();
      await harness.backend.cut(request);
      await harness.backend.restore(request);
      await harness.backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
      for (const version of [1, 2]) await (await harness.open(request, version)).close();
      await harness.backend.deprovision(request);
    },
  );

  test.each(['sqlite', 'postgres'] as const)('a reset of the users that was interrupted is done over (%s)', async (storage) => {
    const harness = { sqlite, postgres }[storage];
    const request = harness.newRequest();
    await harness.backend.provision(request);
    const session = await harness.open(request);
    await session.write('kept');
    await session.close();
    await harness.backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
    for (const delayMs of [1, 15, 60, 120]) {
      const retire = harness.backend.retireCredential({ ...request, retireVersion: 1 }, { signal: AbortSignal.timeout(delayMs) });
      await retire.catch(() => undefined);
    }
    await harness.backend.retireCredential({ ...request, retireVersion: 1 });
    await expect(harness.open(request, 1)).rejects.toThrow();
    const again = await harness.open(request, 2);
    expect(await again.read()).toEqual(['kept']);
    await again.close();
    await harness.backend.deprovision(request);
  });

  test('operations a minute are counted, and the limit can be raised', async () => {
    const request = sqlite.request({ storageMb: 5, opsPerMinute: 30 });
    await sqlite.backend.provision(request);
    const client = sqlite.client(request);
    const count = async (times: number) => {
      for (let n = 0; n < times; n += 1) await client.db().collection('c').countDocuments();
    };
    await expect(count(40)).rejects.toThrow('too many operations: the plan allows 30 a minute');
    await sqlite.backend.applyLimits({ ...request, limits: { storageMb: 5, opsPerMinute: 100_000 } });
    // The count goes on for a second under the limit that it began with.
    await eventually(
      () =>
        count(40).then(
          () => true,
          () => false,
        ),
      (passed) => passed,
    );
    await client.close();
    await sqlite.backend.deprovision(request);
  });

  test('what a tenant keeps is measured', async () => {
    const request = postgres.newRequest();
    await postgres.backend.provision(request);
    const bytesOf = async () =>
      (await postgres.backend.measureAll('test')).find(({ objectName }) => objectName === request.objectName)?.bytes ?? 0;
    const before = await bytesOf();
    const client = postgres.client(request);
    for (let n = 0; n < 3; n += 1)
      await client
        .db()
        .collection('c')
        .insertOne({ d: Array.from({ length: 60_000 }, () => Math.random()) });
    await client.close();
    expect(await bytesOf()).toBeGreaterThan(before + 1_000_000);
    await postgres.backend.deprovision(request);
  });
});
