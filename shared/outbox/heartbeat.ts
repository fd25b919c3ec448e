// Which relays run, and whether they reach the broker: what /readyz of the api looks at.
import type pg from 'pg';
import { type OutboxLag, outboxLag } from './queue';

export type BrokerState = 'connected' | 'away' | 'off';

export interface RelayBeat {
  name: string;
  broker: BrokerState;
  lastError: string | null;
}

export const BEAT_MS = 5_000;
/** Three missed beats and a moment. */
const ALIVE_MS = 3 * BEAT_MS + 2_000;
/** What waits for longer, while a relay is connected, is not on its way any more. */
const LATE_SECONDS = 60;
const FORGOTTEN = '1 hour';

/** Also forgets relays that were killed long ago. */
export async function beat(pool: pg.Pool, { name, broker, lastError }: RelayBeat): Promise<void> {
  await pool.query(
    `WITH forgotten AS (DELETE FROM outbox_relays WHERE beat_at < now() - interval '${FORGOTTEN}' AND name <> $1)
     INSERT INTO outbox_relays (name, broker, last_error) VALUES ($1, $2, $3)
     ON CONFLICT (name) DO UPDATE SET beat_at = now(), broker = excluded.broker, last_error = excluded.last_error`,
    [name, broker, lastError],
  );
}

export async function sayGoodbye(pool: pg.Pool, name: string): Promise<void> {
  await pool.query('DELETE FROM outbox_relays WHERE name = $1', [name]);
}

async function liveRelays(pool: pg.Pool): Promise<RelayBeat[]> {
  const { rows } = await pool.query<RelayBeat>(
    `SELECT name, broker, last_error AS "lastError" FROM outbox_relays WHERE beat_at > now() - $1 * interval '1 millisecond'`,
    [ALIVE_MS],
  );
  return rows;
}

export interface RelayReport {
  status: 'ok' | 'degraded';
  detail: { relays: number; broker: BrokerState; waiting: number; oldest_seconds: number; dead_lettered: number };
}

/** @throws Error that says what is wrong, when nothing would be published */
export async function relayReadiness(pool: pg.Pool): Promise<RelayReport> {
  const relays = await liveRelays(pool);
  return judge(relays, await outboxLag(pool));
}

export function judge(relays: readonly RelayBeat[], lag: OutboxLag): RelayReport {
  if (relays.length === 0) throw new Error(`no relay runs; ${lag.waiting} events wait`);
  const connected = relays.some(({ broker }) => broker === 'connected');
  const broker = connected ? 'connected' : relays.every((relay) => relay.broker === 'off') ? 'off' : 'away';
  if (broker === 'away') {
    const error = relays.find(({ lastError }) => lastError !== null)?.lastError ?? 'not connected yet';
    throw new Error(`the broker is away (${error}); ${lag.waiting} events wait`);
  }
  const oldestSeconds = Math.round(lag.oldestSeconds);
  const isLate = broker === 'connected' && oldestSeconds > LATE_SECONDS;
  return {
    status: lag.deadLettered > 0 || isLate ? 'degraded' : 'ok',
    detail: { relays: relays.length, broker, waiting: lag.waiting, oldest_seconds: oldestSeconds, dead_lettered: lag.deadLettered },
  };
}
