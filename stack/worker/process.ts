// What the worker and every host worker are made of: connections, the platform's ports for the kinds, metrics, an orderly end.
import { Client, Connection } from '@temporalio/client';
import { makeTelemetryFilterString, NativeConnection, Runtime, type Worker, type WorkerOptions } from '@temporalio/worker';
import type pg from 'pg';
import { Registry } from 'prom-client';
import type { KindBackend, KindDependencies } from '../../activities/backend';
import {
  createConnectionRecorder,
  createCredentialReader,
  createFence,
  createIssuedSecrets,
  createNameLock,
} from '../../activities/platform';
import { createBackendSweep } from '../../activities/platform/sweep';
import type { createUpkeepMetrics } from '../../activities/platform/upkeep';
import { createMeter } from '../../activities/platform/usage';
import { createDataConverter } from '../../shared/codec';
import { unknownVariables } from '../../shared/config';
import { Keyring } from '../../shared/crypto';
import { assertUnprivileged, createPool, migrationState } from '../../shared/db';
import { createLogger, type Logger, temporalLogger } from '../../shared/logctx';
import {
  type BackendConfig,
  type BackendsFile,
  environmentNames,
  isConfigured,
  loadBackends,
  loadPlans,
  type Plans,
} from '../../shared/plans';
import { activityTracing, clientTracing, registerBuildInfo, startTelemetry } from '../../shared/telemetry';
import { guardProcess } from '../../shared/uncaught';
import { findFreePort } from '../ports';
import { mirrorBackends } from './backends';
import type { WorkerProcessConfig } from './config';
import { activityContext } from './context';
import { serveMetrics } from './metrics';
import { tracingSinks } from './tracing';

/** Above the 12 s that the supervisor waits, activities would be cut off; below 2 s, most would not end. */
const SHUTDOWN_GRACE = '9s';
/** What still runs then is left to another worker; Temporal repeats it. */
const SHUTDOWN_FORCE = '11s';

/** Holders and waiters of names' locks; bookkeeping has connections of its own. */
const LOCK_CONNECTIONS = 16;

export interface WorkerProcess {
  config: WorkerProcessConfig;
  logger: Logger;
  registry: Registry;
  pool: pg.Pool;
  keyring: Keyring;
  plans: Plans;
  /** Without optional backends whose variable is not set. */
  file: BackendsFile;
  client: Client;
  /** What every Temporal worker of the process is created with. */
  workerOptions: Pick<
    WorkerOptions,
    | 'connection'
    | 'namespace'
    | 'dataConverter'
    | 'shutdownGraceTime'
    | 'shutdownForceTime'
    | 'stickyQueueScheduleToStartTimeout'
    | 'interceptors'
    | 'sinks'
  >;
  dependencies: KindDependencies;
  /** Runs the workers until `stop` is aborted. */
  run: (workers: readonly Worker[], stop: AbortSignal) => Promise<void>;
  close: () => Promise<void>;
}

/**
 * @param name as it stands in logs and in the database's list of connections
 * @param reachesServers whether its environment has the admin urls of all servers, as the worker's has
 * @param end stops the process in order, after an error that nobody caught
 */
