// Waiters (`Prefer: wait`, SSE) wait on rows: one LISTEN connection a process tells which resource changed.
import pg from 'pg';

export interface ChangeFeed {
  /** Calls back when the resource may have changed; returns the way to stop. */
  subscribe(resourceId: string, onChange: () => void): () => void;
  close(): Promise<void>;
}

const CHANNEL = 'resource_events';
/** To subscribe to changes of every resource there is. */
export const ANY_RESOURCE = '*';
const RECONNECT_FIRST_MS = 200;
const RECONNECT_MAX_MS = 5_000;
/** Everyone looks again so often, should a notification be lost; sooner while nobody listens for us. */
const POLL_MS = 5_000;
const POLL_UNCONNECTED_MS = 1_000;

/** Connects on the first subscription, and again whenever the connection breaks; then everyone reads anew. */
export class PgChangeFeed implements ChangeFeed {
  readonly #url: string;
  readonly #applicationName: string;
  readonly #waiting = new Map<string, Set<() => void>>();
  #client: pg.Client | null = null;
  #connecting = false;
  #closed = false;
  #retryMs = RECONNECT_FIRST_MS;
  #timers = new Set<NodeJS.Timeout>();

  constructor(options: { url: string; applicationName: string }) {
    this.#url = options.url;
    this.#applicationName = options.applicationName;
    this.#poll();
  }

  subscribe(resourceId: string, onChange: () => void): () => void {
    const callbacks = this.#waiting.get(resourceId) ?? new Set();
    callbacks.add(onChange);
    this.#waiting.set(resourceId, callbacks);
    if (this.#client === null) void this.#connect();
    return () => {
      callbacks.delete(onChange);
      if (callbacks.size === 0 && this.#waiting.get(resourceId) === callbacks) this.#waiting.delete(resourceId);
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearTimeout(timer);
    const client = this.#client;
    this.#client = null;
    await client?.end().catch(() => undefined);
  }

  async #connect(): Promise<void> {
    if (this.#connecting || this.#closed || this.#client !== null) return;
    this.#connecting = true;
    const client = new pg.Client({
      connectionString: this.#url,
      application_name: this.#applicationName,
      connectionTimeoutMillis: 5_000,
      keepAlive: true,
    });
    const lost = () => {
      if (this.#client === client) this.#client = null;
      client.removeAllListeners();
      client.on('error', () => undefined);
      void client.end().catch(() => undefined);
      if (this.#waiting.size > 0) this.#later(this.#retryMs, () => void this.#connect());
      this.#retryMs = Math.min(this.#retryMs * 2, RECONNECT_MAX_MS);
    };
    client.on('notification', (message) => {
      for (const subscribed of [message.payload ?? '', ANY_RESOURCE])
        for (const callback of this.#waiting.get(subscribed) ?? []) callback();
    });
    try {
      await client.connect();
      await client.query(`LISTEN ${CHANNEL}`);
      client.once('error', lost);
      client.once('end', lost);
      this.#client = client;
      this.#retryMs = RECONNECT_FIRST_MS;
      this.#wakeAll();
    } catch {
      lost();
    } finally {
      this.#connecting = false;
      if (this.#closed) void client.end().catch(() => undefined);
    }
  }

  #wakeAll(): void {
    for (const callbacks of this.#waiting.values()) for (const callback of callbacks) callback();
  }

  #poll(): void {
    this.#later(this.#client === null ? POLL_UNCONNECTED_MS : POLL_MS, () => {
      this.#wakeAll();
      this.#poll();
    });
  }

  #later(ms: number, work: () => void): void {
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      work();
    }, ms);
    timer.unref();
    this.#timers.add(timer);
  }
}

/**
 * Reads until `done` says so or the time is up, and answers what was read last. Reads once at least.
 */
export async function waitFor<T>(
  feed: Pick<ChangeFeed, 'subscribe'>,
  resourceId: string,
  options: { timeoutMs: number; signal?: AbortSignal; read: () => Promise<T>; done: (value: T) => boolean },
): Promise<T> {
  let changed = true;
  let wake: () => void = () => undefined;
  // Subscribed before the first read, or a change between the two would be missed.
  const unsubscribe = feed.subscribe(resourceId, () => {
    changed = true;
    wake();
  });
  const endsAtMs = Date.now() + options.timeoutMs;
  const onAbort = () => wake();
  options.signal?.addEventListener('abort', onAbort);
  try {
    for (;;) {
      changed = false;
      const value = await options.read();
      const leftMs = endsAtMs - Date.now();
      if (options.done(value) || leftMs <= 0 || options.signal?.aborted) return value;
      if (changed) continue;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  } finally {
    options.signal?.removeEventListener('abort', onAbort);
    unsubscribe();
  }
}
