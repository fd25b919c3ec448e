// All policies, held in this process and read anew every few seconds: a request never waits for them.
import type pg from 'pg';
import { overriding, type Policy, type PolicyKey, type PolicyScope, type PolicySubject, type PolicyTable, policyTable } from './resolve';

const READ_EVERY_MS = 3_000;
/** More would be a mistake: every process holds them all. */
const MOST = 10_000;

export interface StoredPolicy extends Policy {
  updatedAt: Date;
  updatedBy: string;
}

/** What decides, and what operators change. */
export interface Policies {
  /** Null = the figure of plans.yaml holds. */
  figure(key: PolicyKey, subject: PolicySubject): number | null;
  list(): Promise<StoredPolicy[]>;
  put(policy: Policy & { updatedBy: string }): Promise<void>;
  /** False when there was none. */
  remove(policy: { scope: PolicyScope; key: PolicyKey }): Promise<boolean>;
}

export interface PolicyReaderOptions {
  pool: pg.Pool;
  /** Called once for each run of failures; what was read before stays in force. */
  onError?: (error: unknown) => void;
}

export class PgPolicies implements Policies {
  readonly #options: PolicyReaderOptions;
  readonly #timer: NodeJS.Timeout;
  #table: PolicyTable = new Map();
  #reads = 0;
  #held = 0;
  #failing = false;

  constructor(options: PolicyReaderOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#refresh(), READ_EVERY_MS).unref();
    void this.#refresh();
  }

  figure(key: PolicyKey, subject: PolicySubject): number | null {
    return overriding(this.#table, key, subject);
  }

  async list(): Promise<StoredPolicy[]> {
    const { rows } = await this.#options.pool.query<StoredPolicy>(
      `SELECT scope, key, value, updated_at AS "updatedAt", updated_by AS "updatedBy" FROM policies ORDER BY scope, key LIMIT ${MOST}`,
    );
    return rows;
  }

  async put({ scope, key, value, updatedBy }: Policy & { updatedBy: string }): Promise<void> {
    await this.#options.pool.query(
      `INSERT INTO policies (scope, key, value, updated_by) VALUES ($1, $2, $3, $4)
       ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, updated_by = excluded.updated_by, updated_at = now()`,
      [scope, key, value, updatedBy],
    );
    await this.#refresh();
  }

  async remove({ scope, key }: { scope: PolicyScope; key: PolicyKey }): Promise<boolean> {
    const { rowCount } = await this.#options.pool.query('DELETE FROM policies WHERE scope = $1 AND key = $2', [scope, key]);
    await this.#refresh();
    return rowCount === 1;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #refresh(): Promise<void> {
    this.#reads += 1;
    const read = this.#reads;
    try {
      const table = policyTable(await this.list());
      // One that began before a change may come in after the one that has seen it.
      if (read > this.#held) [this.#table, this.#held] = [table, read];
      this.#failing = false;
    } catch (error) {
      if (!this.#failing) this.#options.onError?.(error);
      this.#failing = true;
    }
  }
}
