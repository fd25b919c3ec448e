// Where a new resource goes: decided without I/O from what is known of the backends of its kind.
import type { QueueEngine } from '../../shared/resourcetype';

/** A backend as `reserve` reads it; what runs on a host has the host's state folded in. */
export interface Candidate {
  name: string;
  region: string;
  engine: string | null;
  hostName: string | null;
  capacity: number;
  /** Slots taken: rows that are not deleted or failed. */
  held: number;
  weight: number;
  drained: boolean;
  ready: boolean;
}

export interface Wanted {
  engine?: QueueEngine;
  /** Only there; absent = anywhere. */
  region?: string;
  /** So many slots must stay free; see reserve.ts. */
  headroom: number;
}

/** What a queue speaks when nobody says. */
const USUAL_ENGINE: QueueEngine = 'nats';

/** Ready, not drained, of some weight, and of the engine and region that were asked for; full ones included. */
export function eligible(candidates: readonly Candidate[], wanted: Omit<Wanted, 'headroom'>): Candidate[] {
  const open = candidates.filter(
    (candidate) =>
      candidate.ready && !candidate.drained && candidate.weight > 0 && (wanted.region === undefined || candidate.region === wanted.region),
  );
  if (wanted.engine !== undefined) return open.filter((candidate) => candidate.engine === wanted.engine);
  const usual = open.filter((candidate) => candidate.engine === null || candidate.engine === USUAL_ENGINE);
  return usual.length > 0 ? usual : open;
}

/**
 * Of those that are eligible and not full, the one with the largest share of free slots, by weight; so equal ones fill evenly and a new one
 * catches up. Null when none has more than `headroom` free slots.
 */
export function choosePlacement(candidates: readonly Candidate[], wanted: Wanted): Candidate | null {
  const heldOnHost = new Map<string, number>();
  for (const { hostName, held } of candidates) if (hostName !== null) heldOnHost.set(hostName, (heldOnHost.get(hostName) ?? 0) + held);
  const crowd = (candidate: Candidate) => (candidate.hostName === null ? 0 : (heldOnHost.get(candidate.hostName) ?? 0));
  const score = ({ capacity, held, weight }: Candidate) => ((capacity - held) / capacity) * weight;
  // A full NATS must not stand in the way of another engine that has room; one that has less than the headroom is not full yet.
  const withRoom = candidates.filter(({ capacity, held }) => capacity > held);
  const free = eligible(withRoom, wanted).filter(({ capacity, held }) => capacity - held > wanted.headroom);
  return free.sort((a, b) => score(b) - score(a) || crowd(a) - crowd(b) || (a.name < b.name ? -1 : 1))[0] ?? null;
}