export async function openWorkerProcess(
  config: WorkerProcessConfig,
  { name, env, end, reachesServers }: { name: string; env: NodeJS.ProcessEnv; end: () => void; reachesServers: boolean },
): Promise<WorkerProcess> {
  const logger = createLogger({ process: name, level: config.logLevel });
  const registry = new Registry();
  registerBuildInfo(registry, name);
  guardProcess({ name, logger, registry, end });
  const telemetry = startTelemetry({ env, name, logger });
  const sdkMetricsPort = await findFreePort();
  Runtime.install({
    logger: temporalLogger(logger),
    shutdownSignals: [],
    telemetryOptions: {
      metrics: {
        prometheus: {
          bindAddress: `127.0.0.1:${sdkMetricsPort}`,
          // As Prometheus names things: `_total`, and durations in `_seconds`.
          countersTotalSuffix: true,
          unitSuffix: true,
          useSecondsForDurations: true,
        },
      },
      // Without it the SDK's native part writes its own, colored lines between our JSON.
      logging: { filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }), forward: {} },
    },
  });
  const connection = await Connection.connect({ address: config.temporalAddress });
  const native = await NativeConnection.connect({ address: config.temporalAddress });
  const plans = loadPlans(config.plansFile);
  const listed = loadBackends(config.backendsFile);
  for (const line of unknownVariables(config.environment, environmentNames(listed))) logger.warn(line);
  const isThere = (backend: BackendConfig) => isConfigured(backend, (variable) => config.secretOf(variable) !== undefined);
  const file = { ...listed, backends: listed.backends.filter(isThere) };
  const keyring = Keyring.parse(config.keyring);
  const dataConverter = createDataConverter({ keyring, encrypts: config.encryptsPayloads });
  const pool = createPool({ url: config.databaseUrl, applicationName: `leasehold-${name}`, max: 20 });
  const lockPool = createPool({
    url: config.databaseUrl,
    applicationName: `leasehold-${name}-locks`,
    max: LOCK_CONNECTIONS,
    statementTimeoutMs: 0,
  });
  await assertUnprivileged(pool);
  const migrations = await migrationState(pool);
  if (migrations.status === 'behind') throw new Error(`the platform database is at ${migrations.version}: run the migrations first`);
  await pool.query('INSERT INTO installation (id) VALUES ($1) ON CONFLICT DO NOTHING', [config.installationId]);
  const away = listed.backends.filter((backend) => !isThere(backend)).map((backend) => backend.name);
  for (const { name: backend, held } of await mirrorBackends(pool, file, { leave: reachesServers ? [] : away }))
    logger.warn('resources live on a backend that is not configured any more: configure it again, or delete them', { backend, held });
  const metrics = await serveMetrics({
    host: '127.0.0.1',
    port: config.metricsPort,
    registry,
    sdkMetricsUrl: `http://127.0.0.1:${sdkMetricsPort}/metrics`,
  });
  return {
    config,
    logger,
    registry,
    pool,
    keyring,
    plans,
    file,
    client: new Client({ connection, namespace: config.temporalNamespace, dataConverter, interceptors: { workflow: clientTracing() } }),
    workerOptions: {
      connection: native,
      namespace: config.temporalNamespace,
      dataConverter,
      shutdownGraceTime: SHUTDOWN_GRACE,
      shutdownForceTime: SHUTDOWN_FORCE,
      stickyQueueScheduleToStartTimeout: '1s',
      interceptors: { activity: [...activityTracing(), activityContext] },
      sinks: tracingSinks,
    },
    dependencies: {
      readCredential: createCredentialReader({ pool, keyring }),
      fence: createFence(pool),
      nameLock: createNameLock(lockPool),
      connections: createConnectionRecorder(pool),
      issuedSecrets: createIssuedSecrets({ pool, keyring }),
      installationId: config.installationId,
      logger,
    },
    run: runUntil,
    async close() {
      metrics.close();
      await Promise.all([native.close(), connection.close(), pool.end(), lockPool.end(), telemetry.shutdown()]);
    },
  };
}

async function runUntil(workers: readonly Worker[], stop: AbortSignal): Promise<void> {
  const runs = workers.map((worker) => worker.run());
  const stopAll = () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  stop.addEventListener('abort', stopAll);
  if (stop.aborted) stopAll();
  await Promise.all(runs);
}

/** The sweep's and the meter's activities for one kind's backends. */
export function upkeepActivities(
  { pool, logger, config }: Pick<WorkerProcess, 'pool' | 'logger' | 'config'>,
  backend: KindBackend,
  metrics: ReturnType<typeof createUpkeepMetrics>,
) {
  return {
    ...createBackendSweep({ pool, metrics, logger, installationId: config.installationId, backend }),
    ...createMeter({ pool, backend }),
  };
}
