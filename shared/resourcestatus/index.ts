// The resource's state machine as data, and the one function that applies it (design section 3).

export const RESOURCE_STATUSES = [
  'pending',
  'active',
  'paused',
  'suspended',
  'expired',
  'deleting',
  'delete_failed',
  'deleted',
  'failed',
] as const;
export type ResourceStatus = (typeof RESOURCE_STATUSES)[number];

export const RESOURCE_EVENTS = [
  'provisioned',
  'provision_failed',
  'paused',
  'resumed',
  'suspended',
  'unsuspended',
  'expired',
  'extended_in_grace',
  'delete_started',
  'delete_stalled',
  'deleted',
] as const;
export type StatusEvent = (typeof RESOURCE_EVENTS)[number];

/** Pause and suspension are separate facts: lifting a suspension restores a pause. */
export interface AccessFacts {
  pausedByOwner: boolean;
  suspendedReason: string | null;
}

export type LiveStatus = 'active' | 'paused' | 'suspended';

export function statusFromFacts(facts: AccessFacts): LiveStatus {
  if (facts.suspendedReason !== null) return 'suspended';
  return facts.pausedByOwner ? 'paused' : 'active';
}

/** `from` lists where the event is allowed; `to` is null where the two facts decide. */
interface Transition {
  from: readonly ResourceStatus[];
  to: ResourceStatus | null;
}

const LIVE: readonly ResourceStatus[] = ['active', 'paused', 'suspended'];

export const TRANSITIONS: Readonly<Record<StatusEvent, Transition>> = {
  provisioned: { from: ['pending'], to: null },
  provision_failed: { from: ['pending'], to: 'failed' },
  paused: { from: ['active', 'suspended'], to: null },
  resumed: { from: ['paused', 'suspended'], to: null },
  suspended: { from: LIVE, to: null },
  unsuspended: { from: ['suspended'], to: null },
  expired: { from: LIVE, to: 'expired' },
  extended_in_grace: { from: ['expired'], to: null },
  delete_started: { from: ['pending', ...LIVE, 'expired', 'delete_failed'], to: 'deleting' },
  delete_stalled: { from: ['deleting'], to: 'delete_failed' },
  deleted: { from: ['deleting'], to: 'deleted' },
};

/**
 * The status after `event`, or null when the event is not allowed there.
 * `facts` are the two facts as they stand after the event.
 */
export function nextStatus(status: ResourceStatus, event: StatusEvent, facts: AccessFacts): ResourceStatus | null {
  const transition = TRANSITIONS[event];
  if (!transition.from.includes(status)) return null;
  return transition.to ?? statusFromFacts(facts);
}

/** Only these two free the resource's slot. */
export function isTerminal(status: ResourceStatus): status is 'deleted' | 'failed' {
  return status === 'deleted' || status === 'failed';
}

export function isLive(status: ResourceStatus): status is LiveStatus {
  return LIVE.includes(status);
}

/** Gone or going, as a caller sees it: 410 `resource_inactive`. */
export function isInactive(status: ResourceStatus): boolean {
  return isTerminal(status) || status === 'deleting' || status === 'delete_failed' || status === 'expired';
}
