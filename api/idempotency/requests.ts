// The kept requests, in the platform's Postgres. Whoever works under a key holds a lease on it; who died leaves it to the next.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Keyring } from '../../shared/crypto';
import type { Reply } from '../http/route';

export interface IdempotentRequest {
  scope: string;
  key: string;
  route: string;
  requestHash: string;
}

export interface Lease {
  /** Keeps the answer. False = another has taken over meanwhile, and this answer is nobody's. */
  finish(reply: Reply): Promise<boolean>;
  /** Failed or refused: the next request under the key tries anew. */
  open(): Promise<void>;
}

export type Claim =
  | { outcome: 'claimed'; lease: Lease }
  | { outcome: 'done'; reply: Reply }
  | { outcome: 'reused' }
  /** The first one is still at it. */
  | { outcome: 'busy' };

export interface IdempotentRequests {
  /** Waits with a request that is under way. */
  claim(request: IdempotentRequest): Promise<Claim>;
}

export interface IdempotentRequestsOptions {
  pool: pg.Pool;
  keyring: Keyring;
  /** How long an answer is kept, as plans.yaml says now. */
  keptMs: () => number;
  /** Shorter in tests. */
  leaseMs?: number;
  waitMs?: number;
}

const LEASE_MS = 10_000;
/** Below what clients and proxies wait for an answer. */
const WAIT_MS = 25_000;
const LOOK_FIRST_MS = 25;
const LOOK_LAST_MS = 400;
const SWEEP_EVERY_MS = 600_000;

interface Row {
  request_hash: string;
  state: 'running' | 'open' | 'done';
  status: number | null;
  answer_encrypted: string | null;
}

/** Ours when there is none, when it is open, when its holder's lease has ended, or when it has expired, whatever it was. */
const CLAIM = `
INSERT INTO idempotent_requests AS held (scope, key, route, request_hash, state, fence, lease_until, expires_at)
VALUES ($1, $2, $3, $4, 'running', $5, now() + $6 * interval '1 ms', now() + $7 * interval '1 ms')
ON CONFLICT (scope, key) DO UPDATE
   SET route = excluded.route, request_hash = excluded.request_hash, state = 'running', fence = excluded.fence, lease_until = excluded.lease_until,
       status = NULL, answer_encrypted = NULL, expires_at = excluded.expires_at
 WHERE held.expires_at < now()
    OR (held.request_hash = excluded.request_hash AND (held.state = 'open' OR (held.state = 'running' AND held.lease_until < now())))`;

export class PgIdempotentRequests implements IdempotentRequests {
  readonly #options: IdempotentRequestsOptions;
  readonly #leaseMs: number;
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: IdempotentRequestsOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#sweeper = setInterval(() => void this.sweep(), SWEEP_EVERY_MS).unref();
  }

  async claim(request: IdempotentRequest): Promise<Claim> {
    const deadlineMs = performance.now() + (this.#options.waitMs ?? WAIT_MS);
    for (let pauseMs = LOOK_FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, LOOK_LAST_MS)) {
      const fence = randomUUID();
      if (await this.#take(request, fence)) return { outcome: 'claimed', lease: this.#lease(request, fence) };
      const row = await this.#find(request);
      // Swept in between: the next turn takes it.
      if (row !== null) {
        if (row.request_hash !== request.requestHash) return { outcome: 'reused' };
        if (row.state === 'done') return { outcome: 'done', reply: this.#opened(request, row) };
      }
      if (performance.now() >= deadlineMs) return { outcome: 'busy' };
      await sleep(pauseMs);
    }
  }

  /** What has expired is taken over anyway; this only keeps the table small. */
  async sweep(): Promise<void> {
    await this.#options.pool.query('DELETE FROM idempotent_requests WHERE expires_at < now()').catch(() => undefined);
  }

  stop(): void {
    clearInterval(this.#sweeper);
  }

  async #take({ scope, key, route, requestHash }: IdempotentRequest, fence: string): Promise<boolean> {
    const values = [scope, key, route, requestHash, fence, this.#leaseMs, this.#options.keptMs()];
    return (await this.#options.pool.query({ name: 'idempotent_claim', text: CLAIM, values })).rowCount === 1;
  }

  async #find({ scope, key }: IdempotentRequest): Promise<Row | null> {
    const { rows } = await this.#options.pool.query<Row>({
      name: 'idempotent_find',
      text: 'SELECT request_hash, state, status, answer_encrypted FROM idempotent_requests WHERE scope = $1 AND key = $2',
      values: [scope, key],
    });
    return rows[0] ?? null;
  }

  #lease({ scope, key }: IdempotentRequest, fence: string): Lease {
    const { pool, keyring } = this.#options;
    const change = async (set: string, values: unknown[]) =>
      (
        await pool.query(`UPDATE idempotent_requests SET ${set} WHERE scope = $1 AND key = $2 AND fence = $3 AND state = 'running'`, [
          scope,
          key,
          fence,
          ...values,
        ])
      ).rowCount === 1;
    const renewal = setInterval(() => {
      change(`lease_until = now() + $4 * interval '1 ms'`, [this.#leaseMs]).catch(() => undefined);
    }, this.#leaseMs / 3).unref();
    return {
      async finish({ status, body, headers, contentType }) {
        clearInterval(renewal);
        const sealed = keyring.encrypt(JSON.stringify({ body, headers, contentType }), sealedFor(scope, key));
        return await change(`state = 'done', status = $4, answer_encrypted = $5`, [status, sealed]);
      },
      async open() {
        clearInterval(renewal);
        // Should it not succeed, the lease ends by itself.
        await change(`state = 'open'`, []).catch(() => false);
      },
    };
  }

  #opened({ scope, key }: IdempotentRequest, { status, answer_encrypted }: Row): Reply {
    const kept = JSON.parse(this.#options.keyring.decrypt(answer_encrypted ?? '', sealedFor(scope, key)));
    return { ...kept, status: status ?? 200 };
  }
}

function sealedFor(scope: string, key: string): string {
  return `idempotent:${scope}:${key}`;
}
