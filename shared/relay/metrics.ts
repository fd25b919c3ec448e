// What a relay tells Prometheus: its own work, and how much waits for all relays together.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { BrokerState, OutboxLag, OutboxRow } from '../outbox';

export class RelayMetrics {
  readonly #published: Counter;
  readonly #duplicates: Counter;
  readonly #failed: Counter;
  readonly #delay: Histogram;
  readonly #connected: Gauge;

  constructor(register: Registry, readLag: () => Promise<OutboxLag>) {
    const registers = [register];
    const counter = (name: string, help: string) => new Counter({ name, help, registers });
    this.#published = counter('leasehold_outbox_published_total', 'Events that the broker acknowledged to this relay.');
    this.#duplicates = counter('leasehold_outbox_duplicates_total', 'Of these, events that the broker had already.');
    this.#failed = counter('leasehold_outbox_failed_total', 'Attempts that the broker refused for what the event is.');
    this.#delay = new Histogram({
      name: 'leasehold_outbox_delay_seconds',
      help: 'From the commit of an event to its acknowledgement.',
      buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 15, 60, 300, 3600],
      registers,
    });
    this.#connected = new Gauge({ name: 'leasehold_outbox_broker_connected', help: '1 while this relay has a broker.', registers });
    const ofLag = (name: string, help: string, pick: (lag: OutboxLag) => number) =>
      new Gauge({
        name,
        help,
        registers,
        async collect() {
          // A database that is away must not take the other metrics with it.
          const lag = await lagNow().catch(() => null);
          this.reset();
          if (lag !== null) this.set(pick(lag));
        },
      });
    const lagNow = briefly(readLag);
    ofLag('leasehold_outbox_waiting', 'Events that wait to be published.', (lag) => lag.waiting);
    ofLag('leasehold_outbox_oldest_seconds', 'Age of the oldest of them.', (lag) => lag.oldestSeconds);
    ofLag('leasehold_outbox_dead_lettered', 'Events that a person has to look at.', (lag) => lag.deadLettered);
  }

  published({ createdAt }: Pick<OutboxRow, 'createdAt'>, isDuplicate: boolean): void {
    this.#published.inc();
    if (isDuplicate) this.#duplicates.inc();
    this.#delay.observe(Math.max(0, Date.now() - createdAt.getTime()) / 1000);
  }

  failed(): void {
    this.#failed.inc();
  }

  broker(state: BrokerState): void {
    this.#connected.set(state === 'connected' ? 1 : 0);
  }
}

const SAME_SCRAPE_MS = 500;

/** One scrape asks once. */
function briefly<Value>(read: () => Promise<Value>): () => Promise<Value> {
  let last: { atMs: number; value: Promise<Value> } | null = null;
  return () => {
    if (last === null || Date.now() - last.atMs > SAME_SCRAPE_MS) last = { atMs: Date.now(), value: read() };
    return last.value;
  };
}
