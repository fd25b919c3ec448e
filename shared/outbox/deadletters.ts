// Events that the broker refused for good: an operator looks at them, mends what was wrong, and sends them again.
import type pg from 'pg';

export interface DeadLetter {
  id: string;
  resourceId: string;
  revision: number;
  type: string;
  attempts: number;
  lastError: string | null;
  recordedAt: Date;
  deadLetteredAt: Date;
  /** Later events of the same resource, which wait behind it. */
  waitingBehind: number;
}

/** Oldest first. */
export async function listDeadLetters(pool: pg.Pool, limit: number): Promise<DeadLetter[]> {
  const { rows } = await pool.query<DeadLetter>(
    `SELECT dead.id, dead.resource_id AS "resourceId", dead.revision, dead.type, dead.attempts, dead.last_error AS "lastError",
            dead.created_at AS "recordedAt", dead.dead_lettered_at AS "deadLetteredAt",
            (SELECT count(*) FROM outbox_events later
              WHERE later.resource_id = dead.resource_id AND later.revision > dead.revision AND later.published_at IS NULL) AS "waitingBehind"
       FROM outbox_events dead WHERE dead.dead_lettered_at IS NOT NULL AND dead.published_at IS NULL
      ORDER BY dead.dead_lettered_at, dead.id LIMIT $1`,
    [limit],
  );
  return rows;
}

/** It is tried again as if it were new. Null when no event of that id is dead-lettered. */
export async function replayDeadLetter(pool: pg.Pool, id: string): Promise<{ resourceId: string } | null> {
  const { rows } = await pool.query<{ resourceId: string }>(
    `UPDATE outbox_events SET dead_lettered_at = NULL, attempts = 0, next_attempt_at = now()
      WHERE id = $1 AND dead_lettered_at IS NOT NULL AND published_at IS NULL RETURNING resource_id AS "resourceId"`,
    [id],
  );
  return rows[0] ?? null;
}
