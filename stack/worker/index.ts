// The worker process: workflows and bookkeeping on the lifecycle queue, each kind's activities on a queue of its own.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { makeTelemetryFilterString, NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import type pg from 'pg';
import { Registry } from 'prom-client';
import { createCredentialReader, createFence, createPlatformActivities } from '../../activities/platform';
import { createPoolFiller, createPoolPlanner, createPoolWaker } from '../../activities/platform/pool';
import { ensureSchedules } from '../../activities/platform/schedules';
import { createBackendSweep, createRowSweep } from '../../activities/platform/sweep';
import { createUpkeepMetrics } from '../../activities/platform/upkeep';
import { createMeter, createQuotaReporter } from '../../activities/platform/usage';
import { createKindActivities } from '../../activities/kind-activities';
import { createPostgresBackend, type PostgresBackend } from '../../activities/postgres';
import { Keyring } from '../../shared/crypto';
import { assertUnprivileged, createPool, migrationState } from '../../shared/db';
import { createLogger, type Logger, temporalLogger } from '../../shared/logctx';
import { type BackendConfig, loadBackends, loadPlans, type Plans } from '../../shared/plans';
import { kindTaskQueue, LIFECYCLE_TASK_QUEUE } from '../../shared/resourcetype';
import { findFreePort } from '../ports';
import { mirrorBackends, watchBackends } from './backends';
import { readWorkerConfig, type WorkerConfig } from './config';
import { activityContext } from './context';
import { serveMetrics } from './metrics';

const WORKFLOW_BUNDLE = join(__dirname, '../../workflow-bundle.js');
/** Above the 12 s that the supervisor waits, activities would be cut off; below 2 s, most would not end. */
const SHUTDOWN_GRACE = '9s';
/** What still runs then is left to another worker; Temporal repeats it. */
const SHUTDOWN_FORCE = '11s';

interface Parts {
  config: WorkerConfig;
  logger: Logger;
  registry: Registry;
  pool: pg.Pool;
  keyring: Keyring;
  plans: Plans;
  backends: BackendConfig[];
  backend: PostgresBackend;
  client: Client;
}

/** Runs until `stop` is aborted; `onReady` is called once resources can be made. */
export async function runWorker(options: { env: NodeJS.ProcessEnv; stop: AbortSignal; onReady: () => void }): Promise<void> {
  const config = readWorkerConfig(options.env);
  if (!existsSync(WORKFLOW_BUNDLE)) throw new Error('the workflow bundle is missing: run npm run build');
  const logger = createLogger({ process: 'worker', level: config.logLevel });
  const sdkMetricsPort = await findFreePort();
  Runtime.install({
    logger: temporalLogger(logger),
    shutdownSignals: [],
    telemetryOptions: {
      metrics: { prometheus: { bindAddress: `127.0.0.1:${sdkMetricsPort}` } },
      // Without it the SDK's native part writes its own, colored lines between our JSON.
      logging: { filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }), forward: {} },
    },
  });
  const connection = await Connection.connect({ address: config.temporalAddress });
  const native = await NativeConnection.connect({ address: config.temporalAddress });
  const parts = await prepare(config, logger, new Client({ connection, namespace: config.temporalNamespace }));
  const metrics = await serveMetrics({
    host: '127.0.0.1',
    port: config.metricsPort,
    registry: parts.registry,
    sdkMetricsUrl: `http://127.0.0.1:${sdkMetricsPort}/metrics`,
  });
  const workers = await createWorkers(parts, native);
  const runs = workers.map((worker) => worker.run());
  const stopAll = () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  options.stop.addEventListener('abort', stopAll);
  const watch = await watchBackends({
    ...parts,
    configs: parts.backends,
    hasSecret: (backend) => config.secretOf(backend.adminUrlEnv) !== undefined,
  });
  await ensureSchedules(parts.client, upkeepSettings(parts));
  logger.info('worker is ready', { namespace: config.temporalNamespace });
  options.onReady();
  if (options.stop.aborted) stopAll();
  try {
    await Promise.all(runs);
  } finally {
    watch.stop();
    metrics.close();
    await parts.backend.close();
    await Promise.all([native.close(), connection.close(), parts.pool.end()]);
  }
}

