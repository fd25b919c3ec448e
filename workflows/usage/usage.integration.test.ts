import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getClient } from '@temporalio/activity';
import { NativeConnection, Worker } from '@temporalio/worker';
import pg from 'pg';
import { Registry } from 'prom-client';
import { createCredentialReader, createFence } from '../../activities/platform';
import { createUpkeepMetrics } from '../../activities/platform/upkeep';
import { createMeter, createQuotaReporter } from '../../activities/platform/usage';
import { createPostgresBackend, type PostgresBackend } from '../../activities/postgres';
import { Keyring } from '../../shared/crypto';
import type { ResourceRecord } from '../../shared/db';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database';
import { createLifecycle, type Lifecycle, startResource, TEST_KEYRING, testSpec } from '../../test/harness/lifecycle';
import { eventsOf, eventually, rowOf } from '../../test/harness/rows';
import { temporalAddress, tenantsAdminUrl, workflowBundlePath } from '../../test/harness/servers';
import type { MeasureUsageInput, UsageReport } from './messages';

const TASK_QUEUE = 'usage-under-test';
const QUIET = { info() {}, warn() {}, error() {} };
const MB = 1024 * 1024;

describe('the meter', () => {
  let database: TestDatabase;
  let backend: PostgresBackend;
  let lifecycle: Lifecycle;
  let stop: () => Promise<void>;

  beforeAll(async () => {
    database = await createTestDatabase();
    const { pool, installationId } = database;
    backend = createPostgresBackend({
      adminUrlOf: () => tenantsAdminUrl(),
      readCredential: createCredentialReader({ pool, keyring: Keyring.parse(TEST_KEYRING) }),
      fence: createFence(pool),
      installationId,
    });
    const metrics = createUpkeepMetrics(new Registry());
    const upkeep = { ...createMeter({ pool, backend }), ...createQuotaReporter({ client: getClient, metrics, logger: QUIET }) };
    lifecycle = await createLifecycle({ database, backend });
    const workers = await lifecycle.startWorkers({ wrap: (activities) => ({ ...activities, ...upkeep }) });
    const connection = await NativeConnection.connect({ address: temporalAddress() });
    const { namespace } = lifecycle;
    const worker = await Worker.create({
      connection,
      namespace,
      taskQueue: TASK_QUEUE,
      workflowBundle: { codePath: workflowBundlePath() },
      activities: upkeep,
    });
    const run = worker.run();
    stop = async () => {
      worker.shutdown();
      await run;
      await connection.close();
      await workers.stop();
    };
  });

  afterAll(async () => {
    await stop();
    for (const objectName of await backend.list(database.backendName)) {
      await backend.destroyOrphan({ backendName: database.backendName, objectName });
    }
    await lifecycle.close();
    await backend.close();
    await database.drop();
  });

  const measure = (changes: Partial<MeasureUsageInput> = {}): Promise<UsageReport> =>
    lifecycle.client.workflow.execute('measureUsage', {
      workflowId: `usage-${randomUUID()}`,
      taskQueue: TASK_QUEUE,
      args: [
        {
          backends: [{ name: database.backendName, kind: 'postgres' }],
          thresholds: { readOnlyAtPercent: 100, suspendAtPercent: 120, liftBelowPercent: 90 },
          ...changes,
        },
      ],
    });

  /** As the platform's own superuser, whom neither read-only nor a cut keeps out. */
  async function inDatabase(objectName: string, sql: string): Promise<void> {
    const url = new URL(tenantsAdminUrl());
    url.pathname = `/${objectName}`;
    const client = new pg.Client({ connectionString: url.toString() });
    await client.connect();
    await client.query('SET default_transaction_read_only = off');
    await client.query(sql);
    await client.end();
  }
  const rowWhen = (resourceId: string, isDone: (row: ResourceRecord) => boolean) => eventually(() => rowOf(database, resourceId), isDone);
  const fill = (objectName: string, megabytes: number) =>
    inDatabase(
      objectName,
      `CREATE TABLE IF NOT EXISTS filler (t text); ALTER TABLE filler ALTER t SET STORAGE EXTERNAL;
      INSERT INTO filler SELECT repeat(md5(random()::text), 32768) FROM generate_series(1, ${megabytes})`,
    );

  it('measures, stops writes, suspends, and lifts both when there is room again', async () => {
    const spec = testSpec({ limits: { storageMb: 12, connections: 2 } });
    await startResource(lifecycle.client, spec);
    const { object_name: objectName } = await rowOf(database, spec.resourceId);

    expect(await measure()).toEqual({ [database.backendName]: { measured: 1, reported: 0 } });
    expect((await rowOf(database, spec.resourceId)).storage_bytes).toBeGreaterThan(5 * MB);

    await fill(objectName, 5);
    expect(await measure()).toEqual({ [database.backendName]: { measured: 1, reported: 1 } });
    await rowWhen(spec.resourceId, (row) => row.read_only_by_quota && row.status === 'active');
    expect(await measure()).toEqual({ [database.backendName]: { measured: 1, reported: 0 } });

    await fill(objectName, 6);
    await measure();
    await rowWhen(spec.resourceId, (row) => row.status === 'suspended' && row.suspended_reason === 'quota');

    await inDatabase(objectName, 'DROP TABLE filler');
    await measure();
    await rowWhen(spec.resourceId, (row) => row.status === 'active' && !row.read_only_by_quota);
    const types = (await eventsOf(database, spec.resourceId)).map((event) => event.type);
    expect(types.slice(-3)).toEqual(['resource.storage_exceeded', 'resource.storage_exceeded', 'resource.storage_recovered']);
  });

  it('keeps a sample for each change of size, not for each look', async () => {
    const spec = testSpec();
    await startResource(lifecycle.client, spec);
    const { object_name: objectName } = await rowOf(database, spec.resourceId);
    const samples = async () => {
      const { rows } = await database.pool.query<{ value: number }>(
        `SELECT value FROM usage_samples WHERE resource_id = $1 AND metric = 'storage_bytes' ORDER BY measured_at`,
        [spec.resourceId],
      );
      return rows.map((row) => row.value);
    };
    await measure();
    await measure();
    const measuredAt = (await rowOf(database, spec.resourceId)).measured_at;
    // An hour may just have ended.
    expect((await samples()).length).toBeLessThanOrEqual(2);
    const before = (await samples()).length;
    await fill(objectName, 1);
    await measure();
    expect(await samples()).toHaveLength(before + 1);
    const row = await rowOf(database, spec.resourceId);
    expect((await samples()).at(-1)).toBe(row.storage_bytes);
    expect(row.measured_at?.getTime()).toBeGreaterThan(measuredAt?.getTime() ?? 0);
  });
});
