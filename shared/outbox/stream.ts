// Events across resources, in the order in which they were recorded, by cursor. What commits late is never skipped.
import type pg from 'pg';

/** Whose events: no reader gets everything by leaving something out. */
export type EventScope =
  | { type: 'team'; teamId: string }
  | { type: 'resources'; resourceIds: readonly string[] }
  /** Every owner's; for the platform itself and its operators. */
  | { type: 'platform' };

export interface ReadEventsOptions {
  scope: EventScope;
  /** Events at most. */
  limit: number;
}

export interface RecordedEvent {
  /** Reading after it goes on behind this event. */
  cursor: string;
  /** Stable: the broker's message id too. */
  id: string;
  resourceId: string;
  kind: string;
  /** As it is called now. */
  resourceName: string;
  /** Whose it is now; null = an anonymous caller's. */
  teamId: string | null;
  revision: number;
  type: string;
  status: string;
  data: Record<string, string | number | boolean | null>;
  actor: { type: string; id: string };
  requestId: string | null;
  occurredAt: Date;
}

export interface EventPage {
  events: RecordedEvent[];
  /** Where to go on, also after a page without events: it moves past what is not in the scope. */
  cursor: string;
  /** False: there may be more at once. True: wait for the next change, then read on. */
  isComplete: boolean;
}

/** Not one of ours, or from a database that was since put back to an earlier state. The reader begins anew. */
export class InvalidEventCursor extends Error {
  override readonly name = 'InvalidEventCursor';
}

const NO_ID = '00000000-0000-0000-0000-000000000000';
const CURSOR = /^(\d{1,20})-([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;
const XID_MAX = 2n ** 64n - 1n;

interface Position {
  xid: bigint;
  id: string;
}

const START: Position = { xid: 0n, id: NO_ID };

function parseCursor(text: string): Position {
  const [, xid, id] = CURSOR.exec(text) ?? [];
  if (xid === undefined || id === undefined || BigInt(xid) > XID_MAX)
    throw new InvalidEventCursor('The cursor is not one of this platform.');
  return { xid: BigInt(xid), id };
}

const formatCursor = (xid: bigint | string, id: string): string => `${xid}-${id}`;

// A transaction that is still open may have an older id than one that is done: what is younger than the oldest open one waits for it.
const READ = `
SELECT horizon.xid::text AS horizon, event.*
  FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS xid) horizon
  LEFT JOIN LATERAL (
    SELECT e.recorded_xid::text AS xid, e.id, e.resource_id AS "resourceId", r.kind, r.name AS "resourceName", r.team_id AS "teamId", e.revision,
           e.type, e.status, e.data, jsonb_build_object('type', e.actor_type, 'id', e.actor_id) AS actor, e.request_id AS "requestId",
           e.occurred_at AS "occurredAt"
      FROM resource_events e JOIN resources r ON r.id = e.resource_id
     WHERE (e.recorded_xid, e.id) > ($1::text::xid8, $2::uuid) AND e.recorded_xid < horizon.xid AND SCOPE
     ORDER BY e.recorded_xid, e.id LIMIT $3) event ON true`;

type StoredEvent = Omit<RecordedEvent, 'cursor'> & { xid: string };
type Row = { horizon: string } & (StoredEvent | { [Field in keyof StoredEvent]: null });

function scopeClause(scope: EventScope): { name: string; sql: string; values: unknown[] } {
  switch (scope.type) {
    case 'team':
      return { name: 'events-of-team', sql: 'r.team_id = $4', values: [scope.teamId] };
    case 'resources':
      return { name: 'events-of-resources', sql: 'e.resource_id = ANY ($4::uuid[])', values: [scope.resourceIds] };
    case 'platform':
      return { name: 'events-of-platform', sql: 'true', values: [] };
  }
}

/**
 * The next events after `cursor` (null = from the first one), each once and none left out: every event of a transaction that may still
 * commit is held back, with all that were recorded after it began. One resource's events come in the order of their revisions.
 * @throws InvalidEventCursor
 */
export async function readEventsAfter(pool: pg.Pool, cursor: string | null, { scope, limit }: ReadEventsOptions): Promise<EventPage> {
  const after = cursor === null ? START : parseCursor(cursor);
  const { name, sql, values } = scopeClause(scope);
  const { rows } = await pool.query<Row>({
    name,
    text: READ.replace('SCOPE', sql),
    values: [String(after.xid), after.id, limit, ...values],
  });
  const horizon = BigInt(rows[0]?.horizon ?? 0);
  if (after.xid > horizon) throw new InvalidEventCursor('The cursor is ahead of every event.');
  const events = rows.flatMap((row) => (row.id === null ? [] : [toEvent(row)]));
  const last = events.at(-1);
  if (last !== undefined && events.length === limit) return { events, cursor: last.cursor, isComplete: false };
  const behind = after.xid === horizon ? formatCursor(after.xid, after.id) : formatCursor(horizon, NO_ID);
  return { events, cursor: behind, isComplete: true };
}

function toEvent({ horizon: _, xid, ...event }: { horizon: string } & StoredEvent): RecordedEvent {
  return { cursor: formatCursor(xid, event.id), ...event };
}

/** Reading after it gives what happens from now on. */
export async function currentEventCursor(pool: pg.Pool): Promise<string> {
  const { rows } = await pool.query<{ horizon: string }>('SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS horizon');
  return formatCursor(rows[0]?.horizon ?? '0', NO_ID);
}
