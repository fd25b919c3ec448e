// Requests a minute for each caller. The window is this process's own: with N api processes a caller gets up to N times the limit.
// Provisions are counted in Postgres by `reserve`, so no quota depends on this.

export interface RateDecision {
  allowed: boolean;
  limit: number;
  remaining: number;
  resetSeconds: number;
}

export interface RateLimiter {
  /** Counts one request. */
  take(key: string): RateDecision;
}

const WINDOW_MS = 60_000;
const MAX_KEYS = 100_000;

/** Fixed windows of a minute, one a caller, forgotten when they end. */
export class ProcessRateLimiter implements RateLimiter {
  readonly #windows = new Map<string, { startedAtMs: number; count: number }>();
  readonly #limit: number;
  readonly #now: () => number;

  constructor(options: { requestsPerMinute: number; now?: () => number }) {
    this.#limit = options.requestsPerMinute;
    this.#now = options.now ?? Date.now;
  }

  take(key: string): RateDecision {
    const nowMs = this.#now();
    let window = this.#windows.get(key);
    if (window === undefined || nowMs - window.startedAtMs >= WINDOW_MS) {
      this.#makeRoom(nowMs);
      this.#windows.delete(key);
      window = { startedAtMs: nowMs, count: 0 };
      this.#windows.set(key, window);
    }
    window.count += 1;
    return {
      allowed: window.count <= this.#limit,
      limit: this.#limit,
      remaining: Math.max(0, this.#limit - window.count),
      resetSeconds: Math.max(1, Math.ceil((window.startedAtMs + WINDOW_MS - nowMs) / 1000)),
    };
  }

  /** Map keeps insertion order, and a window is inserted when it starts: the oldest ones come first. */
  #makeRoom(nowMs: number): void {
    for (const [key, window] of this.#windows) {
      if (nowMs - window.startedAtMs < WINDOW_MS && this.#windows.size < MAX_KEYS) return;
      this.#windows.delete(key);
    }
  }
}

export function rateHeaders(decision: RateDecision): Record<string, string> {
  return {
    'X-RateLimit-Limit': String(decision.limit),
    'X-RateLimit-Remaining': String(decision.remaining),
    'X-RateLimit-Reset': String(decision.resetSeconds),
    RateLimit: `"requests";r=${decision.remaining};t=${decision.resetSeconds}`,
    'RateLimit-Policy': `"requests";q=${decision.limit};w=60`,
  };
}
