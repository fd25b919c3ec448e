// How the resource workflow reaches the world: one proxy for each retry class, and the kind's own steps as a table.
import { ActivityCancellationType, ActivityFailure, ApplicationFailure, type Priority } from '@temporalio/common';
import { isCancellation, proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type {
  Backend,
  BackendRef,
  ConnectionDetails,
  DeprovisionRequest,
  ProvisionRequest,
  QueueIsolation,
} from '../../activities/backend';
import type { PlatformActivities } from '../../activities/platform/types';
import { backendTaskQueue, type ResourceKind, type ResourceRow } from '../../shared/resourcetype';
import type { Effect } from './commands';

/** What the lifecycle worker runs inside the workflow task, besides the bookkeeping. */
export interface LocalKindActivities {
  claimWarmItem(request: ProvisionRequest): Promise<void>;
}

const localBookkeeping = proxyLocalActivities<PlatformActivities>({
  startToCloseTimeout: '2s',
  scheduleToCloseTimeout: '5s',
  localRetryThreshold: '5s',
  retry: { initialInterval: '50ms', backoffCoefficient: 2, maximumInterval: '1s' },
});

/** No schedule-to-close timeout: a platform database that is away for a minute, or a day, fails nothing. */
const durableBookkeeping = proxyActivities<PlatformActivities>({
  startToCloseTimeout: '10s',
  retry: { initialInterval: '500ms', backoffCoefficient: 2, maximumInterval: '10s' },
});

const localKind = proxyLocalActivities<LocalKindActivities>({
  startToCloseTimeout: '500ms',
  scheduleToCloseTimeout: '500ms',
  retry: { maximumAttempts: 1 },
});

/** A local activity's own failure comes bare, a normal one's as the cause of an `ActivityFailure`. */
function isFinal(error: unknown): boolean {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  return isCancellation(error) || (cause instanceof ApplicationFailure && cause.nonRetryable === true);
}

/** Bookkeeping as a local activity, then the same one as a normal activity, without end. */
async function bookkeeping<T>(call: (activities: PlatformActivities) => Promise<T>): Promise<T> {
  try {
    return await call(localBookkeeping);
  } catch (error) {
    if (isFinal(error)) throw error;
    return await call(durableBookkeeping);
  }
}

export const reserve: PlatformActivities['reserve'] = (request) => bookkeeping((activities) => activities.reserve(request));
export const transition: PlatformActivities['transition'] = (request) => bookkeeping((activities) => activities.transition(request));
export const chooseIsolation: PlatformActivities['chooseIsolation'] = (request) =>
  bookkeeping((activities) => activities.chooseIsolation(request));
export const prepareCredential: PlatformActivities['prepareCredential'] = (request) =>
  bookkeeping((activities) => activities.prepareCredential(request));

const HEARTBEAT = { heartbeatTimeout: '10s', startToCloseTimeout: '2m' } as const;

/** The owner's fairness key goes with each call, since a claim changes the owner but not the workflow's own priority. */
export function fairnessKeyOf(row: Pick<ResourceRow, 'owner'>): string {
  return row.owner.type === 'team' ? row.owner.teamId : row.owner.fingerprint.slice(0, 64);
}

function priorityOf(row: ResourceRow, priorityKey: number): Priority {
  return { priorityKey, fairnessKey: fairnessKeyOf(row), fairnessWeight: row.policy.fairnessWeight };
}

function provisionActivities(row: ResourceRow): Backend {
  return proxyActivities<Backend>({
    ...HEARTBEAT,
    taskQueue: backendTaskQueue(row),
    scheduleToCloseTimeout: '10m',
    // The name's lock and the fence make a provision that is left behind harmless; nobody needs to wait for it.
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s' },
    priority: priorityOf(row, 2),
    summary: `provision ${row.kind}`,
  });
}

function effectActivities(row: ResourceRow, summary: string): Backend {
  return proxyActivities<Backend>({
    ...HEARTBEAT,
    taskQueue: backendTaskQueue(row),
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '10s' },
    priority: priorityOf(row, 2),
    summary,
  });
}

/** Writes are refused for as long as it lasts: what cannot be copied within this is given up, and they are taken again. */
function isolationActivities(row: ResourceRow): QueueIsolation {
  return proxyActivities<QueueIsolation>({
    heartbeatTimeout: '10s',
    startToCloseTimeout: '30m',
    scheduleToCloseTimeout: '45m',
    taskQueue: backendTaskQueue(row),
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry: { initialInterval: '250ms', backoffCoefficient: 2, maximumInterval: '10s' },
    priority: priorityOf(row, 2),
    summary: 'copy to an account of its own',
  });
}

