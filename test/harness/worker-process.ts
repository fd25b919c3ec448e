// Run as `node --import tsx worker-process.ts`, with an IPC channel: the workers in a process of their own, which the test kills. Each
// resource may have a point in its life from which on none of its activity calls answers, as if the process had died right there.
import { createPool } from '../../shared/db';
import { openDurableBackend } from './durable-backend';
import { type Activities, createLifecycle } from './lifecycle';

export interface CrashPoint {
  /** The index of the activity call of this resource, from 0. */
  call: number;
  /** Before it does anything, or after it took effect and before anybody is told. */
  side: 'before' | 'after';
}

export interface WorkerProcessOptions {
  address: string;
  namespace: string;
  appUrl: string;
  ownerUrl: string;
  installationId: string;
}

export type ToWorkerProcess = { resourceId: string; crash: CrashPoint };
export type FromWorkerProcess =
  | { type: 'ready' }
  | { type: 'call'; resourceId: string; name: string }
  | { type: 'reached'; resourceId: string };

type AnyActivity = (argument: ActivityArgument) => Promise<unknown>;
interface ActivityArgument {
  resourceId?: string;
  spec?: { resourceId: string };
  row?: { resourceId: string };
  event?: { type: string };
}

/** Wraps every activity there is, so that no boundary can be forgotten. */
function crashingAt(activities: Activities, points: Map<string, CrashPoint>, tell: (message: FromWorkerProcess) => void): Activities {
  const made = new Map<string, string[]>();
  const stuck = new Set<string>();
  const wrapped: Record<string, AnyActivity> = {};
  for (const [name, activity] of Object.entries(activities as unknown as Record<string, AnyActivity>)) {
    wrapped[name] = async (argument) => {
      const resourceId = argument.resourceId ?? argument.spec?.resourceId ?? argument.row?.resourceId ?? '';
      const called = argument.event === undefined ? name : `${name} ${argument.event.type}`;
      const calls = made.get(resourceId) ?? [];
      made.set(resourceId, calls);
      // A call that took a busy machine longer than its limit comes again, and is the same call: a life makes each of them once.
      if (!calls.includes(called)) {
        calls.push(called);
        tell({ type: 'call', resourceId, name: called });
      }
      const call = calls.indexOf(called);
      const point = points.get(resourceId);
      const never = () => {
        stuck.add(resourceId);
        tell({ type: 'reached', resourceId });
        return new Promise<never>(() => undefined);
      };
      if (stuck.has(resourceId)) return await never();
      if (point !== undefined && (call > point.call || (call === point.call && point.side === 'before'))) return await never();
      const answer = await activity(argument);
      return call === point?.call ? await never() : answer;
    };
  }
  return wrapped as unknown as Activities;
}

async function main(options: WorkerProcessOptions): Promise<void> {
  const pool = createPool({ url: options.appUrl, applicationName: 'crash', max: 10 });
  const { backend } = openDurableBackend(options.ownerUrl);
  const database = { pool, installationId: options.installationId };
  const lifecycle = await createLifecycle({ database, backend, namespace: options.namespace, address: options.address });
  const points = new Map<string, CrashPoint>();
  process.on('message', ({ resourceId, crash }: ToWorkerProcess) => points.set(resourceId, crash));
  const tell = (message: FromWorkerProcess) => process.send?.(message);
  // What never answers keeps its slot, and so do its repeats: they must not keep the others from their crash points.
  const slots = 1_000;
  await lifecycle.startWorkers({
    wrap: (activities) => crashingAt(activities, points, tell),
    maxConcurrentWorkflowTaskExecutions: slots,
    maxConcurrentActivityTaskExecutions: slots,
    maxConcurrentLocalActivityExecutions: slots,
  });
  tell({ type: 'ready' });
}

if (require.main === module) {
  main(JSON.parse(process.env.LEASEHOLD_TEST_WORKER ?? '{}') as WorkerProcessOptions).catch((error) => {
    console.error(error);
    process.exit(1);
  });
}
