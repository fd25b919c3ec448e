// Which inboxes there are, which tokens open them, and whether they are open. In Postgres alone: Redis holds no state that could be lost.
import type pg from 'pg';
import { hashToken } from '../crypto';
import { withTransaction } from '../db';
import type { RedisRing } from './redis-ring';
import { BODY_BYTES, BYTES_PER_MINUTE } from './schema';
import { seal, unseal } from './sealing';
import type { FoundInbox, InboxLimits, InboxLogger, SignatureRule } from './types';

export interface InboxToken {
  version: number;
  /** The random part of the receive url. */
  token: string;
}

export interface CallOptions {
  signal?: AbortSignal;
}

/** Long enough for a sender to notice; the hash of a random value that opens nothing tells nobody anything. */
const RETIRED_KEPT = '30 days';

export class InboxRegistry {
  readonly #pool: pg.Pool;
  readonly #redis: RedisRing | null;
  readonly #logger: InboxLogger | undefined;

  constructor(parts: { pool: pg.Pool; redis: RedisRing | null; logger?: InboxLogger }) {
    this.#pool = parts.pool;
    this.#redis = parts.redis;
    this.#logger = parts.logger;
  }

  /** Makes it, or completes and opens it. `allowed` is asked under the name's lock. */
  async establish(
    spec: InboxToken & { objectName: string; limits: InboxLimits },
    options: CallOptions & { allowed: () => Promise<boolean> },
  ): Promise<'made' | 'refused'> {
    return await this.#locked(spec.objectName, options, async (client) => {
      if (!(await options.allowed())) return 'refused';
      const { objectName, version, token, limits } = spec;
      await client.query(
        `INSERT INTO inboxes (object_name, open, max_requests, max_bytes, max_body_bytes, max_bytes_per_minute)
         VALUES ($1, true, $2, $3, $4, $5)
         ON CONFLICT (object_name) DO UPDATE SET open = true, ${SET_LIMITS}`,
        [objectName, ...limitValues(limits)],
      );
      await addToken(client, { objectName, version, tokenHash: hashToken(token), sealedSecret: null });
      return 'made';
    });
  }

  /** False when there is no such inbox. Waits for what is being stored; after it nothing more is. */
  async setOpen(objectName: string, open: boolean, options: CallOptions = {}): Promise<boolean> {
    return await this.#set(objectName, 'open', open, options);
  }

  async setReadOnly(objectName: string, readOnly: boolean, options: CallOptions = {}): Promise<boolean> {
    return await this.#set(objectName, 'read_only', readOnly, options);
  }

  async setLimits(objectName: string, limits: InboxLimits, options: CallOptions = {}): Promise<boolean> {
    return await this.#locked(objectName, options, async (client) => {
      const { rowCount } = await client.query(`UPDATE inboxes SET ${SET_LIMITS} WHERE object_name = $1`, [
        objectName,
        ...limitValues(limits),
      ]);
      return rowCount === 1;
    });
  }

  /** The new token beside the one before; any other ends. A signing secret is sealed for the new one too. */
  async rotate(
    spec: InboxToken & { objectName: string; previous: InboxToken | null },
    options: CallOptions = {},
  ): Promise<'rotated' | 'stale' | 'absent'> {
    const { objectName, version, token, previous } = spec;
    return await this.#locked(objectName, options, async (client) => {
      if (!(await exists(client, objectName))) return 'absent';
      const { rows } = await client.query<{ version: number; sealed_secret: string | null }>(
        'SELECT version, sealed_secret FROM inbox_tokens WHERE object_name = $1',
        [objectName],
      );
      if (rows.some((row) => row.version > version)) return 'stale';
      const sealedBefore = rows.find((row) => row.version === previous?.version)?.sealed_secret ?? null;
      const sealedSecret = sealedBefore === null || previous === null ? null : seal(unseal(sealedBefore, previous.token), token);
      await retireTokens(client, objectName, 'version <> ALL ($2)', [version, previous?.version ?? version]);
      await addToken(client, { objectName, version, tokenHash: hashToken(token), sealedSecret });
      return 'rotated';
    });
  }

  async retire(objectName: string, version: number, options: CallOptions = {}): Promise<void> {
    await this.#locked(objectName, options, (client) => retireTokens(client, objectName, 'version = ANY ($2)', [version]));
  }

  /** Null = signatures are not checked any more. The secret is sealed for each token that is given; false when one of them is not there. */
  async setSignature(
    objectName: string,
    signature: { rule: SignatureRule; secret: string; tokens: InboxToken[] } | null,
  ): Promise<boolean> {
    return await this.#locked(objectName, {}, async (client) => {
      const rule = signature?.rule ?? null;
      await client.query('UPDATE inboxes SET signature = $2 WHERE object_name = $1', [objectName, rule && JSON.stringify(rule)]);
      await client.query('UPDATE inbox_tokens SET sealed_secret = NULL WHERE object_name = $1', [objectName]);
      for (const { version, token } of signature?.tokens ?? []) {
        await client.query('UPDATE inbox_tokens SET sealed_secret = $3 WHERE object_name = $1 AND version = $2', [
          objectName,
          version,
          seal(signature?.secret ?? '', token),
        ]);
      }
      const { rows } = await client.query<{ bare: boolean }>(
        'SELECT coalesce(bool_or(sealed_secret IS NULL), true) AS bare FROM inbox_tokens WHERE object_name = $1',
        [objectName],
      );
      // A token without its secret would refuse every request, or take every one.
      if (signature !== null && rows[0]?.bare !== false) throw new Error('the inbox has a token that is not the api’s');
      return (await exists(client, objectName)) === true;
    });
  }

  /** Everything of it; absent is success. `onlyIf` is asked under the name's lock. */
  async remove(objectName: string, options: CallOptions & { onlyIf?: () => Promise<boolean> } = {}): Promise<void> {
    await this.#locked(objectName, options, async (client) => {
      if (options.onlyIf && !(await options.onlyIf())) return;
      const { rows } = await client.query<{ uses_redis: boolean }>('SELECT uses_redis FROM inboxes WHERE object_name = $1', [objectName]);
      // Before the row goes: as long as this fails the inbox is listed, and the delete is repeated.
      if (rows[0]?.uses_redis && this.#redis !== null) await this.#redis.remove(objectName);
      // No row knows of it, and a request that was late may have put it there all the same.
      else if (this.#redis?.available) await this.#redis.remove(objectName);
      else if (rows[0]?.uses_redis)
        this.#logger?.warn('an inbox that was in Redis is deleted without one: set LEASEHOLD_REDIS_URL', { object_name: objectName });
      await retireTokens(client, objectName, 'true');
      await client.query('DELETE FROM inboxes WHERE object_name = $1', [objectName]);
    });
  }

  /** Also what only Redis has. */
  async list(prefix: string): Promise<string[]> {
    const { rows } = await this.#pool.query<{ object_name: string }>('SELECT object_name FROM inboxes WHERE starts_with(object_name, $1)', [
      prefix,
    ]);
    const inRedis = (await this.#redis?.names(prefix)) ?? [];
    return [...new Set([...rows.map((row) => row.object_name), ...inRedis])].sort();
  }

  async measure(prefix: string): Promise<{ objectName: string; bytes: number }[]> {
    const { rows } = await this.#pool.query<{ object_name: string; stored_bytes: number; uses_redis: boolean }>(
      'SELECT object_name, stored_bytes, uses_redis FROM inboxes WHERE starts_with(object_name, $1)',
      [prefix],
    );
    const inRedis = rows.filter((row) => row.uses_redis).map((row) => row.object_name);
    const redisBytes = (await this.#redis?.measure(inRedis)) ?? new Map<string, number>();
    return rows.map((row) => ({ objectName: row.object_name, bytes: row.stored_bytes + (redisBytes.get(row.object_name) ?? 0) }));
  }

  async find(token: string): Promise<FoundInbox | 'retired' | null> {
    const { rows } = await this.#pool.query<FoundRow>(
      // By name, since the receiver may be newer than the tables for a while: the worker alters them.
      `SELECT i.object_name, i.open, i.read_only, i.uses_redis, i.signature, t.sealed_secret,
              coalesce((to_jsonb(i) ->> 'max_body_bytes')::integer, ${BODY_BYTES}) AS max_body_bytes,
              coalesce((to_jsonb(i) ->> 'max_bytes_per_minute')::bigint, ${BYTES_PER_MINUTE}) AS max_bytes_per_minute
       FROM inbox_tokens t JOIN inboxes i USING (object_name) WHERE t.token_hash = $1
       UNION ALL SELECT NULL, false, false, false, NULL, NULL, 0, 0 FROM retired_tokens WHERE token_hash = $1
       ORDER BY object_name NULLS LAST LIMIT 1`,
      [hashToken(token)],
    );
    const [row] = rows;
    if (row === undefined) return null;
    if (row.object_name === null) return 'retired';
    const signature = row.signature && { ...row.signature, sealedSecret: row.sealed_secret ?? '' };
    return {
      objectName: row.object_name,
      open: row.open,
      readOnly: row.read_only,
      usesRedis: row.uses_redis,
      maxBodyBytes: row.max_body_bytes,
      maxBytesPerMinute: row.max_bytes_per_minute,
      signature,
    };
  }

  async stateOf(objectName: string): Promise<{ open: boolean; usesRedis: boolean; signature: SignatureRule | null } | null> {
    const { rows } = await this.#pool.query<{ open: boolean; uses_redis: boolean; signature: SignatureRule | null }>(
      'SELECT open, uses_redis, signature FROM inboxes WHERE object_name = $1',
      [objectName],
    );
    const [row] = rows;
    return row === undefined ? null : { open: row.open, usesRedis: row.uses_redis, signature: row.signature };
  }

  /** Before the first request goes there: from then on a delete looks in Redis too. */
  async noteRedis(objectName: string): Promise<void> {
    await this.#pool.query('UPDATE inboxes SET uses_redis = true WHERE object_name = $1 AND NOT uses_redis', [objectName]);
  }

  async forgetOldTokens(): Promise<void> {
    await this.#pool.query(`DELETE FROM retired_tokens WHERE retired_at < now() - interval '${RETIRED_KEPT}'`);
  }

  async #set(objectName: string, column: 'open' | 'read_only', value: boolean, options: CallOptions): Promise<boolean> {
    return await this.#locked(objectName, options, async (client) => {
      const { rowCount } = await client.query(`UPDATE inboxes SET ${column} = $2 WHERE object_name = $1`, [objectName, value]);
      return rowCount === 1;
    });
  }

  /** Alone with the name until the end of the transaction: what is being stored under it ends first, and nothing begins. */
  async #locked<T>(objectName: string, options: CallOptions, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    options.signal?.throwIfAborted();
    return await withTransaction(this.#pool, async (client) => {
      await client.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [lockNameOf(objectName)]);
      const result = await work(client);
      options.signal?.throwIfAborted();
      return result;
    });
  }
}

