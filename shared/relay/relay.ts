// The relay: takes what the outbox has, publishes it, and marks it. Any number may run at once; one may be killed at any point.
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Logger } from '../logctx';
import {
  BEAT_MS,
  backoffMs,
  beat,
  markFailed,
  markPublished,
  type OutboxRow,
  pruneOutbox,
  releaseOutboxRows,
  sayGoodbye,
  takeOutboxRows,
} from '../outbox';
import { ACK_TIMEOUT_MS, Broker, type BrokerOptions } from './broker';
import { ChangeListener } from './listener';
import type { RelayMetrics } from './metrics';

export interface RelayOptions {
  /** In the list of relays, and unlike every other's. */
  name: string;
  pool: pg.Pool;
  /** Of the same database, for LISTEN. */
  databaseUrl: string;
  /** Null: nothing is published; what the outbox holds is kept for the retention. */
  broker: BrokerOptions | null;
  logger: Logger;
  metrics: RelayMetrics;
  /** Attempts after which a person has to look at a message that the broker refuses. */
  maximumAttempts: number;
  /** How long rows stay once published. */
  retentionMs: number;
  timing?: Partial<typeof TIMING>;
}

/**
 * The lease must be shorter than the window in which the broker knows a message again (2 min), and longer than a batch can take:
 * rows of a relay that was killed are published by another after the lease, and are known there.
 */
const TIMING = { leaseMs: 30_000, pollMs: 1_000, beatMs: BEAT_MS, pruneMs: 60_000 };
const BATCH = 100;

type Sent = { row: OutboxRow } & (
  | { outcome: 'published'; isDuplicate: boolean }
  | { outcome: 'refused'; error: string }
  | { outcome: 'away'; error: string }
  /** The relay was stopped for so long, by the machine, that another may have the row by now. */
  | { outcome: 'too_late' }
);

