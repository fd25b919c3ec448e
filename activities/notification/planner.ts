// From events to deliveries, by a cursor over what is committed: costs a transition nothing, and can neither skip an event nor plan it twice.
import type pg from 'pg';
import { withTransaction } from '../../shared/db';
import { insertDeliveries, planTargets } from '../../shared/notification';
import { currentEventCursor, type EventPage, InvalidEventCursor, readEventsAfter } from '../../shared/outbox';

const BATCH = 200;

export interface Planned {
  events: number;
  deliveries: number;
  /** False: there may be more at once. */
  isComplete: boolean;
}

export interface PlanOptions {
  pool: pg.Pool;
  /** Whether mail is planned at all. */
  mail: boolean;
}

/** Null when another worker is at it. Deliveries and cursor move together or not at all. */
export async function planDeliveries({ pool, mail }: PlanOptions): Promise<Planned | null> {
  return await withTransaction(pool, async (client) => {
    const { rows } = await client.query<{ event_cursor: string }>('SELECT event_cursor FROM notification_cursor FOR UPDATE SKIP LOCKED');
    const cursor = rows[0]?.event_cursor;
    if (cursor === undefined) return null;
    const page = await readOn(pool, cursor);
    const eventIds = page.events.map(({ id }) => id);
    const deliveries = await insertDeliveries(client, await planTargets(client, eventIds, { mail }));
    if (page.cursor !== cursor) await client.query('UPDATE notification_cursor SET event_cursor = $1', [page.cursor]);
    return { events: eventIds.length, deliveries, isComplete: page.isComplete };
  });
}

async function readOn(pool: pg.Pool, cursor: string): Promise<EventPage> {
  try {
    return await readEventsAfter(pool, cursor, { scope: { type: 'platform' }, limit: BATCH });
  } catch (error) {
    if (!(error instanceof InvalidEventCursor)) throw error;
    // The database was put back to an earlier state: what happened before is told to nobody.
    return { events: [], cursor: await currentEventCursor(pool), isComplete: true };
  }
}
