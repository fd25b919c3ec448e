// Ending connections until none is left that was there before.
import { setTimeout as sleep } from 'node:timers/promises';
import { ProviderUnavailable } from '../../errors';
import type { RabbitmqManagement } from './management';

const LOOK_MS = 40;
const QUIET_LOOKS = 3;
const MAX_LOOKS = 200;
/** A connection that ends by itself in that moment makes the server fail the whole call. */
const MAX_FAILURES = 5;

export interface Closing {
  signal?: AbortSignal;
  /** New ones are let in all the while, with the rights that hold now: a client that connects again at once would be waited for without end. */
  letsNewOnesBe?: boolean;
}

/**
 * Call it once the server lets no further one in, or none with the old rights. One that was let in just before is counted a moment later: so
 * it looks until nothing new was seen three times in a row, or takes for new whatever comes after three looks. A connection that was closed is
 * counted until its client has hung up, which one that means ill puts off; it has no channel any more.
 */
export async function closeConnections(
  management: RabbitmqManagement,
  users: readonly string[],
  { signal, letsNewOnesBe = false }: Closing = {},
): Promise<void> {
  const toEnd = new Set<string>();
  const closed = new Set<string>();
  let quietLooks = 0;
  let failures = 0;
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const seen = await Promise.all(users.map(async (user) => ({ user, names: await management.connectionsOf(user, signal) })));
    if (!letsNewOnesBe || look < QUIET_LOOKS) for (const name of seen.flatMap(({ names }) => names)) toEnd.add(name);
    const open = seen.filter(({ names }) => names.some((name) => toEnd.has(name) && !closed.has(name)));
    const ended = await Promise.allSettled(open.map(({ user }) => management.closeConnectionsOf(user, signal)));
    for (const [index, { names }] of open.entries()) {
      const result = ended[index];
      if (result?.status === 'fulfilled') for (const name of names) closed.add(name);
      else if (++failures > MAX_FAILURES) throw result?.reason;
    }
    quietLooks = open.length === 0 ? quietLooks + 1 : 0;
    if (quietLooks === QUIET_LOOKS) return;
    await sleep(LOOK_MS, undefined, { signal });
  }
  throw new ProviderUnavailable('connections do not end');
}
