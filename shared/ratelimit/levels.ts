// What this process last saw of each count, so that a count goes on where it was when the store under it changes.

export interface Level {
  consumed: number;
  resetAtMs: number;
  /** Counted by the insurance, not by Redis. */
  insured: boolean;
  /** When its store had been told what the former one counted; what was asked before then is behind. */
  settledAtMs: number;
  /** How much it was told, and its count right after that: a greater one holds it. Infinite where it could not be told. */
  told: { missing: number; count: Promise<number> };
  /** Let through by this process: of two stores that answer side by side, each may count less than was let through. */
  passed: number;
}

/** Map keeps insertion order, and a level is inserted when its window starts: the oldest come first. */
export class Levels {
  readonly #levels = new Map<string, Level>();

  constructor(private readonly most: number) {}

  /** Null when its window has ended, or when it was forgotten under very many keys. */
  get(key: string, nowMs: number): Level | null {
    const level = this.#levels.get(key);
    return level === undefined || level.resetAtMs <= nowMs ? null : level;
  }

  set(key: string, level: Level, nowMs: number): void {
    if (this.get(key, nowMs) === null) {
      this.#levels.delete(key);
      for (const [oldKey, { resetAtMs }] of this.#levels) {
        if (resetAtMs > nowMs && this.#levels.size < this.most) break;
        this.#levels.delete(oldKey);
      }
    }
    this.#levels.set(key, level);
  }
}

/**
 * How much of what is known the other store has not counted. Pure.
 * @param counted what it says now, this one included
 */
export function missingCount(known: Level | null, counted: number, insured: boolean): number {
  if (known === null || known.insured === insured) return 0;
  return Math.max(0, known.consumed - (counted - 1));
}
