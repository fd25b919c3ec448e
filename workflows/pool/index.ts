// Keeps a backend's warm pool full: one workflow per backend, so one creator at a time.
import {
  ActivityFailure,
  allHandlersFinished,
  condition,
  continueAsNew,
  isCancellation,
  log,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import type { PoolFiller, PoolPlanner, RefillStep } from '../../activities/platform/pool';
import { backendTaskQueue } from '../../shared/resourcetype';
import { configurePoolSignal, type RefillPoolInput, refillSignal } from './messages';
import { type Pace, pauseMs } from './pace';

/** At least an hour and a half of idling; far below the server's limit on history. */
const LOOKS_PER_RUN = 200;

const { planRefill } = proxyLocalActivities<PoolPlanner>({
  startToCloseTimeout: '2s',
  scheduleToCloseTimeout: '5s',
  retry: { initialInterval: '100ms', maximumInterval: '2s' },
});

function fillerOf(settings: RefillPoolInput): PoolFiller {
  return proxyActivities<PoolFiller>({
    taskQueue: backendTaskQueue(settings),
    startToCloseTimeout: '5m',
    heartbeatTimeout: '10s',
    scheduleToCloseTimeout: '10m',
    // The next look plans afresh from the rows, which beats repeating an old plan.
    retry: { maximumAttempts: 1 },
    summary: 'warm pool',
  });
}

function details(settings: RefillPoolInput, step: RefillStep): string {
  return `${step.ready} of ${settings.target} ready on ${settings.backendName}${settings.refill === false ? ', refill is off' : ''}`;
}

/** Null when it failed: then the next look plans afresh. */
async function attempt<T>(settings: RefillPoolInput, work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (isCancellation(error) || !(error instanceof ActivityFailure)) throw error;
    log.warn('the warm pool could not be kept up', { backendName: settings.backendName, cause: error.cause?.message });
    return null;
  }
}

/** How many items changed. Making comes first, and neither waits for the other's fault to go away. */
async function carryOut(settings: RefillPoolInput, step: RefillStep): Promise<number> {
  const { backendName } = settings;
  const filler = fillerOf(settings);
  let changed = 0;
  if (step.create.length > 0) {
    const answer = await attempt(settings, filler.createItems({ backendName, objectNames: step.create }));
    changed += answer?.made ?? 0;
  }
  if (step.destroy.length > 0) {
    const answer = await attempt(settings, filler.destroyItems({ backendName, objectNames: step.destroy }));
    changed += answer?.destroyed ?? 0;
  }
  return changed;
}

async function look(settings: RefillPoolInput): Promise<Pace> {
  const step = await attempt(settings, planRefill(settings));
  if (step === null) return 'waiting';
  setCurrentDetails(details(settings, step));
  if ((await carryOut(settings, step)) > 0) return 'worked';
  return step.full && step.destroy.length === 0 ? 'full' : 'waiting';
}

/** Lives as long as the platform; ends only when it is cancelled. */
export async function refillPool(input: RefillPoolInput): Promise<void> {
  let settings = input;
  let woken = false;
  setHandler(refillSignal, () => {
    woken = true;
  });
  setHandler(configurePoolSignal, (wanted) => {
    settings = wanted;
    woken = true;
  });
  let lastPauseMs = 0;
  for (let looks = 0; looks < LOOKS_PER_RUN && !workflowInfo().continueAsNewSuggested; looks += 1) {
    woken = false;
    const pace = await look(settings);
    lastPauseMs = pauseMs(pace, lastPauseMs);
    if (lastPauseMs > 0) await condition(() => woken, lastPauseMs, { summary: pace });
  }
  await condition(allHandlersFinished);
  await continueAsNew<typeof refillPool>(settings);
}
