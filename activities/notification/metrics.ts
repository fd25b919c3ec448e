// The numbers of the notices.

import type pg from 'pg';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { Channel } from '../../shared/notification';

export interface NotificationMetrics {
  attempts: Counter<'channel' | 'result'>;
  /** Given up for a person to look at: an alert stands on it. */
  deadLettered: Counter<'channel'>;
  /** From the event to the receiver's yes. */
  latency: Histogram<'channel'>;
}

/** Registers the metrics; once per registry. */
export function createNotificationMetrics(registry: Registry, pool: pg.Pool): NotificationMetrics {
  const registers = [registry];
  new Gauge({
    name: 'leasehold_deliveries_waiting',
    help: 'Notices that have neither arrived nor been given up.',
    labelNames: ['channel'],
    registers,
    async collect() {
      this.reset();
      for (const { channel, count } of await waiting(pool)) this.set({ channel }, count);
    },
  });
  return {
    attempts: new Counter({
      name: 'leasehold_delivery_attempts_total',
      help: 'Calls to receivers and to the mail server.',
      labelNames: ['channel', 'result'],
      registers,
    }),
    deadLettered: new Counter({
      name: 'leasehold_deliveries_dead_total',
      help: 'Notices that were given up.',
      labelNames: ['channel'],
      registers,
    }),
    latency: new Histogram({
      name: 'leasehold_delivery_seconds',
      help: 'From the making of a delivery until its receiver has it.',
      labelNames: ['channel'],
      buckets: [0.1, 0.5, 1, 5, 15, 60, 300, 1_800, 7_200],
      registers,
    }),
  };
}

/** A metric that cannot be read must not take the others with it. */
async function waiting(pool: pg.Pool): Promise<{ channel: Channel; count: number }[]> {
  const read = pool.query<{ channel: Channel; count: number }>(
    `SELECT channel, count(*) AS count FROM deliveries WHERE state = 'pending' GROUP BY channel`,
  );
  return await read.then(
    ({ rows }) => rows,
    () => [],
  );
}
