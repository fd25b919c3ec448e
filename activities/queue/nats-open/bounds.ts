// What each stream may hold in an account: there every stream says so, on an open server none had to.

export interface StreamBytes {
  name: string;
  /** -1 = not limited. */
  maxBytes: number;
  bytes: number;
}

const LEAST_ROOM_BYTES = 64 * 1024;
/** Where the plan has no figure either. */
const USUAL_ROOM_BYTES = 1024 * 1024 * 1024;

/** A stream with a bound keeps it; the others share what the plan leaves, and never get less than they hold. */
export function boundsFor(streams: readonly StreamBytes[], storageBytes: number): Map<string, number> {
  const unbounded = streams.filter(({ maxBytes }) => maxBytes < 0);
  const taken = streams.reduce((sum, { maxBytes, bytes }) => sum + Math.max(maxBytes, bytes), 0);
  const left = Math.max(0, storageBytes - taken);
  const share = storageBytes < 0 ? USUAL_ROOM_BYTES : Math.floor(left / Math.max(1, unbounded.length));
  const room = Math.max(share, LEAST_ROOM_BYTES);
  return new Map(streams.map(({ name, maxBytes, bytes }) => [name, maxBytes < 0 ? bytes + room : maxBytes]));
}
