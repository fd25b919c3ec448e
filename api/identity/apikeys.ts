// API keys: made by people, kept as a hash, shown once.
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { KeyScope } from '../../shared/authz';
import { hashToken, randomBase32 } from '../../shared/crypto';
import { withTransaction } from '../../shared/db';
import type { Logger } from '../../shared/logctx';
import { auditStatement } from '../audit';
import type { AuditEntry } from '../projection/store';

/** So that people and secret scanners know one when they see it. */
const KEY_PREFIX = 'lh_';
/** 5 bits each. */
const KEY_CHARACTERS = 40;
const HINT_CHARACTERS = 4;
const USED_EVERY_MS = 60_000;
const REMEMBERED_KEYS = 10_000;

export interface ApiKeyItem {
  id: string;
  name: string;
  scopes: KeyScope[];
  hint: string | null;
  createdAt: Date;
  createdBy: string | null;
  lastUsedAt: Date | null;
  revokedAt: Date | null;
}

export interface NewApiKey {
  teamId: string;
  name: string;
  scopes: readonly KeyScope[];
  createdBy: string | null;
}

export interface MadeApiKey {
  id: string;
  /** In clear, for the only time. */
  key: string;
  createdAt: Date;
}

export interface ApiKeyStore {
  create(key: NewApiKey, entry: (keyId: string) => AuditEntry): Promise<MadeApiKey>;
  list(teamId: string): Promise<ApiKeyItem[]>;
  /** False when the team has no such key; a key that is revoked already stays so. */
  revoke(teamId: string, keyId: string, entry: AuditEntry): Promise<boolean>;
  /** Notes that the key was used, some time soon; never in the way of the request. */
  used(keyId: string): void;
}

export class PgApiKeyStore implements ApiKeyStore {
  readonly #pool: pg.Pool;
  readonly #logger: Logger;
  readonly #notedAtMs = new Map<string, number>();

  constructor(pool: pg.Pool, logger: Logger) {
    this.#pool = pool;
    this.#logger = logger;
  }

  create({ teamId, name, scopes, createdBy }: NewApiKey, entry: (keyId: string) => AuditEntry): Promise<MadeApiKey> {
    const id = uuidv7();
    const key = `${KEY_PREFIX}${randomBase32(KEY_CHARACTERS)}`;
    return withTransaction(this.#pool, async (client) => {
      const { rows } = await client.query<{ createdAt: Date }>(
        `INSERT INTO api_keys (id, team_id, name, key_hash, scopes, created_by, hint) VALUES ($1, $2, $3, $4, $5, $6, $7)
         RETURNING created_at AS "createdAt"`,
        [id, teamId, name, hashToken(key), scopes, createdBy, key.slice(-HINT_CHARACTERS)],
      );
      await client.query(auditStatement(entry(id)));
      return { id, key, createdAt: rows[0]?.createdAt ?? new Date() };
    });
  }

  async list(teamId: string): Promise<ApiKeyItem[]> {
    const { rows } = await this.#pool.query<ApiKeyItem>(
      `SELECT id, name, scopes, hint, created_at AS "createdAt", created_by AS "createdBy", last_used_at AS "lastUsedAt",
              revoked_at AS "revokedAt"
         FROM api_keys WHERE team_id = $1 ORDER BY created_at DESC, id LIMIT 500`,
      [teamId],
    );
    return rows;
  }

  revoke(teamId: string, keyId: string, entry: AuditEntry): Promise<boolean> {
    return withTransaction(this.#pool, async (client) => {
      const { rows } = await client.query<{ revoked: boolean }>(
        'SELECT revoked_at IS NOT NULL AS revoked FROM api_keys WHERE id = $2 AND team_id = $1 FOR UPDATE',
        [teamId, keyId],
      );
      const key = rows[0];
      if (key === undefined) return false;
      if (key.revoked) return true;
      await client.query('UPDATE api_keys SET revoked_at = now() WHERE id = $1', [keyId]);
      await client.query(auditStatement(entry));
      return true;
    });
  }

  used(keyId: string): void {
    const nowMs = Date.now();
    if (nowMs - (this.#notedAtMs.get(keyId) ?? 0) < USED_EVERY_MS) return;
    if (this.#notedAtMs.size >= REMEMBERED_KEYS) this.#notedAtMs.clear();
    this.#notedAtMs.set(keyId, nowMs);
    // Several api processes note the same minute once.
    this.#pool
      .query(
        `UPDATE api_keys SET last_used_at = now()
          WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '${USED_EVERY_MS / 1000} seconds')`,
        [keyId],
      )
      .catch((error: unknown) => {
        this.#notedAtMs.delete(keyId);
        this.#logger.log('warn', 'the use of an api key could not be noted', { key_id: keyId, error });
      });
  }
}
