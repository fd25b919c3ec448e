// The outbox as a queue: which rows may be published next, and what becomes of them. One resource's rows go in order.
import type pg from 'pg';

export interface OutboxRow {
  /** The event's id, and the broker's message id. */
  id: string;
  resourceId: string;
  revision: number;
  type: string;
  payload: Record<string, unknown>;
  /** With this one. */
  attempts: number;
  traceparent: string | null;
  createdAt: Date;
}

export interface OutboxLag {
  waiting: number;
  deadLettered: number;
  /** Of what waits for its turn; a dead-lettered row waits for a person. */
  oldestSeconds: number;
}

/**
 * Takes up to `limit` rows for `leaseMs`, each the earliest unpublished one of its resource: a dead-lettered row holds
 * back its own resource only. Safe with several relays at once.
 */
export async function takeOutboxRows(pool: pg.Pool, options: { limit: number; leaseMs: number }): Promise<OutboxRow[]> {
  const { rows } = await pool.query<OutboxRow>({
    name: 'outbox-take',
    text: `UPDATE outbox_events SET attempts = attempts + 1, next_attempt_at = now() + $2 * interval '1 millisecond'
      WHERE id IN (
        SELECT o.id FROM outbox_events o
         WHERE o.published_at IS NULL AND o.dead_lettered_at IS NULL AND o.next_attempt_at <= now()
           AND NOT EXISTS (SELECT 1 FROM outbox_events earlier
                            WHERE earlier.resource_id = o.resource_id AND earlier.revision < o.revision AND earlier.published_at IS NULL)
         ORDER BY o.recorded_xid, o.id LIMIT $1 FOR UPDATE SKIP LOCKED)
        AND published_at IS NULL AND next_attempt_at <= now()
      RETURNING id, resource_id AS "resourceId", revision, type, payload, attempts, traceparent, created_at AS "createdAt"`,
    values: [options.limit, options.leaseMs],
  });
  return rows;
}

export async function markPublished(pool: pg.Pool, ids: readonly string[]): Promise<void> {
  await pool.query('UPDATE outbox_events SET published_at = now(), last_error = NULL WHERE id = ANY ($1) AND published_at IS NULL', [ids]);
}

/** Not the rows' fault: they are to be tried again soon, and this attempt does not count. */
export async function releaseOutboxRows(pool: pg.Pool, ids: readonly string[], error: string): Promise<void> {
  await pool.query(
    `UPDATE outbox_events SET attempts = greatest(attempts - 1, 0), next_attempt_at = now(), last_error = $2
      WHERE id = ANY ($1) AND published_at IS NULL`,
    [ids, error],
  );
}

/** Backs off, and gives up for a person to look after `maximumAttempts`. True when it gave up. */
export async function markFailed(
  pool: pg.Pool,
  row: Pick<OutboxRow, 'id' | 'attempts'>,
  options: { error: string; maximumAttempts: number },
): Promise<boolean> {
  const dead = row.attempts >= options.maximumAttempts;
  await pool.query(
    `UPDATE outbox_events SET last_error = $2, next_attempt_at = now() + $3 * interval '1 millisecond', dead_lettered_at = CASE WHEN $4 THEN now() END
      WHERE id = $1 AND published_at IS NULL`,
    [row.id, options.error, backoffMs(row.attempts), dead],
  );
  return dead;
}

const FIRST_BACKOFF_MS = 250;
const LONGEST_BACKOFF_MS = 60_000;

/** Doubles from a quarter of a second to a minute. */
export function backoffMs(attempts: number): number {
  return Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.max(0, attempts - 1));
}

export async function outboxLag(pool: pg.Pool): Promise<OutboxLag> {
  const { rows } = await pool.query<OutboxLag>(
    `SELECT count(*) FILTER (WHERE dead_lettered_at IS NULL) AS waiting, count(dead_lettered_at) AS "deadLettered",
            coalesce(extract(epoch FROM now() - min(created_at) FILTER (WHERE dead_lettered_at IS NULL)), 0)::float8 AS "oldestSeconds"
       FROM outbox_events WHERE published_at IS NULL`,
  );
  return rows[0] ?? { waiting: 0, deadLettered: 0, oldestSeconds: 0 };
}

/** So many at once: a long statement would hold up the relay. */
const PRUNE_BATCH = 2_000;

/**
 * Deletes what was published longer ago than `retentionMs`. `unpublishedToo`: where nothing is ever published, what was recorded
 * longer ago. Answers how many; ask again while it is not zero. The events themselves stay in `resource_events`.
 */
export async function pruneOutbox(pool: pg.Pool, options: { retentionMs: number; unpublishedToo: boolean }): Promise<number> {
  const old = options.unpublishedToo ? 'created_at' : 'published_at';
  const { rowCount } = await pool.query(
    `DELETE FROM outbox_events WHERE id IN (
       SELECT id FROM outbox_events WHERE ${old} < now() - $1 * interval '1 millisecond' ORDER BY ${old} LIMIT $2 FOR UPDATE SKIP LOCKED)`,
    [options.retentionMs, PRUNE_BATCH],
  );
  return rowCount ?? 0;
}
