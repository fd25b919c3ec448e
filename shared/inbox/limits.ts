// How much an inbox may hold, from what its plan says.
import { PLAN_DEFAULTS } from '../plans/types';
import type { ResourceLimits } from '../resourcetype';
import type { InboxLimits } from './types';

const KIB = 1024;
const MIB = 1024 * KIB;
/** What the contract promises to take, and so the most that any plan has. */
export const LARGEST_BODY_BYTES = MIB;
/** Room for the largest body several times over, and an end to what the longest ring could come to. */
const LEAST_BYTES = 8 * MIB;
const MOST_BYTES = 256 * MIB;
/** Most webhooks are smaller. */
const BYTES_EACH = 16 * KIB;
const SHORTEST_RING = 100;
const LONGEST_RING = 100_000;

/** A plan that names no length has the shortest ring; one that names no bytes has some for each place in it. */
export function inboxLimits(limits: ResourceLimits): InboxLimits {
  const { requestsStored = SHORTEST_RING, ringMb } = limits;
  const maxRequests = requestsStored < 0 ? LONGEST_RING : Math.max(1, Math.floor(requestsStored));
  const byLength = Math.min(MOST_BYTES, Math.max(LEAST_BYTES, maxRequests * BYTES_EACH));
  // Less than the largest request would hold nothing.
  const maxBytes = ringMb === undefined || ringMb < 0 ? byLength : Math.max(2 * MIB, ringMb * MIB);
  const maxBodyBytes = Math.min(LARGEST_BODY_BYTES, (limits.bodyKb ?? PLAN_DEFAULTS.webhookBodyKb) * KIB);
  return { maxRequests, maxBytes, maxBodyBytes, maxBytesPerMinute: (limits.mbPerMinute ?? PLAN_DEFAULTS.webhookMbPerMinute) * MIB };
}
