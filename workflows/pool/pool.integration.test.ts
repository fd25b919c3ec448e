import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Client, Connection } from '@temporalio/client';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { Registry } from 'prom-client';
import type { WarmItem } from '../../activities/backend';
import { createPoolFiller, createPoolPlanner, createPoolWaker } from '../../activities/platform/pool';
import { ensureSchedules, type UpkeepSettings } from '../../activities/platform/schedules';
import { createUpkeepMetrics } from '../../activities/platform/upkeep';
import { createPostgresBackend, POSTGRES_WARM_TEMPLATE, type PostgresBackend } from '../../activities/postgres';
import { kindTaskQueue, LIFECYCLE_TASK_QUEUE } from '../../shared/resourcetype';
import { ensureNamespace } from '../../stack';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database';
import { eventually } from '../../test/harness/rows';
import { temporalAddress, tenantsAdminUrl, workflowBundlePath } from '../../test/harness/servers';
import { fastForward } from '../../test/harness/time';
import { poolWorkflowId, refillSignal } from './messages';

const QUIET = { info() {}, warn() {}, error() {} };
const NAMESPACE = `pool-${Date.now()}`;

describe('the warm pool', () => {
  let database: TestDatabase;
  let backend: PostgresBackend;
  let client: Client;
  let stop: () => Promise<void>;
  let serverDown = false;

  beforeAll(async () => {
    Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
    database = await createTestDatabase();
    const { pool, installationId } = database;
    backend = createPostgresBackend({
      adminUrlOf: () => tenantsAdminUrl(),
      readCredential: async () => ({ username: '', password: '' }),
      fence: async () => false,
      installationId,
    });
    await pool.query('UPDATE backends SET server_version = $1', [await backend.serverVersion(database.backendName)]);
    await ensureNamespace({ address: temporalAddress(), namespace: NAMESPACE });
    const connection = await Connection.connect({ address: temporalAddress() });
    client = new Client({ connection, namespace: NAMESPACE });
    const native = await NativeConnection.connect({ address: temporalAddress() });
    const poolMaker = {
      ...backend,
      createWarmItem: async (item: WarmItem) => {
        if (serverDown) throw new Error('the server is down');
        await backend.createWarmItem(item);
      },
    };
    const common = { connection: native, namespace: NAMESPACE };
    const workers = [
      await Worker.create({
        ...common,
        taskQueue: LIFECYCLE_TASK_QUEUE,
        workflowBundle: { codePath: workflowBundlePath() },
        activities: { ...createPoolPlanner({ pool, installationId }) },
      }),
      await Worker.create({
        ...common,
        taskQueue: kindTaskQueue('postgres'),
        activities: { ...createPoolFiller({ pool, poolMaker, metrics: createUpkeepMetrics(new Registry()), logger: QUIET }) },
      }),
    ];
    const runs = workers.map((worker) => worker.run());
    stop = async () => {
      for (const worker of workers) worker.shutdown();
      await Promise.all(runs);
      await native.close();
      await connection.close();
    };
  });

  afterAll(async () => {
    await client.workflow.getHandle(workflowId()).terminate();
    await stop();
    for (const objectName of await backend.list(database.backendName)) {
      await backend.destroyOrphan({ backendName: database.backendName, objectName });
    }
    await backend.close();
    await database.drop();
  });

  const workflowId = () => poolWorkflowId(database.backendName);
  const configure = (target: number, changes: Partial<UpkeepSettings> = {}) =>
    ensureSchedules(client, {
      backends: [{ name: database.backendName, kind: 'postgres', pool: { template: POSTGRES_WARM_TEMPLATE, target } }],
      quota: { readOnlyAtPercent: 100, suspendAtPercent: 120, liftBelowPercent: 90, measureIntervalMs: 3_600_000 },
      ...changes,
    });
  const count = async (state: string): Promise<number> => {
    const { rowCount } = await database.pool.query('SELECT 1 FROM pool_items WHERE state = $1', [state]);
    return rowCount ?? 0;
  };
  const objects = async () => (await backend.list(database.backendName)).length;
  const readyIs = (target: number) =>
    eventually(
      () => count('ready'),
      (ready) => ready === target,
    );
  const refillsTold = async () => {
    const { events } = await client.workflow.getHandle(workflowId()).fetchHistory();
    return (events ?? []).filter((event) => event.workflowExecutionSignaledEventAttributes?.signalName === refillSignal.name).length;
  };

  beforeEach(async () => {
    serverDown = false;
    await configure(3);
    await readyIs(3);
  });

  it('holds real databases that nobody can log in to', async () => {
    expect(await objects()).toBe(3);
  });

  it('fills up again when it is told of a claim', async () => {
    const { rows } = await database.pool.query<{ object_name: string }>(
      'DELETE FROM pool_items WHERE object_name = (SELECT min(object_name) FROM pool_items) RETURNING object_name',
    );
    const before = await refillsTold();
    const wake = createPoolWaker(() => client);
    for (let claims = 0; claims < 10; claims += 1) wake(database.backendName);
    await eventually(refillsTold, (told) => told === before + 1);
    await readyIs(3);
    for (const { object_name: objectName } of rows) await backend.destroyOrphan({ backendName: database.backendName, objectName });
  });

  it('takes new settings while it runs', async () => {
    await configure(1);
    await eventually(objects, (held) => held <= 2);
    expect(await readyIs(1)).toBe(1);
    await configure(0, { refillPools: false });
    await readyIs(0);
  });

  it('goes on by itself after the server was away', async () => {
    serverDown = true;
    await database.pool.query(`UPDATE pool_items SET state = 'destroying'`);
    await client.workflow.getHandle(workflowId()).signal(refillSignal);
    await eventually(
      () => count('creating'),
      (creating) => creating === 3,
    );
    serverDown = false;
    await fastForward(client, workflowId(), 6_000);
    await readyIs(3);
    await eventually(objects, (held) => held === 3);
  });

  it('is one workflow for ever, and idles on a few events a minute', async () => {
    const handle = client.workflow.getHandle(workflowId());
    // What the tests before it left to do costs events too.
    const before = await eventually(
      () => handle.describe(),
      ({ raw }) => (raw.pendingActivities ?? []).length === 0 && !raw.pendingWorkflowTask,
    );
    await fastForward(client, workflowId(), 600_000);
    const { historyLength } = await handle.describe();
    // Six a look, and one more for each skipped pause.
    expect(historyLength - before.historyLength).toBeLessThan(7 * 25);
    await fastForward(client, workflowId(), 2 * 3_600_000);
    const after = await handle.describe();
    expect(after.status.name).toBe('RUNNING');
    expect(after.runId).not.toBe(before.runId);
    expect(await count('ready')).toBe(3);
  });
});
