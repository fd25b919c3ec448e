// Tells waiters that a resource changed. Best effort and outside the transition's own transaction, since commits that
// NOTIFY queue up behind one lock; whoever waits also polls.
import type pg from 'pg';
import { RESOURCE_EVENTS_CHANNEL } from '../../shared/events';

/** Collects ids for one tick of the event loop and announces them in one statement. */
export function createNotifier(pool: pg.Pool): (resourceId: string) => void {
  let waiting = new Set<string>();
  const flush = () => {
    const ids = [...waiting];
    waiting = new Set();
    pool.query('SELECT pg_notify($1, id) FROM unnest($2::text[]) AS id', [RESOURCE_EVENTS_CHANNEL, ids]).catch(() => undefined);
  };
  return (resourceId) => {
    if (waiting.size === 0) setImmediate(flush);
    waiting.add(resourceId);
  };
}
