// How much an inbox may hold, from what its plan says.
import type { ResourceLimits } from '../resourcetype';
import type { InboxLimits } from './types';

const MIB = 1024 * 1024;
/** Room for the largest body several times over, and an end to what the longest ring could come to. */
const LEAST_BYTES = 8 * MIB;
const MOST_BYTES = 256 * MIB;
/** Most webhooks are smaller. */
const BYTES_EACH = 16 * 1024;
const SHORTEST_RING = 100;
const LONGEST_RING = 100_000;

/** A plan that names no length has the shortest ring; one that names no bytes has some for each place in it. */
export function inboxLimits(limits: ResourceLimits): InboxLimits {
  const { requestsStored = SHORTEST_RING, storageMb } = limits;
  const maxRequests = requestsStored < 0 ? LONGEST_RING : Math.max(1, Math.floor(requestsStored));
  const byLength = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, maxRequests * BYTES_EACH));
  // Less than the largest request would hold nothing.
  const maxBytes = storageMb === undefined || storageMb < 0 ? byLength : Math.max(2 * MIB, storageMb * MIB);
  return { maxRequests, maxBytes };
}
