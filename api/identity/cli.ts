// Sign-ins of command lines, waiting for a person. No credential is in here: the api key is made when it is picked up.
import type pg from 'pg';
import { hashToken, type Keyring, randomBase32 } from '../../shared/crypto';

/** How long a person has. */
export const CLI_SESSION_SECONDS = 600;
/** 5 bits each. */
const ID_CHARACTERS = 40;

export interface OpenedCliSession {
  /** The command line's own: it picks up the key. */
  sessionId: string;
  /** In the link that a person opens: it completes, and picks up nothing. */
  approvalId: string;
  expiresAtMs: number;
}

export interface WaitingCliSession {
  requestedFrom: string;
  createdAt: Date;
  completed: boolean;
}

export interface ApprovedCliSession {
  /** How `complete` names it. */
  sessionHash: string;
  anonymousTokens: string[];
}

export type CliPickUp = { pending: true } | { pending: false; userId: string; teamId: string; claimedTokens: string[] };

export interface CliSessionStore {
  open(session: { anonymousTokens: readonly string[]; requestedFrom: string }): Promise<OpenedCliSession>;
  /** By either id. Null when there is none, or it has expired. */
  find(id: string): Promise<WaitingCliSession | null>;
  /** Of two people the first has it; the same person may come back until it is complete. Null for what is not to be had. */
  approve(approval: { id: string; userId: string; teamId: string }): Promise<ApprovedCliSession | null>;
  complete(sessionHash: string, claimedTokens: readonly string[]): Promise<void>;
  /** Hands a completed one out once, and forgets it. */
  take(sessionId: string): Promise<CliPickUp | null>;
}

export class PgCliSessionStore implements CliSessionStore {
  readonly #pool: pg.Pool;
  readonly #keyring: Keyring;

  constructor(pool: pg.Pool, keyring: Keyring) {
    this.#pool = pool;
    this.#keyring = keyring;
  }

  async open({ anonymousTokens, requestedFrom }: { anonymousTokens: readonly string[]; requestedFrom: string }): Promise<OpenedCliSession> {
    const [sessionId, approvalId] = [randomBase32(ID_CHARACTERS), randomBase32(ID_CHARACTERS)];
    const sessionHash = hashToken(sessionId);
    await this.#pool.query('DELETE FROM cli_sessions WHERE expires_at < now()');
    const { rows } = await this.#pool.query<{ expiresAt: Date }>(
      `INSERT INTO cli_sessions (session_hash, approval_hash, requested_from, anonymous_tokens_encrypted, expires_at)
       VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5)) RETURNING expires_at AS "expiresAt"`,
      [sessionHash, hashToken(approvalId), requestedFrom, this.#sealed(sessionHash, anonymousTokens), CLI_SESSION_SECONDS],
    );
    return { sessionId, approvalId, expiresAtMs: rows[0]?.expiresAt.getTime() ?? 0 };
  }

  async find(id: string): Promise<WaitingCliSession | null> {
    const { rows } = await this.#pool.query<WaitingCliSession>(
      `SELECT requested_from AS "requestedFrom", created_at AS "createdAt", completed_at IS NOT NULL AS completed
         FROM cli_sessions WHERE (session_hash = $1 OR approval_hash = $1) AND expires_at > now()`,
      [hashToken(id)],
    );
    return rows[0] ?? null;
  }

  async approve({ id, userId, teamId }: { id: string; userId: string; teamId: string }): Promise<ApprovedCliSession | null> {
    const { rows } = await this.#pool.query<{ sessionHash: string; tokens: string | null }>(
      `UPDATE cli_sessions SET user_id = $2, team_id = $3
        WHERE (session_hash = $1 OR approval_hash = $1) AND expires_at > now() AND completed_at IS NULL
          AND (user_id IS NULL OR (user_id = $2 AND team_id = $3))
        RETURNING session_hash AS "sessionHash", anonymous_tokens_encrypted AS tokens`,
      [hashToken(id), userId, teamId],
    );
    const row = rows[0];
    return row === undefined ? null : { sessionHash: row.sessionHash, anonymousTokens: this.#opened(row.sessionHash, row.tokens) };
  }

  async complete(sessionHash: string, claimedTokens: readonly string[]): Promise<void> {
    await this.#pool.query(
      `UPDATE cli_sessions SET completed_at = now(), claimed_tokens_encrypted = $2, anonymous_tokens_encrypted = NULL
        WHERE session_hash = $1 AND completed_at IS NULL`,
      [sessionHash, this.#sealed(sessionHash, claimedTokens)],
    );
  }

  async take(sessionId: string): Promise<CliPickUp | null> {
    const sessionHash = hashToken(sessionId);
    const { rows } = await this.#pool.query<{ userId: string; teamId: string; claimed: string | null }>(
      `DELETE FROM cli_sessions WHERE session_hash = $1 AND completed_at IS NOT NULL AND expires_at > now()
       RETURNING user_id AS "userId", team_id AS "teamId", claimed_tokens_encrypted AS claimed`,
      [sessionHash],
    );
    const taken = rows[0];
    if (taken !== undefined) {
      const { userId, teamId, claimed } = taken;
      return { pending: false, userId, teamId, claimedTokens: this.#opened(sessionHash, claimed) };
    }
    const waiting = await this.#pool.query('SELECT 1 FROM cli_sessions WHERE session_hash = $1 AND expires_at > now()', [sessionHash]);
    return waiting.rowCount === 1 ? { pending: true } : null;
  }

  #sealed(sessionHash: string, tokens: readonly string[]): string | null {
    return tokens.length === 0 ? null : this.#keyring.encrypt(JSON.stringify(tokens), `cli/${sessionHash}`);
  }

  #opened(sessionHash: string, sealed: string | null): string[] {
    return sealed === null ? [] : (JSON.parse(this.#keyring.decrypt(sealed, `cli/${sessionHash}`)) as string[]);
  }
}