export class Relay {
  readonly #options: RelayOptions;
  readonly #timing: typeof TIMING;
  readonly #stop = new AbortController();
  #broker: Broker | null = null;
  #brokerError: string | null = null;
  #brokerAttempts = 0;
  #isDatabaseAway = false;
  #wake: () => void = () => undefined;
  #isWoken = false;
  #lastBeat: Promise<unknown> = Promise.resolve();

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
  }

  /** Runs until `signal` is aborted; what is being published then is finished and marked first. */
  async run(signal: AbortSignal): Promise<void> {
    const { databaseUrl, name, pool, logger, broker } = this.#options;
    const end = () => {
      this.#stop.abort();
      this.#wake();
    };
    signal.addEventListener('abort', end, { once: true });
    if (signal.aborted) end();
    const listener = new ChangeListener({ url: databaseUrl, applicationName: 'leasehold-relay-listen', onChange: () => this.#wakeUp() });
    if (broker === null) logger.warn('no broker is configured: events are not published; they are kept in the outbox for the retention');
    const upkeep = [this.#repeat(this.#timing.beatMs, () => this.#beat()), this.#repeat(this.#timing.pruneMs, () => this.#prune())];
    try {
      while (!this.#stop.signal.aborted) await this.#turn();
    } finally {
      signal.removeEventListener('abort', end);
      this.#stop.abort();
      await Promise.all([...upkeep, listener.close(), this.#broker?.close()]);
      await sayGoodbye(pool, name).catch(() => undefined);
    }
  }

  async #turn(): Promise<void> {
    // Woken or not, there is nothing to publish to.
    if (this.#options.broker === null) return await this.#pause(this.#timing.pollMs);
    if (!(await this.#connected())) return await this.#pause(backoffMs(this.#brokerAttempts));
    this.#isWoken = false;
    try {
      const moved = await this.#publishBatch();
      this.#databaseIsBack();
      if (!moved) await this.#idle(this.#timing.pollMs);
    } catch (error) {
      this.#databaseIsAway(error);
      await this.#pause(this.#timing.pollMs);
    }
  }

  /** False when there was nothing to do, or nothing can be done for now. */
  async #publishBatch(): Promise<boolean> {
    const { pool } = this.#options;
    const takenAtMs = performance.now();
    const rows = await takeOutboxRows(pool, { limit: BATCH, leaseMs: this.#timing.leaseMs });
    if (rows.length === 0) return false;
    const sent = await Promise.all(rows.map((row) => this.#send(row, takenAtMs)));
    const published = sent.filter((one) => one.outcome === 'published');
    await markPublished(
      pool,
      published.map(({ row }) => row.id),
    );
    for (const { row, isDuplicate } of published) this.#options.metrics.published(row, isDuplicate);
    for (const one of sent) if (one.outcome === 'refused') await this.#refused(one.row, one.error);
    const away = sent.filter((one) => one.outcome === 'away');
    if (away.length > 0) {
      const error = away[0]?.error ?? '';
      await this.#brokerIsAway(error);
      await releaseOutboxRows(
        pool,
        away.map(({ row }) => row.id),
        error,
      );
    }
    return true;
  }

  async #send(row: OutboxRow, takenAtMs: number): Promise<Sent> {
    if (performance.now() - takenAtMs > this.#timing.leaseMs - ACK_TIMEOUT_MS) return { row, outcome: 'too_late' };
    if (this.#broker === null) return { row, outcome: 'away', error: 'not connected' };
    try {
      return { row, ...(await this.#broker.publish(row)) };
    } catch (error) {
      return { row, outcome: 'away', error: messageOf(error) };
    }
  }

  async #refused(row: OutboxRow, error: string): Promise<void> {
    const { pool, maximumAttempts, logger, metrics } = this.#options;
    metrics.failed();
    const facts = { event_id: row.id, resource_id: row.resourceId, type: row.type, attempts: row.attempts, error };
    if (await markFailed(pool, row, { error, maximumAttempts })) {
      logger.error('an event is dead-lettered, and its resource’s later ones wait: mend it and replay it', facts);
    } else logger.warn('the broker refused an event; it is tried again', facts);
  }

  async #connected(): Promise<boolean> {
    const { broker, logger } = this.#options;
    if (broker === null) return false;
    if (this.#broker !== null && !this.#broker.isClosed) return true;
    if (this.#broker !== null) await this.#brokerIsAway('the connection was lost');
    try {
      this.#broker = await Broker.open(broker);
    } catch (error) {
      await this.#brokerIsAway(messageOf(error));
      return false;
    }
    logger.info('connected to the broker');
    this.#brokerError = null;
    this.#brokerAttempts = 0;
    await this.#beat().catch(() => undefined);
    return true;
  }

  /** Told once, however often it is tried. */
  async #brokerIsAway(error: string): Promise<void> {
    const { logger } = this.#options;
    if (this.#brokerError === null) logger.error('the broker is away; events wait in the outbox', { error });
    this.#brokerError = error;
    this.#brokerAttempts = Math.min(this.#brokerAttempts + 1, 20);
    const broker = this.#broker;
    this.#broker = null;
    await broker?.close();
    if (this.#brokerAttempts === 1) await this.#beat().catch(() => undefined);
  }

  #databaseIsAway(error: unknown): void {
    if (!this.#isDatabaseAway) this.#options.logger.error('the database is away', { error });
    this.#isDatabaseAway = true;
  }

  #databaseIsBack(): void {
    if (this.#isDatabaseAway) this.#options.logger.info('the database is back');
    this.#isDatabaseAway = false;
  }

  /** One after the other: an older word that took longer must not be written over a newer one. */
  #beat(): Promise<void> {
    const written = this.#lastBeat.then(() => this.#writeBeat());
    this.#lastBeat = written.catch(() => undefined);
    return written;
  }

  async #writeBeat(): Promise<void> {
    const { pool, name, broker, metrics } = this.#options;
    const state = broker === null ? 'off' : this.#broker !== null && !this.#broker.isClosed ? 'connected' : 'away';
    metrics.broker(state);
    await beat(pool, { name, broker: state, lastError: this.#brokerError });
  }

  async #prune(): Promise<void> {
    const { pool, retentionMs, broker } = this.#options;
    while (!this.#stop.signal.aborted && (await pruneOutbox(pool, { retentionMs, unpublishedToo: broker === null })) > 0);
  }

  async #repeat(everyMs: number, work: () => Promise<void>): Promise<void> {
    while (!this.#stop.signal.aborted) {
      await work().catch((error: unknown) => this.#databaseIsAway(error));
      await this.#pause(everyMs);
    }
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#stop.signal }).catch(() => undefined);
  }

  #wakeUp(): void {
    this.#isWoken = true;
    this.#wake();
  }

  /** Until something changed, or until it is time to look anyway. */
  async #idle(ms: number): Promise<void> {
    if (this.#isWoken || this.#stop.signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => undefined;
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
