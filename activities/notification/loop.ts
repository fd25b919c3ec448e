// Plans and dispatches whenever a resource has changed, and every half second besides: a lost notification delays a notice, no more.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import pg from 'pg';
import { RESOURCE_EVENTS_CHANNEL } from '../../shared/events';
import type { Logger } from '../../shared/logctx';
import { dispatchDeliveries } from './dispatcher';
import { planDeliveries } from './planner';

const POLL_MS = 500;
const RECONNECT_MS = 2_000;
/** After a failure, so that a database that is away is not asked all the time. */
const FAILED_MS = 2_000;
const CLEAN_UP_MS = 3_600_000;
const KEPT_DAYS = 30;

export interface NotificationLoop {
  stop(): Promise<void>;
}

export interface LoopOptions {
  pool: pg.Pool;
  client: Pick<Client, 'workflow'>;
  /** For the connection that listens. */
  databaseUrl: string;
  mail: boolean;
  logger: Pick<Logger, 'warn'>;
}

export function startNotificationLoop(options: LoopOptions): NotificationLoop {
  const stopping = new AbortController();
  let wake = () => {};
  const listener = listen(options.databaseUrl, () => wake(), stopping.signal);
  let cleanedUpAtMs = 0;

  const round = async (): Promise<boolean> => {
    const planned = await planDeliveries(options);
    const started = await dispatchDeliveries(options);
    if (Date.now() - cleanedUpAtMs > CLEAN_UP_MS) {
      cleanedUpAtMs = Date.now();
      await cleanUp(options.pool);
    }
    return started > 0 || planned?.isComplete === false;
  };
  const run = async () => {
    while (!stopping.signal.aborted) {
      const pause = new AbortController();
      wake = () => pause.abort();
      let pauseMs = POLL_MS;
      try {
        if (await round()) continue;
      } catch (error) {
        if (stopping.signal.aborted) return;
        options.logger.warn('notices could not be sent out', { error });
        pauseMs = FAILED_MS;
      }
      await sleep(pauseMs, undefined, { signal: AbortSignal.any([stopping.signal, pause.signal]) }).catch(() => undefined);
    }
  };
  const running = run();
  return {
    async stop() {
      stopping.abort();
      await Promise.all([running, listener]);
    },
  };
}

/** Deliveries that ended long ago, and what was kept for resources that never came to be. */
async function cleanUp(pool: pg.Pool): Promise<void> {
  await pool.query(`DELETE FROM deliveries WHERE state <> 'pending' AND ended_at < now() - $1 * interval '1 day'`, [KEPT_DAYS]);
  await pool.query(
    `DELETE FROM resource_notifications n WHERE n.created_at < now() - interval '1 day'
        AND NOT EXISTS (SELECT 1 FROM resources r WHERE r.id = n.resource_id)`,
  );
}

/** Connected again whenever the connection breaks, until it is told to stop. */
async function listen(databaseUrl: string, onChange: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const client = new pg.Client({
      connectionString: databaseUrl,
      application_name: 'leasehold-notification',
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    });
    client.on('notification', onChange);
    const lost = new Promise<void>((resolve) => {
      client.once('error', () => resolve());
      client.once('end', () => resolve());
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    try {
      await client.connect();
      await client.query(`LISTEN ${RESOURCE_EVENTS_CHANNEL}`);
      onChange();
      await lost;
    } catch {
      // The poll goes on meanwhile.
    }
    client.on('error', () => undefined);
    await client.end().catch(() => undefined);
    if (!signal.aborted) await sleep(RECONNECT_MS, undefined, { signal }).catch(() => undefined);
  }
}