/** Of a move that waits for a server that may be down: commands wait meanwhile, so it gives up soon and the caller tries again later. */
function fewTriesActivities(row: ResourceRow, summary: string): Backend {
  return proxyActivities<Backend>({
    ...HEARTBEAT,
    taskQueue: backendTaskQueue(row),
    cancellationType: ActivityCancellationType.TRY_CANCEL,
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumAttempts: 3 },
    priority: priorityOf(row, 3),
    summary,
  });
}

/** Gives up after a while only so that a person can be told; the caller tries again without end. */
function removalActivities(row: ResourceRow): Backend {
  return proxyActivities<Backend>({
    ...HEARTBEAT,
    taskQueue: backendTaskQueue(row),
    retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '30s', maximumAttempts: 8 },
    priority: priorityOf(row, 3),
    summary: `delete ${row.kind}`,
  });
}

export function refOf(row: ResourceRow): BackendRef {
  const { resourceId, kind, backendName, objectName, generation } = row;
  return { resourceId, kind, backendName, objectName, generation };
}

function requestOf(row: ResourceRow): ProvisionRequest {
  const { limits, options = {}, credentialVersion, retiring } = row;
  return { ...refOf(row), limits, options, credentialVersion, retiringVersion: retiring?.version ?? null };
}

/** One thing that provisioning makes, with what unmakes it. */
export interface ProvisionStep {
  run(row: ResourceRow): Promise<void>;
  compensate(row: ResourceRow): Promise<void>;
}

const backendObject: ProvisionStep = {
  async run(row) {
    const request = requestOf(row);
    // What is on a host only that host's worker can claim, and its provision finds the item as it is.
    if (row.fromPool && !row.hostName) {
      try {
        return await localKind.claimWarmItem(request);
      } catch (error) {
        // Slow, or the item is not what it should be: the full provision completes whatever is missing.
        if (isCancellation(error)) throw error;
      }
    }
    return await provisionActivities(row).provision(request);
  },
  async compensate(row) {
    const removal: DeprovisionRequest = {
      ...refOf(row),
      credentialVersion: row.credentialVersion,
      retiringVersion: row.retiring?.version ?? null,
    };
    await removalActivities(row).deprovision(removal);
    if (row.moving) await removalActivities(row).deprovision({ ...removal, backendName: row.moving.backendName });
  },
};

/** The steps of each kind, in order; they are undone newest first. */
const PROVISION_STEPS: Readonly<Record<ResourceKind, readonly ProvisionStep[]>> = {
  postgres: [backendObject],
  vector: [backendObject],
  redis: [backendObject],
  mongodb: [backendObject],
  queue: [backendObject],
  storage: [backendObject],
  webhook: [backendObject],
};

/** Runs the kind's steps. `made` holds each step before it is called, since one that timed out may have taken effect. */
export async function provision(row: ResourceRow, made: ProvisionStep[]): Promise<void> {
  for (const step of PROVISION_STEPS[row.kind]) {
    made.push(step);
    await step.run(row);
  }
}

/** Undoes everything the kind may have made, newest first; throws when a step would not go. */
export async function unmake(row: ResourceRow, steps: readonly ProvisionStep[] = PROVISION_STEPS[row.kind]): Promise<void> {
  for (const step of [...steps].reverse()) await step.compensate(row);
}

/**
 * One effect of a command on the backend; but for those of a move retried without end, so only cancellation or a final error ends it.
 * @returns what a copy recorded of its new place; nothing for the others
 */
export async function applyEffect(row: ResourceRow, effect: Effect): Promise<ConnectionDetails | undefined> {
  const activities = effectActivities(row, effect.type);
  const request = requestOf(row);
  switch (effect.type) {
    case 'cut':
      await activities.cut(request);
      return undefined;
    case 'restore':
      await activities.restore(request);
      return undefined;
    case 'rotate':
      await prepareCredential({ resourceId: row.resourceId, version: effect.version });
      await activities.rotate({ ...request, credentialVersion: effect.version, previousVersion: effect.previousVersion });
      return undefined;
    case 'retire':
      await activities.retireCredential({ ...request, retireVersion: effect.version });
      return undefined;
    case 'applyLimits':
      await activities.applyLimits(request);
      return undefined;
    case 'setReadOnly':
      await (effect.fewTries ? fewTriesActivities(row, effect.type) : activities).setReadOnly({ ...request, readOnly: effect.readOnly });
      return undefined;
    case 'copyToIsolated': {
      const version = row.credentialVersion + 1;
      await prepareCredential({ resourceId: row.resourceId, version });
      const { targetName } = effect;
      return isolationActivities(row).copyToIsolated({
        ...request,
        targetName,
        credentialVersion: version,
        isCut: row.pausedByOwner || row.suspendedReason !== null,
        isReadOnly: row.readOnlyByQuota,
      });
    }
    case 'removeFrom':
      await fewTriesActivities(row, effect.type).deprovision({ ...refOf(row), backendName: effect.backendName });
      return undefined;
  }
}