async function prepare(config: WorkerConfig, logger: Logger, client: Client): Promise<Parts> {
  const plans = loadPlans(config.plansFile);
  const backends = loadBackends(config.backendsFile);
  const keyring = Keyring.parse(config.keyring);
  const pool = createPool({ url: config.databaseUrl, applicationName: 'leasehold-worker', max: 20 });
  await assertUnprivileged(pool);
  const migrations = await migrationState(pool);
  if (migrations.status === 'behind') throw new Error(`the platform database is at ${migrations.version}: run the migrations first`);
  await pool.query('INSERT INTO installation (id) VALUES ($1) ON CONFLICT DO NOTHING', [config.installationId]);
  await mirrorBackends(pool, backends);
  const backend = createPostgresBackend({
    adminUrlOf: (backendName) => adminUrlOf(config, backends, backendName),
    readCredential: createCredentialReader({ pool, keyring }),
    fence: createFence(pool),
    installationId: config.installationId,
    logger,
  });
  return { config, logger, registry: new Registry(), pool, keyring, plans, backends, backend, client };
}

function adminUrlOf(config: WorkerConfig, backends: BackendConfig[], backendName: string): string {
  const backend = backends.find((candidate) => candidate.name === backendName);
  if (backend === undefined) throw new Error(`backend ${backendName} is not in backends.yaml`);
  const url = config.secretOf(backend.adminUrlEnv);
  if (url === undefined) throw new Error(`set ${backend.adminUrlEnv} to the admin url of ${backendName}`);
  return url;
}

async function createWorkers(parts: Parts, connection: NativeConnection): Promise<Worker[]> {
  const { config, logger, pool, backend, client } = parts;
  const metrics = createUpkeepMetrics(parts.registry);
  const upkeep = { pool, metrics, logger, installationId: config.installationId };
  const common = {
    connection,
    namespace: config.temporalNamespace,
    shutdownGraceTime: SHUTDOWN_GRACE,
    shutdownForceTime: SHUTDOWN_FORCE,
    stickyQueueScheduleToStartTimeout: '1s',
    interceptors: { activity: [activityContext] },
  } satisfies Partial<WorkerOptions>;
  const platform = createPlatformActivities({
    pool,
    keyring: parts.keyring,
    installationId: config.installationId,
    poolTemplate: backend.template,
    logger,
    onClaimed: createPoolWaker(() => client),
  });
  const lifecycle = await Worker.create({
    ...common,
    taskQueue: LIFECYCLE_TASK_QUEUE,
    workflowBundle: { codePath: WORKFLOW_BUNDLE },
    maxCachedWorkflows: config.maxCachedWorkflows,
    activities: {
      ...platform,
      reserve: async (request: Parameters<typeof platform.reserve>[0]) => {
        const answer = await platform.reserve(request);
        if (answer.outcome === 'created' && answer.row.kind === 'postgres') backend.expectCredential(answer.row);
        return answer;
      },
      ...createPoolPlanner({ pool, installationId: config.installationId }),
      ...createRowSweep({ ...upkeep, client: () => client }),
      ...createQuotaReporter({ client: () => client, metrics, logger }),
      claimWarmItem: (request: Parameters<typeof backend.claimWarm>[0]) => backend.claimWarm(request),
    },
  });
  const postgres = await Worker.create({
    ...common,
    taskQueue: kindTaskQueue('postgres'),
    // Each one holds a connection of the backend and waits there; more would only wait longer.
    maxConcurrentActivityTaskExecutions: 16,
    activities: {
      ...createKindActivities(backend),
      ...createPoolFiller({ pool, poolMaker: backend, metrics, logger }),
      ...createBackendSweep({ ...upkeep, backend }),
      ...createMeter({ pool, backend }),
    },
  });
  return [lifecycle, postgres];
}

function upkeepSettings({ plans, backends, config, backend }: Parts): Parameters<typeof ensureSchedules>[1] {
  return {
    backends: backends.map(({ name, kind }) => ({ name, kind, pool: { template: backend.template, target: plans.pool.postgres.size } })),
    quota: plans.quota,
    sweepIntervalMs: plans.sweep.intervalMs,
    orphanMinimumAgeMs: plans.sweep.orphanMinimumAgeMs,
    refillPools: config.refillPools,
  };
}