interface FoundRow {
  object_name: string | null;
  open: boolean;
  read_only: boolean;
  uses_redis: boolean;
  max_body_bytes: number;
  max_bytes_per_minute: number;
  signature: SignatureRule | null;
  sealed_secret: string | null;
}

const SET_LIMITS = 'max_requests = $2, max_bytes = $3, max_body_bytes = $4, max_bytes_per_minute = $5';

function limitValues(limits: InboxLimits): number[] {
  return [limits.maxRequests, limits.maxBytes, limits.maxBodyBytes, limits.maxBytesPerMinute];
}

/** Receivers hold it together, whoever changes the inbox holds it alone. */
export function lockNameOf(objectName: string): string {
  return `inbox/${objectName}`;
}

async function exists(client: pg.PoolClient, objectName: string): Promise<boolean> {
  return (await client.query('SELECT FROM inboxes WHERE object_name = $1', [objectName])).rowCount === 1;
}

/** A version's token never changes, so one that is there already is the same; a sealed secret is not taken from it. */
async function addToken(
  client: pg.PoolClient,
  row: { objectName: string; version: number; tokenHash: string; sealedSecret: string | null },
): Promise<void> {
  await client.query(
    `INSERT INTO inbox_tokens AS known (token_hash, object_name, version, sealed_secret) VALUES ($1, $2, $3, $4)
     ON CONFLICT (token_hash) DO UPDATE SET sealed_secret = coalesce(known.sealed_secret, $4)`,
    [row.tokenHash, row.objectName, row.version, row.sealedSecret],
  );
}

async function retireTokens(client: pg.PoolClient, objectName: string, which: string, versions?: number[]): Promise<void> {
  await client.query(
    `WITH gone AS (DELETE FROM inbox_tokens WHERE object_name = $1 AND ${which} RETURNING token_hash)
     INSERT INTO retired_tokens (token_hash) SELECT token_hash FROM gone ON CONFLICT (token_hash) DO UPDATE SET retired_at = now()`,
    versions === undefined ? [objectName] : [objectName, versions],
  );
}
