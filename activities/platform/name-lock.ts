// One name's lock for backends that have none of their own: a session advisory lock in the platform's database.
import { ApplicationFailure } from '@temporalio/common';
import type pg from 'pg';
import type { NameLock } from '../backend';

/** Sleeping through a stop of the whole process must not end in acting on what was true before it. */
const BEAT_MS = 5_000;

/**
 * @param pool one of its own: each holder and each waiter has a connection for as long as its work takes
 *
 * The lock is gone with its connection, so the signal is aborted as soon as that breaks.
 */
export function createNameLock(pool: pg.Pool): NameLock {
  return async (objectName, run) => {
    const client = await pool.connect();
    const lost = new AbortController();
    const onError = (error: Error) =>
      lost.abort(ApplicationFailure.retryable(`the lock of ${objectName} was lost: ${error.message}`, 'LockLost'));
    client.on('error', onError);
    let beat: NodeJS.Timeout | undefined;
    try {
      await client.query('SELECT pg_advisory_lock(hashtextextended($1, 0))', [`object/${objectName}`]);
      beat = setInterval(() => {
        client.query('SELECT 1').catch(onError);
      }, BEAT_MS);
      return await run(lost.signal);
    } finally {
      clearInterval(beat);
      const freed = await client.query('SELECT pg_advisory_unlock_all()').then(
        () => true,
        () => false,
      );
      client.off('error', onError);
      client.release(!freed);
    }
  };
}
