// The worker process: workflows and bookkeeping on the lifecycle queue, and each kind's activities on a queue of its own.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from '@temporalio/worker';
import type { CallOptions, KindBackend, ProvisionRequest, QueueIsolation } from '../../activities/backend';
import { backendCall, createKindActivities } from '../../activities/kind-activities';
import { createCopyFence, createPlatformActivities } from '../../activities/platform';
import { createTransitionMetrics } from '../../activities/platform/lifecycle-metrics';
import { createPoolFiller, createPoolPlanner, createPoolWaker } from '../../activities/platform/pool';
import { ensureSchedules } from '../../activities/platform/schedules';
import { createRowSweep } from '../../activities/platform/sweep';
import { createUpkeepMetrics } from '../../activities/platform/upkeep';
import { createQuotaReporter } from '../../activities/platform/usage';
import { createWarmReserve } from '../../activities/platform/warm';
import { createQueueIsolationActivities } from '../../activities/queue/isolation';
import { kindTaskQueue, LIFECYCLE_TASK_QUEUE, type ResourceKind } from '../../shared/resourcetype';
import type { LocalKindActivities } from '../../workflows/resource/steps';
import { watchBackends } from './backends';
import { readWorkerConfig, type WorkerConfig } from './config';
import type { WorkerRun } from './entry';
import { createKinds, isPostgres } from './kinds';
import { createIsolation } from './kinds/queue';
import { createNotificationPart } from './notification';
import { poolOf, poolTemplateOf } from './pools';
import { openWorkerProcess, upkeepActivities, type WorkerProcess } from './process';

const DIST = join(__dirname, '../..');
/** Each one holds a connection of the backend and waits there; more would only wait longer. */
const ACTIVITIES_A_KIND = 16;

type Kinds = ReadonlyMap<ResourceKind, KindBackend>;
type Metrics = ReturnType<typeof createUpkeepMetrics>;

/** Runs until `stop` is aborted; `onReady` is called once resources can be made. */
export async function runWorker(options: WorkerRun): Promise<void> {
  const config = readWorkerConfig(options.env);
  const workflowBundle = join(DIST, config.encryptsPayloads ? 'workflow-bundle-encrypted.js' : 'workflow-bundle.js');
  if (!existsSync(workflowBundle)) throw new Error('the workflow bundle is missing: run npm run build');
  const process = await openWorkerProcess(config, { name: 'worker', env: options.env, end: options.end, reachesServers: true });
  const shared = process.file.backends.filter(({ host }) => host === null);
  const kinds = createKinds({ dependencies: process.dependencies, backends: shared, host: null, secretOf: config.secretOf });
  const queues = shared.filter(({ kind }) => kind === 'queue');
  const isolation = createIsolation(
    { dependencies: process.dependencies, backends: queues, host: null, secretOf: config.secretOf },
    createCopyFence(process.pool),
  );
  const metrics = createUpkeepMetrics(process.registry);
  const notification = await createNotificationPart(process, config.environment, workflowBundle);
  const workers = [
    notification.worker,
    await createLifecycleWorker(process, { config, workflowBundle, kinds, metrics }),
    ...(await Promise.all([...kinds].map(([kind, backend]) => createKindWorker(process, { kind, backend, metrics, isolation })))),
  ];
  const running = process.run(workers, options.stop);
  const watch = await watchBackends({ pool: process.pool, logger: process.logger, kinds, configs: shared });
  await ensureSchedules(process.client, upkeepSettings(process, config.refillPools));
  process.logger.info('worker is ready', { namespace: config.temporalNamespace });
  notification.start();
  options.onReady();
  try {
    await running;
  } finally {
    watch.stop();
    await notification.close();
    await Promise.all([isolation, ...kinds.values()].map((backend) => backend.close()));
    await process.close();
  }
}

async function createLifecycleWorker(
  process: WorkerProcess,
  { config, workflowBundle, kinds, metrics }: { config: WorkerConfig; workflowBundle: string; kinds: Kinds; metrics: Metrics },
): Promise<Worker> {
  const { logger, pool, client, keyring } = process;
  const { installationId } = config;
  const platform = createPlatformActivities({
    pool,
    keyring,
    installationId,
    poolTemplateOf,
    logger,
    onClaimed: createPoolWaker(() => client),
    onWritten: createTransitionMetrics(process.registry),
  });
  const kindOf = (kind: ResourceKind): KindBackend => {
    const backend = kinds.get(kind);
    if (backend === undefined) throw new Error(`this worker has no ${kind}`);
    return backend;
  };
  const claimWarm = (request: ProvisionRequest, callOptions?: CallOptions) =>
    backendCall('claimWarm', request, () => kindOf(request.kind).claimWarm(request, callOptions));
  const local: LocalKindActivities = { claimWarmItem: (request) => claimWarm(request) };
  const reserve = createWarmReserve({
    reserve: async (request) => {
      const answer = await platform.reserve(request);
      const backend = answer.outcome === 'created' ? kinds.get(answer.row.kind) : undefined;
      if (answer.outcome === 'created' && backend !== undefined && isPostgres(backend)) backend.expectCredential(answer.row);
      return answer;
    },
    transition: platform.transition,
    claimWarm,
    onSlow: (error, { resourceId }) => logger.warn('a warm item was not claimed at once', { resource_id: resourceId, error }),
  });
  return await Worker.create({
    ...process.workerOptions,
    taskQueue: LIFECYCLE_TASK_QUEUE,
    workflowBundle: { codePath: workflowBundle },
    maxCachedWorkflows: config.maxCachedWorkflows,
    activities: {
      ...platform,
      reserve,
      ...createPoolPlanner({ pool, installationId }),
      ...createRowSweep({ pool, metrics, logger, client: () => client }),
      ...createQuotaReporter({ client: () => client, metrics, logger }),
      ...local,
    },
  });
}

function createKindWorker(
  process: WorkerProcess,
  { kind, backend, metrics, isolation }: { kind: ResourceKind; backend: KindBackend; metrics: Metrics; isolation: QueueIsolation },
): Promise<Worker> {
  const { pool, logger } = process;
  return Worker.create({
    ...process.workerOptions,
    taskQueue: kindTaskQueue(kind),
    maxConcurrentActivityTaskExecutions: ACTIVITIES_A_KIND,
    activities: {
      ...createKindActivities(backend),
      ...(kind === 'queue' ? createQueueIsolationActivities(isolation) : {}),
      ...(isPostgres(backend) ? createPoolFiller({ pool, poolMaker: backend, metrics, logger }) : {}),
      ...upkeepActivities(process, backend, metrics),
    },
  });
}

/** Also for what runs on hosts: their own workers do it, the schedules are everybody's. */
function upkeepSettings({ plans, file }: WorkerProcess, refillPools: boolean): Parameters<typeof ensureSchedules>[1] {
  return {
    backends: file.backends.map((backend) => ({
      name: backend.name,
      kind: backend.kind,
      hostName: backend.host,
      pool: poolOf(backend, plans),
    })),
    quota: plans.quota,
    sweepIntervalMs: plans.sweep.intervalMs,
    orphanMinimumAgeMs: plans.sweep.orphanMinimumAgeMs,
    refillPools,
  };
}
