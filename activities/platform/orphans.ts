// Whose an object on a backend is, decided without I/O from what the platform's database knows of its name.
import { isTerminal, type ResourceStatus } from '../../shared/resourcestatus';
import type { PoolItemState } from './pool-plan';

/** What is known of a name. It is unique over all backends, so where it lies makes no difference. */
export interface NameFacts {
  objectName: string;
  resourceStatus: ResourceStatus | null;
  poolState: PoolItemState | null;
  retired: boolean;
}

/** `unknown` is the only one that could also mean that the platform's database has forgotten something. */
export type OrphanReason = 'terminal' | 'retired' | 'unknown';

/** Why the object is nobody's, or null when it is somebody's. In doubt it is somebody's. */
export function orphanReason(facts: Omit<NameFacts, 'objectName'>): OrphanReason | null {
  if (facts.resourceStatus !== null && !isTerminal(facts.resourceStatus)) return null;
  // An unclaimed item is the pool's; a claimed one is its resource's, and the pool's where there is no such resource.
  if (facts.poolState !== null && (facts.poolState !== 'claimed' || facts.resourceStatus === null)) return null;
  if (facts.resourceStatus !== null) return 'terminal';
  return facts.retired ? 'retired' : 'unknown';
}

export interface SightedOrphan {
  objectName: string;
  reason: OrphanReason;
  /** An orphan in an earlier sweep too, long enough ago. */
  overdue: boolean;
}

export interface RemovalPlan {
  due: { objectName: string; reason: OrphanReason }[];
  /** Left alone although overdue. */
  held: number;
}

const REMOVALS_PER_SWEEP = 100;
/** So many unknown names may always go. */
const UNKNOWN_ALLOWANCE = 10;

/**
 * What to remove now. When more than half of a backend is unknown, the likely cause is not a leak but a platform
 * database that was restored from an older backup: those are held until an operator says otherwise.
 */
export function planRemovals(request: { listed: number; orphans: SightedOrphan[]; removeHeld: boolean }): RemovalPlan {
  const unknown = request.orphans.filter((orphan) => orphan.reason === 'unknown').length;
  const holding = !request.removeHeld && unknown > Math.max(UNKNOWN_ALLOWANCE, request.listed / 2);
  const overdue = request.orphans.filter((orphan) => orphan.overdue);
  const removable = overdue.filter((orphan) => !(holding && orphan.reason === 'unknown'));
  return {
    due: removable.slice(0, REMOVALS_PER_SWEEP).map(({ objectName, reason }) => ({ objectName, reason })),
    held: overdue.length - removable.length,
  };
}
