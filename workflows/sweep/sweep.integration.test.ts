import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getClient } from '@temporalio/activity';
import { NativeConnection, Worker } from '@temporalio/worker';
import pg from 'pg';
import { Registry } from 'prom-client';
import { createCredentialReader, createFence } from '../../activities/platform';
import { createBackendSweep, createRowSweep } from '../../activities/platform/sweep';
import { createUpkeepMetrics, randomObjectName, type UpkeepMetrics } from '../../activities/platform/upkeep';
import { createPostgresBackend, type PostgresBackend } from '../../activities/postgres';
import { Keyring } from '../../shared/crypto';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database';
import { createLifecycle, type Lifecycle, startResource, TEST_KEYRING, testSpec } from '../../test/harness/lifecycle';
import { eventsOf, eventually, rowOf } from '../../test/harness/rows';
import { temporalAddress, tenantsAdminUrl, workflowBundlePath } from '../../test/harness/servers';
import { resourceWorkflowId } from '../resource/messages';
import type { SweepInput, SweepReport } from './messages';

const TASK_QUEUE = 'sweep-under-test';
const QUIET = { info() {}, warn() {}, error() {} };

describe('the sweep', () => {
  let database: TestDatabase;
  let backend: PostgresBackend;
  let lifecycle: Lifecycle;
  let metrics: UpkeepMetrics;
  let stop: () => Promise<void>;

  beforeAll(async () => {
    database = await createTestDatabase();
    const { pool, installationId } = database;
    const keyring = Keyring.parse(TEST_KEYRING);
    backend = createPostgresBackend({
      adminUrlOf: (name) => (name === database.backendName ? tenantsAdminUrl() : 'postgres://nobody@127.0.0.1:1/nothing'),
      readCredential: createCredentialReader({ pool, keyring }),
      fence: createFence(pool),
      installationId,
    });
    metrics = createUpkeepMetrics(new Registry());
    const deps = { pool, installationId, backend, metrics, logger: QUIET };
    const upkeep = { ...createBackendSweep(deps), ...createRowSweep({ pool, client: getClient, metrics, logger: QUIET, pageSize: 1 }) };
    lifecycle = await createLifecycle({ database, backend });
    const workers = await lifecycle.startWorkers({ wrap: (activities) => ({ ...activities, ...upkeep }) });
    const connection = await NativeConnection.connect({ address: temporalAddress() });
    const worker = await Worker.create({
      connection,
      namespace: lifecycle.namespace,
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

  const sweep = (changes: Partial<SweepInput> = {}): Promise<SweepReport> =>
    lifecycle.client.workflow.execute('sweep', {
      workflowId: `sweep-${randomUUID()}`,
      taskQueue: TASK_QUEUE,
      args: [{ backends: [{ name: database.backendName, kind: 'postgres' }], orphanMinimumAgeMs: 0, rowMinimumAgeMs: 0, ...changes }],
    });
  const listed = () => backend.list(database.backendName);
  async function leak(): Promise<string> {
    const objectName = randomObjectName(database.installationId);
    await backend.createWarmItem({ backendName: database.backendName, objectName, template: 'template0' });
    return objectName;
  }

  it('removes what nobody owns once two sweeps agree, and nothing else', async () => {
    const leaked = await leak();
    const retired = await leak();
    await database.pool.query('INSERT INTO retired_names (object_name, backend_name) VALUES ($1, $2)', [retired, database.backendName]);
    const pooled = await leak();
    await database.pool.query(
      `INSERT INTO pool_items (object_name, backend_name, kind, template, server_version, state) VALUES ($1, $2, 'postgres', 't', 'v', 'ready')`,
      [pooled, database.backendName],
    );
    const foreign = randomObjectName('zzzzzzzz');
    const admin = new pg.Client({ connectionString: tenantsAdminUrl() });
    await admin.connect();
    await admin.query(`CREATE ROLE ${foreign} NOLOGIN`);
    const spec = testSpec();
    await startResource(lifecycle.client, spec);
    const owned = (await rowOf(database, spec.resourceId)).object_name;

    expect((await sweep()).backends).toMatchObject([{ swept: true, listed: 4, orphans: 2, removed: 0 }]);
    expect(await listed()).toHaveLength(4);
    // An age that is not reached yet: seen again, left alone.
    expect((await sweep({ orphanMinimumAgeMs: 3_600_000 })).backends).toMatchObject([{ orphans: 2, removed: 0 }]);
    expect((await sweep()).backends).toMatchObject([{ orphans: 2, removed: 2, held: 0 }]);

    expect((await listed()).sort()).toEqual([owned, pooled].sort());
    expect((await admin.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [foreign])).rowCount).toBe(1);
    await admin.query(`DROP ROLE ${foreign}`);
    await admin.end();
    const { rows } = await database.pool.query(
      `SELECT target_id, data FROM audit_logs WHERE action = 'sweep.orphan_removed' ORDER BY data->>'reason'`,
    );
    expect(rows).toMatchObject([
      { target_id: retired, data: { reason: 'retired' } },
      { target_id: leaked, data: { reason: 'unknown' } },
    ]);
    expect((await metrics.leaked.get()).values.map((value) => value.value)).toEqual([1, 1]);
    expect((await database.pool.query('SELECT 1 FROM orphan_sightings')).rowCount).toBe(0);
    expect((await database.pool.query('SELECT 1 FROM retired_names WHERE object_name = $1', [leaked])).rowCount).toBe(1);
  });

  it('forgets a sighting as soon as the object is somebody’s', async () => {
    const objectName = await leak();
    await sweep();
    await database.pool.query(
      `INSERT INTO pool_items (object_name, backend_name, kind, template, server_version, state) VALUES ($1, $2, 'postgres', 't', 'v', 'ready')`,
      [objectName, database.backendName],
    );
    expect((await sweep()).backends).toMatchObject([{ orphans: 0, removed: 0 }]);
    expect((await database.pool.query('SELECT 1 FROM orphan_sightings')).rowCount).toBe(0);
    expect(await listed()).toContain(objectName);
  });

  it('gives a workflow to every row that has lost its own, whatever it was about to do', async () => {
    const [living, dying] = [testSpec(), testSpec()];
    for (const spec of [living, dying]) {
      const { handle } = await startResource(lifecycle.client, spec);
      await handle.terminate('lost');
    }
    await database.pool.query(`UPDATE resources SET status = 'deleting' WHERE id = $1`, [dying.resourceId]);
    expect((await sweep()).rows?.restarted).toBe(2);
    await eventually(
      () => rowOf(database, dying.resourceId),
      (row) => row.status === 'deleted',
    );
    const events = await eventually(
      () => eventsOf(database, living.resourceId),
      (all) => all.some((event) => event.type === 'resource.adopted'),
    );
    expect(events.at(-1)).toMatchObject({ type: 'resource.adopted', status: 'active', actor_type: 'system' });
    const { status } = await lifecycle.client.workflow.getHandle(resourceWorkflowId(living.resourceId)).describe();
    expect(status.name).toBe('RUNNING');
    expect((await sweep()).rows?.restarted).toBe(0);
  });

  it('sweeps the others when one backend is dead', async () => {
    const report = await sweep({
      backends: [
        { name: 'dead', kind: 'postgres' },
        { name: database.backendName, kind: 'postgres' },
      ],
    });
    expect(report.backends).toMatchObject([
      { name: 'dead', swept: false },
      { name: database.backendName, swept: true },
    ]);
    expect(report.rows).not.toBeNull();
  });
});
