// Takes requests in, and hands them out again: into Redis while it answers, else into Postgres; out of both.
import type pg from 'pg';
import { escapeLiteral } from 'pg';
import { v7 as uuidV7 } from 'uuid';
import { hashToken } from '../crypto';
import { createPool, withTransaction } from '../db';
import { afterPostgres, getPostgres, listPostgres, pushToPostgres, trimPostgres } from './postgres-ring';
import { RedisRing } from './redis-ring';
import { InboxRegistry, lockNameOf } from './registry';
import type {
  CapturedRequest,
  FoundInbox,
  InboxLimits,
  InboxLogger,
  ReceiveOutcome,
  RequestSummary,
  SignatureRule,
  StoredRequest,
} from './types';

export interface InboxOptions {
  /** `LEASEHOLD_INBOX_URL`: role and database of the same name on the tenants' server. */
  url: string;
  /** Absent = the ring is in Postgres. */
  redisUrl?: string;
  /** What Redis may take for one command before Postgres takes the request. */
  redisTimeoutMs?: number;
  applicationName: string;
  maxConnections?: number;
  logger?: InboxLogger;
}

export interface InboxState {
  open: boolean;
  signature: SignatureRule | null;
}

export class InboxStore {
  readonly registry: InboxRegistry;
  readonly #pool: pg.Pool;
  readonly #redis: RedisRing | null;

  constructor(options: InboxOptions) {
    const { url, redisUrl, redisTimeoutMs, applicationName, maxConnections, logger } = options;
    this.#pool = createPool({ url, applicationName, max: maxConnections ?? 10 });
    this.#redis = redisUrl === undefined ? null : new RedisRing({ url: redisUrl, commandTimeoutMs: redisTimeoutMs, logger });
    this.registry = new InboxRegistry({ pool: this.#pool, redis: this.#redis, logger });
  }

  /**
   * Stores it if the token still opens the inbox at that moment: whoever closes it waits until this is done, and nothing comes after.
   */
  async receive(token: string, found: FoundInbox, captured: CapturedRequest): Promise<ReceiveOutcome> {
    const redis = this.#redis?.hasRoom ? this.#redis : null;
    if (redis !== null && !found.usesRedis) await this.registry.noteRedis(found.objectName);
    const client = await this.#pool.connect();
    let broken = true;
    try {
      const outcome = await this.#store(client, { token, objectName: found.objectName, captured, redis });
      await client.query('COMMIT');
      broken = false;
      return outcome;
    } finally {
      // A connection that is dropped rolls back and frees its locks.
      client.release(broken);
    }
  }

  async #store(
    client: pg.PoolClient,
    { token, objectName, captured, redis }: { token: string; objectName: string; captured: CapturedRequest; redis: RedisRing | null },
  ): Promise<ReceiveOutcome> {
    const inbox = await begin(client, { token, objectName, forWriting: redis === null });
    if (inbox === null) return { outcome: 'unknown' };
    if (!inbox.open) return { outcome: 'inactive' };
    if (inbox.read_only) return { outcome: 'read_only' };
    const request = { id: uuidV7(), receivedAt: new Date(), captured };
    const limits = { maxRequests: inbox.max_requests, maxBytes: inbox.max_bytes };
    // One that Redis may have taken before it failed has the same id in both, and is one when it is read.
    const inRedis = await redis?.push(objectName, request, limits).catch(() => null);
    if (typeof inRedis === 'boolean') return { outcome: 'stored', id: request.id, rotated: inRedis };
    if (redis !== null) await client.query('SELECT FROM inboxes WHERE object_name = $1 FOR UPDATE', [objectName]);
    const rotated = await pushToPostgres(client, objectName, request);
    return { outcome: 'stored', id: request.id, rotated };
  }

  /** Null when there is no such inbox. */
  async state(objectName: string): Promise<InboxState | null> {
    const state = await this.registry.stateOf(objectName);
    return state && { open: state.open, signature: state.signature };
  }

  /** Newest first. What only Redis has is missing while Redis is away. */
  async list(objectName: string, page: { before: string | null; limit: number }): Promise<RequestSummary[]> {
    const found = await this.#both(
      () => listPostgres(this.#pool, objectName, page),
      (redis) => redis.list(objectName, page),
    );
    return merged(found)
      .sort((a, b) => (a.id < b.id ? 1 : -1))
      .slice(0, page.limit);
  }

  /** Oldest first, of those that came after `after`. */
  async after(objectName: string, page: { after: string; limit: number }): Promise<RequestSummary[]> {
    const found = await this.#both(
      () => afterPostgres(this.#pool, objectName, page),
      (redis) => redis.after(objectName, page),
    );
    return merged(found)
      .sort((a, b) => (a.id < b.id ? -1 : 1))
      .slice(0, page.limit);
  }

  async get(objectName: string, id: string): Promise<StoredRequest | null> {
    const inPostgres = await getPostgres(this.#pool, objectName, id);
    if (inPostgres !== null || this.#redis?.available !== true) return inPostgres;
    return await this.#redis.get(objectName, id).catch(() => null);
  }

  /** The new limits, and what no longer fits goes. */
  async applyLimits(objectName: string, limits: InboxLimits, options: { signal?: AbortSignal } = {}): Promise<boolean> {
    if (!(await this.registry.setLimits(objectName, limits, options))) return false;
    await withTransaction(this.#pool, (client) => trimPostgres(client, objectName));
    // Where it cannot be asked now, the next request trims.
    if (this.#redis?.available) await this.#redis.trim(objectName, limits).catch(() => undefined);
    return true;
  }

  /** Whether requests can be taken in. */
  async ping(): Promise<void> {
    await this.#pool.query('SELECT FROM inboxes LIMIT 1');
  }

  async serverVersion(): Promise<string> {
    const { rows } = await this.#pool.query<{ version: string }>("SELECT current_setting('server_version') AS version");
    return rows[0]?.version ?? 'unknown';
  }

  async close(): Promise<void> {
    this.#redis?.close();
    await this.#pool.end();
  }

  async #both(postgres: () => Promise<RequestSummary[]>, redis: (ring: RedisRing) => Promise<RequestSummary[]>): Promise<RequestSummary[]> {
    const ring = this.#redis;
    const [first, second] = await Promise.all([postgres(), ring?.available ? redis(ring).catch(() => []) : []]);
    return [...first, ...second];
  }
}

interface LockedInbox {
  open: boolean;
  read_only: boolean;
  max_requests: number;
  max_bytes: number;
}

/** One round trip for three statements: the row is read by one of its own, after the lock is there, so it is what the holder before left. */
async function begin(
  client: pg.PoolClient,
  { token, objectName, forWriting }: { token: string; objectName: string; forWriting: boolean },
): Promise<LockedInbox | null> {
  const answers: unknown = await client.query(`BEGIN;
    SELECT pg_advisory_xact_lock_shared(hashtextextended(${escapeLiteral(lockNameOf(objectName))}, 0));
    SELECT i.open, i.read_only, i.max_requests, i.max_bytes FROM inboxes i JOIN inbox_tokens t USING (object_name)
    WHERE t.token_hash = ${escapeLiteral(hashToken(token))} AND i.object_name = ${escapeLiteral(objectName)}
    ${forWriting ? 'FOR UPDATE OF i' : ''}`);
  return (answers as pg.QueryResult<LockedInbox>[]).at(-1)?.rows[0] ?? null;
}

function merged(requests: RequestSummary[]): RequestSummary[] {
  return [...new Map(requests.map((request) => [request.id, request])).values()];
}
