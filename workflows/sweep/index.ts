// The safety net: what is on a backend and nobody's, and what is somebody's and without a workflow. Run by a schedule.
import { ActivityFailure, isCancellation, log, proxyActivities } from '@temporalio/workflow';
import type { BackendSweep, RowSweep } from '../../activities/platform/sweep';
import { backendTaskQueue } from '../../shared/resourcetype';
import type { BackendReport, SweepInput, SweepReport } from './messages';

const ROW_MINIMUM_AGE_MS = 60_000;

const { restartLostWorkflows } = proxyActivities<RowSweep>({
  startToCloseTimeout: '10m',
  heartbeatTimeout: '10s',
  scheduleToCloseTimeout: '20m',
  retry: { initialInterval: '1s', maximumInterval: '30s' },
  priority: { priorityKey: 5 },
  summary: 'rows without a workflow',
});

function sweeperOf(backend: SweepInput['backends'][number]): BackendSweep {
  return proxyActivities<BackendSweep>({
    taskQueue: backendTaskQueue(backend),
    startToCloseTimeout: '2m',
    heartbeatTimeout: '10s',
    // A dead backend is the next sweep's business.
    scheduleToCloseTimeout: '4m',
    retry: { initialInterval: '1s', maximumInterval: '10s', maximumAttempts: 3 },
    priority: { priorityKey: 5 },
    summary: 'sweep',
  });
}

/** Null when it failed for good. One backend's fault is no other's. */
async function attempt<T>(what: string, work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
    log.warn(`sweep: ${what} failed`, { cause: error.cause?.message });
    return null;
  }
}

async function sweepBackend(backend: SweepInput['backends'][number], input: SweepInput): Promise<BackendReport> {
  const { name: backendName } = backend;
  const { orphanMinimumAgeMs } = input;
  const sweeper = sweeperOf(backend);
  const sighted = await attempt(
    `listing ${backendName}`,
    sweeper.sightOrphans({ backendName, orphanMinimumAgeMs, removeHeld: input.removeHeld ?? false }),
  );
  if (sighted === null) return { name: backendName, swept: false, listed: 0, orphans: 0, removed: 0, held: 0 };
  let removed = 0;
  // One after the other: nobody waits for it, and the tenants' server has better to do.
  for (const { objectName } of sighted.due) {
    const answer = await attempt(`removing ${objectName}`, sweeper.removeOrphan({ backendName, objectName, orphanMinimumAgeMs }));
    if (answer?.removed) removed += 1;
  }
  return { name: backendName, swept: true, listed: sighted.listed, orphans: sighted.orphans, removed, held: sighted.held };
}

export async function sweep(input: SweepInput): Promise<SweepReport> {
  const [rows, ...backends] = await Promise.all([
    attempt('looking for rows without a workflow', restartLostWorkflows({ minimumAgeMs: input.rowMinimumAgeMs ?? ROW_MINIMUM_AGE_MS })),
    ...input.backends.map((backend) => sweepBackend(backend, input)),
  ]);
  return { backends, rows };
}
