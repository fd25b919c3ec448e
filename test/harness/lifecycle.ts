// A lifecycle worker over the real bookkeeping and a backend of the test's choice, in a Temporal namespace of its own.
import { randomUUID } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { Client, Connection, WithStartWorkflowOperation, type WorkflowHandle } from '@temporalio/client';
import type { DataConverter } from '@temporalio/common';
import { DefaultLogger, NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import type { Backend } from '../../activities/backend';
import { HEARTBEAT_INTERVAL_MS } from '../../activities/heartbeat';
import { createPlatformActivities } from '../../activities/platform';
import type { PlatformActivities } from '../../activities/platform/types';
import { Keyring } from '../../shared/crypto';
import type { ResourceSpec } from '../../shared/resourcetype';
import { kindTaskQueue, LIFECYCLE_TASK_QUEUE } from '../../shared/resourcetype';
import { ensureNamespace } from '../../stack';
import { READY_UPDATE_ID, type ReadyAnswer, readyUpdate, resourceWorkflowId } from '../../workflows/resource/messages';
import type { LocalKindActivities } from '../../workflows/resource/steps';
import type { TestDatabase } from './database';
import { temporalAddress, workflowBundlePath } from './servers';

export const HOUR_MS = 3_600_000;
export const TEST_KEYRING = 'k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=';

export type Activities = PlatformActivities & Backend & LocalKindActivities;

export interface Lifecycle {
  client: Client;
  namespace: string;
  keyring: Keyring;
  /** Starts (or restarts) the workers; `activities` may wrap the real ones. */
  startWorkers: (options?: { wrap?: (activities: Activities) => Activities } & Partial<WorkerOptions>) => Promise<RunningWorkers>;
  close: () => Promise<void>;
}

export interface RunningWorkers {
  stop: () => Promise<void>;
}

let runtimeInstalled = false;

export async function createLifecycle(options: {
  database: Pick<TestDatabase, 'pool' | 'installationId'>;
  backend: Backend;
  namespace?: string;
  /** A Temporal server of the test's own. */
  address?: string;
  /** Encrypts what Temporal stores. */
  dataConverter?: DataConverter;
}): Promise<Lifecycle> {
  if (!runtimeInstalled) Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
  runtimeInstalled = true;
  const address = options.address ?? temporalAddress();
  const namespace = options.namespace ?? `test-${randomUUID()}`;
  await ensureNamespace({ address, namespace });
  const connection = await Connection.connect({ address });
  const native = await NativeConnection.connect({ address });
  const { dataConverter } = options;
  const client = new Client({ connection, namespace, dataConverter });
  const keyring = Keyring.parse(TEST_KEYRING);
  const { backend, database } = options;
  const platform = createPlatformActivities({
    pool: database.pool,
    keyring,
    installationId: database.installationId,
    poolTemplateOf: () => 'template0',
  });
  const all: Activities = { ...platform, ...bind(backend), claimWarmItem: (request) => backend.claimWarm(request) };
  const running = new Set<RunningWorkers>();

  const startWorkers: Lifecycle['startWorkers'] = async ({ wrap, ...workerOptions } = {}) => {
    const activities = wrap?.(all) ?? all;
    const common = {
      connection: native,
      namespace,
      dataConverter,
      shutdownGraceTime: '2s',
      stickyQueueScheduleToStartTimeout: '1s',
      ...workerOptions,
    } as const;
    const lifecycle = await Worker.create({
      ...common,
      taskQueue: LIFECYCLE_TASK_QUEUE,
      workflowBundle: workerOptions.workflowBundle ?? { codePath: workflowBundlePath() },
      maxCachedWorkflows: 200,
      activities,
    });
    const kind = await Worker.create({ ...common, taskQueue: kindTaskQueue('postgres'), activities });
    const runs = [lifecycle.run(), kind.run()];
    const workers: RunningWorkers = {
      stop: async () => {
        running.delete(workers);
        for (const worker of [lifecycle, kind]) if (worker.getState() === 'RUNNING') worker.shutdown();
        await Promise.all(runs);
      },
    };
    running.add(workers);
    return workers;
  };

  const close = async () => {
    for (const workers of running) await workers.stop();
    await connection.close();
    await native.close();
  };
  return { client, namespace, keyring, startWorkers, close };
}

function bind(backend: Backend): Backend {
  return {
    provision: (request) => beating(backend.provision(request)),
    claimWarm: (request) => beating(backend.claimWarm(request)),
    deprovision: (ref) => beating(backend.deprovision(ref)),
    cut: (ref) => beating(backend.cut(ref)),
    restore: (ref) => beating(backend.restore(ref)),
    rotate: (request) => beating(backend.rotate(request)),
    retireCredential: (request) => beating(backend.retireCredential(request)),
    setReadOnly: (request) => beating(backend.setReadOnly(request)),
    applyLimits: (request) => beating(backend.applyLimits(request)),
  };
}

/** As the product's own do it: what takes long, or is held by a test, is not called a second time. */
async function beating(work: Promise<void>): Promise<void> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(), HEARTBEAT_INTERVAL_MS);
  try {
    await work;
  } finally {
    clearInterval(beat);
  }
}

/** A day's lease of a Postgres database for an anonymous caller, but for what the test changes. */
export function testSpec(changes: Partial<ResourceSpec> = {}): ResourceSpec {
  return {
    resourceId: randomUUID(),
    kind: 'postgres',
    name: 'orders',
    env: 'development',
    owner: { type: 'anonymous', fingerprint: 'f'.repeat(64), addressHash: 'a'.repeat(64) },
    policy: {
      tier: 'anonymous',
      ttlMs: 24 * HOUR_MS,
      maxTtlMs: 72 * HOUR_MS,
      minimumTtlMs: 10_000,
      rungsMs: [6 * HOUR_MS, 2 * HOUR_MS, HOUR_MS],
      graceMs: 0,
      rotationGraceMs: HOUR_MS,
      fairnessWeight: 1,
    },
    limits: { storageMb: 10, connections: 2 },
    quota: { kindCount: -1, provisionsPerDay: -1 },
    ttlMs: 24 * HOUR_MS,
    labels: {},
    parentResourceId: null,
    notifyWebhook: null,
    generation: 1,
    actor: { type: 'anonymous', id: 'f'.repeat(64) },
    requestId: 'test-request',
    ...changes,
  };
}

/** As the api does it: start or attach, and wait until it is ready. */
export async function startResource(
  client: Client,
  spec: ResourceSpec,
): Promise<{ answer: ReadyAnswer; handle: WorkflowHandle; workflowId: string }> {
  const workflowId = resourceWorkflowId(spec.resourceId);
  const startWorkflowOperation = new WithStartWorkflowOperation('resource', {
    workflowId,
    taskQueue: LIFECYCLE_TASK_QUEUE,
    args: [{ spec }],
    workflowIdConflictPolicy: 'USE_EXISTING',
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
  });
  const answer = await client.workflow.executeUpdateWithStart(readyUpdate, { startWorkflowOperation, updateId: READY_UPDATE_ID });
  return { answer, handle: client.workflow.getHandle(workflowId), workflowId };
}
