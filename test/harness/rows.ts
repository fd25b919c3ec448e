// Reads what the platform wrote, for assertions.
import { RESOURCE_COLUMNS, type ResourceRecord } from '../../shared/db';
import type { TestDatabase } from './database';

export interface StoredEvent {
  type: string;
  status: string;
  revision: number;
  data: Record<string, string | number | boolean | null>;
  actor_type: string;
  request_id: string | null;
  occurred_at: Date;
}

export async function rowOf(database: Pick<TestDatabase, 'pool'>, resourceId: string): Promise<ResourceRecord> {
  const { rows } = await database.pool.query<ResourceRecord>(`SELECT ${RESOURCE_COLUMNS} FROM resources WHERE id = $1`, [resourceId]);
  const row = rows[0];
  if (row === undefined) throw new Error(`no row ${resourceId}`);
  return row;
}

/** Oldest first. */
export async function eventsOf(database: Pick<TestDatabase, 'pool'>, resourceId: string): Promise<StoredEvent[]> {
  const { rows } = await database.pool.query<StoredEvent>('SELECT * FROM resource_events WHERE resource_id = $1 ORDER BY revision', [
    resourceId,
  ]);
  return rows;
}

/** Asked often at first, then seldom: many wait at once, and what they read costs others their turn. */
const LONGEST_PAUSE_MS = 100;

/** Waits until `read` gives what `isDone` accepts; fails with the last value after `timeoutMs`. */
export async function eventually<T>(read: () => Promise<T>, isDone: (value: T) => boolean, timeoutMs = 60_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (let pauseMs = 5; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 1.5)) {
    const value = await read();
    if (isDone(value)) return value;
    if (Date.now() > deadline) throw new Error(`still not so after ${timeoutMs} ms: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
}
