/** So many in a window of time. */
export interface RateFigure {
  limit: number;
  windowSeconds: number;
}

export interface RateDecision extends RateFigure {
  allowed: boolean;
  remaining: number;
  resetSeconds: number;
}

/** Neither Redis nor Postgres could count: whoever asks decides whether that means yes or no. */
export class RateStoreAway extends Error {
  override readonly name = 'RateStoreAway';
}

export interface RateCounter {
  /**
   * Counts one and says whether it was within the figure.
   * @throws RateStoreAway
   */
  take(name: string, key: string, figure: RateFigure): Promise<RateDecision>;
  /** For how long this process knows the key to be used up; 0 = not known to be. Costs no round trip. */
  spentMs(name: string, key: string, figure: RateFigure): number;
  close(): Promise<void>;
}
