// The ring in Postgres. One inbox's writes go one after the other, under its row's lock.
import type pg from 'pg';
import { type CapturedRequest, costOf, type RequestSummary, type StoredRequest } from './types';

/** Enough to make room for the largest request out of the smallest ones. */
const TRIM_BATCH = 5_000;
const SUMMARY = 'id, received_at, method, path, query, headers, length(body) AS body_bytes';

interface RequestRow {
  id: string;
  received_at: Date;
  method: string;
  path: string;
  query: string;
  headers: Record<string, string>;
  body_bytes: number;
  body?: Buffer;
}

interface Fill {
  stored_requests: number;
  stored_bytes: number;
  max_requests: number;
  max_bytes: number;
}

/** The caller holds the inbox's row. Answers whether the oldest had to go. */
export async function pushToPostgres(
  client: pg.PoolClient,
  objectName: string,
  request: { id: string; receivedAt: Date; captured: CapturedRequest },
): Promise<boolean> {
  const { id, receivedAt, captured } = request;
  const cost = costOf(captured);
  const { rows } = await client.query<Fill>(
    `WITH pushed AS (
       INSERT INTO requests (object_name, id, received_at, method, path, query, headers, body, cost_bytes)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
     )
     UPDATE inboxes SET stored_requests = stored_requests + 1, stored_bytes = stored_bytes + $9 WHERE object_name = $1
     RETURNING stored_requests, stored_bytes, max_requests, max_bytes`,
    [objectName, id, receivedAt, captured.method, captured.path, captured.query, JSON.stringify(captured.headers), captured.body, cost],
  );
  return await trim(client, objectName, rows[0]);
}

async function trim(client: pg.PoolClient, objectName: string, filled: Fill | undefined): Promise<boolean> {
  let fill = filled;
  let rotated = false;
  while (fill !== undefined && (fill.stored_requests > fill.max_requests || fill.stored_bytes > fill.max_bytes)) {
    const { rows } = await client.query<Fill>(
      `WITH oldest AS (
         SELECT id, row_number() OVER older AS position, sum(cost_bytes) OVER older - cost_bytes AS freed_before
         FROM (SELECT id, cost_bytes FROM requests WHERE object_name = $1 ORDER BY id LIMIT ${TRIM_BATCH}) AS batch
         WINDOW older AS (ORDER BY id)
       ), gone AS (
         DELETE FROM requests WHERE object_name = $1 AND id IN (SELECT id FROM oldest WHERE position <= $2 OR freed_before < $3)
         RETURNING cost_bytes
       ), total AS (SELECT count(*)::int AS requests, coalesce(sum(cost_bytes), 0)::bigint AS bytes FROM gone)
       UPDATE inboxes SET stored_requests = stored_requests - total.requests, stored_bytes = stored_bytes - total.bytes
       FROM total WHERE object_name = $1 AND total.requests > 0
       RETURNING stored_requests, stored_bytes, max_requests, max_bytes`,
      [objectName, fill.stored_requests - fill.max_requests, fill.stored_bytes - fill.max_bytes],
    );
    rotated = true;
    fill = rows[0];
  }
  return rotated;
}

/** After the limits became smaller. */
export async function trimPostgres(client: pg.PoolClient, objectName: string): Promise<void> {
  const { rows } = await client.query<Fill>(
    'SELECT stored_requests, stored_bytes, max_requests, max_bytes FROM inboxes WHERE object_name = $1 FOR UPDATE',
    [objectName],
  );
  await trim(client, objectName, rows[0]);
}

export async function listPostgres(
  pool: pg.Pool,
  objectName: string,
  page: { before: string | null; limit: number },
): Promise<RequestSummary[]> {
  const { rows } = await pool.query<RequestRow>(
    `SELECT ${SUMMARY} FROM requests WHERE object_name = $1 AND ($2::uuid IS NULL OR id < $2) ORDER BY id DESC LIMIT $3`,
    [objectName, page.before, page.limit],
  );
  return rows.map(toSummary);
}

export async function afterPostgres(pool: pg.Pool, objectName: string, page: { after: string; limit: number }): Promise<RequestSummary[]> {
  const { rows } = await pool.query<RequestRow>(`SELECT ${SUMMARY} FROM requests WHERE object_name = $1 AND id > $2 ORDER BY id LIMIT $3`, [
    objectName,
    page.after,
    page.limit,
  ]);
  return rows.map(toSummary);
}

export async function getPostgres(pool: pg.Pool, objectName: string, id: string): Promise<StoredRequest | null> {
  const { rows } = await pool.query<RequestRow & { body: Buffer }>(
    `SELECT ${SUMMARY}, body FROM requests WHERE object_name = $1 AND id = $2`,
    [objectName, id],
  );
  const [row] = rows;
  return row === undefined ? null : { ...toSummary(row), body: row.body };
}

function toSummary(row: RequestRow): RequestSummary {
  const { id, received_at, method, path, query, headers, body_bytes } = row;
  return { id, receivedAt: received_at, method, path, query, headers, bodyBytes: body_bytes };
}
