// All policies, held in this process and read anew every few seconds: a request never waits for them.
import type pg from 'pg';
import { overriding, type PolicyKey, type PolicySubject, type PolicyTable, policyTable } from './resolve';
import { listPolicies } from './store';

const READ_EVERY_MS = 3_000;

export interface PolicyReaderOptions {
  pool: pg.Pool;
  /** Called once for each run of failures; what was read before stays in force. */
  onError?: (error: unknown) => void;
}

export class PolicyReader {
  readonly #options: PolicyReaderOptions;
  readonly #timer: NodeJS.Timeout;
  #table: PolicyTable = new Map();
  #failing = false;

  constructor(options: PolicyReaderOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.refresh(), READ_EVERY_MS).unref();
    void this.refresh();
  }

  /** Null = the figure of plans.yaml holds. */
  figure(key: PolicyKey, subject: PolicySubject): number | null {
    return overriding(this.#table, key, subject);
  }

  /** Reads them now: whoever has changed one sees the change at once. */
  async refresh(): Promise<void> {
    try {
      this.#table = policyTable(await listPolicies(this.#options.pool));
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#options.onError?.(error);
      this.#failing = true;
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
