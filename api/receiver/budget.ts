// What one caller or one inbox may use up in a minute. Each process counts for itself.
export interface BudgetDecision {
  allowed: boolean;
  limit: number;
  remaining: number;
  resetSeconds: number;
}

const WINDOW_MS = 60_000;
const MAX_KEYS = 50_000;

/** Fixed windows of a minute, forgotten when they end; under very many keys the oldest are forgotten earlier. */
export class MinuteBudget {
  readonly #now: () => number;
  readonly #windows = new Map<string, { startedAtMs: number; used: number }>();

  constructor(options: { now?: () => number } = {}) {
    this.#now = options.now ?? Date.now;
  }

  /** The limit may differ from key to key, and may change within a window. */
  take(key: string, { limit, cost = 1 }: { limit: number; cost?: number }): BudgetDecision {
    const nowMs = this.#now();
    let window = this.#windows.get(key);
    if (window === undefined || nowMs - window.startedAtMs >= WINDOW_MS) {
      this.#makeRoom(nowMs);
      this.#windows.delete(key);
      window = { startedAtMs: nowMs, used: 0 };
      this.#windows.set(key, window);
    }
    window.used += cost;
    return {
      allowed: window.used <= limit,
      limit,
      remaining: Math.max(0, limit - window.used),
      resetSeconds: Math.max(1, Math.ceil((window.startedAtMs + WINDOW_MS - nowMs) / 1000)),
    };
  }

  /** Map keeps insertion order, and a window is inserted when it starts. */
  #makeRoom(nowMs: number): void {
    for (const [key, window] of this.#windows) {
      if (nowMs - window.startedAtMs < WINDOW_MS && this.#windows.size < MAX_KEYS) return;
      this.#windows.delete(key);
    }
  }
}
