// What must be running beside the resources: the sweep's and the meter's schedules, and a pool workflow per backend.
import { type Client, ScheduleAlreadyRunning, type ScheduleOptions, ScheduleOverlapPolicy } from '@temporalio/client';
import { LIFECYCLE_TASK_QUEUE } from '../../shared/resourcetype';
import { configurePoolSignal, POOL_WORKFLOW_TYPE, poolWorkflowId, type RefillPoolInput } from '../../workflows/pool/messages';
import { SWEEP_SCHEDULE_ID, SWEEP_WORKFLOW_TYPE, type SweepInput } from '../../workflows/sweep/messages';
import { type MeasureUsageInput, USAGE_SCHEDULE_ID, USAGE_WORKFLOW_TYPE } from '../../workflows/usage/messages';
import type { QuotaThresholds } from './quota';
import type { BackendAddress } from './upkeep';

export interface UpkeepBackend extends BackendAddress {
  /** The host that its objects are on. Default null. */
  hostName?: string | null;
  /** Null where the kind has no warm pool. */
  pool: { template: string; target: number } | null;
}

export interface UpkeepSettings {
  backends: UpkeepBackend[];
  quota: QuotaThresholds & { measureIntervalMs: number };
  /** Default 5 min. */
  sweepIntervalMs?: number;
  /** Between the two sweeps that must agree on an orphan. Default 10 min. */
  orphanMinimumAgeMs?: number;
  /** False = pools make nothing (benchmarks). Default true. */
  refillPools?: boolean;
  /** Where the three workflows run. Default `lifecycle`. */
  taskQueue?: string;
}

const DEFAULT_SWEEP_INTERVAL_MS = 5 * 60_000;
const DEFAULT_ORPHAN_MINIMUM_AGE_MS = 10 * 60_000;
const UPDATE_ATTEMPTS = 3;

interface Recurring {
  scheduleId: string;
  workflowType: string;
  everyMs: number;
  note: string;
  argument: SweepInput | MeasureUsageInput;
}

function recurringOf(settings: UpkeepSettings): Recurring[] {
  const backends = settings.backends.map(({ name, kind, hostName = null }) => ({ name, kind, hostName }));
  const { measureIntervalMs, readOnlyAtPercent, suspendAtPercent, liftBelowPercent } = settings.quota;
  return [
    {
      scheduleId: SWEEP_SCHEDULE_ID,
      workflowType: SWEEP_WORKFLOW_TYPE,
      everyMs: settings.sweepIntervalMs ?? DEFAULT_SWEEP_INTERVAL_MS,
      note: 'Removes what nobody owns and looks after rows without a workflow.',
      argument: { backends, orphanMinimumAgeMs: settings.orphanMinimumAgeMs ?? DEFAULT_ORPHAN_MINIMUM_AGE_MS },
    },
    {
      scheduleId: USAGE_SCHEDULE_ID,
      workflowType: USAGE_WORKFLOW_TYPE,
      everyMs: measureIntervalMs,
      note: 'Measures stored bytes and enforces the storage limits.',
      argument: { backends, thresholds: { readOnlyAtPercent, suspendAtPercent, liftBelowPercent } },
    },
  ];
}

function scheduleOf(recurring: Recurring, taskQueue: string) {
  return {
    scheduleId: recurring.scheduleId,
    spec: { intervals: [{ every: recurring.everyMs }] },
    // What was missed while everything was down need not be made up for.
    policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: '1m' },
    action: {
      type: 'startWorkflow',
      workflowType: recurring.workflowType,
      workflowId: recurring.scheduleId,
      taskQueue,
      args: [recurring.argument],
    },
    state: { note: recurring.note },
  } satisfies ScheduleOptions;
}

/** Creates the schedule or brings it up to date; that it is paused is an operator's will and stays. */
async function ensureSchedule(client: Client, recurring: Recurring, taskQueue: string): Promise<void> {
  const schedule = scheduleOf(recurring, taskQueue);
  try {
    await client.schedule.create(schedule);
  } catch (error) {
    if (!(error instanceof ScheduleAlreadyRunning)) throw error;
    await updateSchedule(client, schedule);
  }
}

async function updateSchedule(client: Client, schedule: ReturnType<typeof scheduleOf>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const { spec, policies, action } = schedule;
      await client.schedule.getHandle(schedule.scheduleId).update((before) => ({ spec, policies, action, state: before.state }));
      return;
    } catch (error) {
      // Another worker that starts at the same time may have been quicker; it wrote the same.
      if (attempt === UPDATE_ATTEMPTS) throw error;
    }
  }
}

/** Starts the pool's workflow, or gives the one that runs its new settings. */
async function ensurePool(client: Client, input: RefillPoolInput, taskQueue: string): Promise<void> {
  await client.workflow.signalWithStart(POOL_WORKFLOW_TYPE, {
    workflowId: poolWorkflowId(input.backendName),
    taskQueue,
    args: [input],
    signal: configurePoolSignal,
    signalArgs: [input],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    workflowIdConflictPolicy: 'USE_EXISTING',
    staticSummary: `warm pool of ${input.backendName}`,
    priority: { priorityKey: 4 },
  });
}

/** Idempotent, and safe when several workers start at once. Called at each worker's start. */
export async function ensureSchedules(client: Client, settings: UpkeepSettings): Promise<void> {
  const taskQueue = settings.taskQueue ?? LIFECYCLE_TASK_QUEUE;
  const refill = settings.refillPools ?? true;
  await Promise.all([
    ...recurringOf(settings).map((recurring) => ensureSchedule(client, recurring, taskQueue)),
    ...settings.backends.flatMap(({ name, kind, hostName, pool }) =>
      pool === null ? [] : [ensurePool(client, { backendName: name, kind, hostName, ...pool, refill }, taskQueue)],
    ),
  ]);
}
