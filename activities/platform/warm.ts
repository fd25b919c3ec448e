// The short way from nothing to active: reserve, claim the warm item and the transition in one local activity.
import { nextStatus } from '../../shared/resourcestatus';
import type { ResourceRow } from '../../shared/resourcetype';
import type { Backend, ProvisionRequest } from '../backend';
import type { PlatformActivities, ReserveRequest } from './types';

/** Longer than this, and the full provision on the kind's own queue takes over. */
const CLAIM_TIMEOUT_MS = 500;

export interface WarmReserveDependencies extends Pick<PlatformActivities, 'reserve' | 'transition'> {
  claimWarm: (request: ProvisionRequest, options: { signal: AbortSignal }) => ReturnType<Backend['claimWarm']>;
  onSlow: (error: unknown, row: ResourceRow) => void;
}

function requestOf(row: ResourceRow): ProvisionRequest {
  const { resourceId, kind, backendName, objectName, generation, limits, options = {}, credentialVersion } = row;
  return { resourceId, kind, backendName, objectName, generation, limits, options, credentialVersion, retiringVersion: null };
}

/**
 * As `reserve`; but where a warm item was claimed, its backend step and the transition to active follow at once, each as they would on
 * their own. Each local activity costs the workflow a pass through its sandbox, which is more than all of this takes. Whatever does not
 * succeed here is left as it is: the answer is then the row as reserved, and the workflow goes on from there as if nothing had been tried.
 */
export function createWarmReserve({ reserve, transition, claimWarm, onSlow }: WarmReserveDependencies): PlatformActivities['reserve'] {
  return async (request) => {
    const answer = await reserve(request);
    if (answer.outcome !== 'created' || !answer.row.fromPool || answer.row.hostName || answer.row.status !== 'pending') return answer;
    try {
      await withinLimit((signal) => claimWarm(requestOf(answer.row), { signal }));
      const row = activeRow(answer.row);
      if (row === null) return answer;
      const written = await transition({ ...transitionOf(request), row });
      return written.outcome === 'written' ? { outcome: 'created', row: written.row ?? row } : answer;
    } catch (error) {
      onSlow(error, answer.row);
      return answer;
    }
  };
}

function activeRow(row: ResourceRow): ResourceRow | null {
  const status = nextStatus(row.status, 'provisioned', row);
  return status === null ? null : { ...row, status, revision: row.revision + 1 };
}

function transitionOf({ spec, ownerRun, workflowStartedAtMs }: ReserveRequest) {
  return {
    ownerRun,
    event: { type: 'resource.active' as const, data: { from_pool: true } },
    actor: spec.actor,
    requestId: spec.requestId,
    commandId: null,
    atMs: workflowStartedAtMs,
  };
}

/** Ends with the limit even when the work does not: the name's lock keeps a straggler apart from who comes after. */
async function withinLimit(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const signal = AbortSignal.timeout(CLAIM_TIMEOUT_MS);
  const late = new Promise<never>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));
  await Promise.race([work(signal), late]);
}
