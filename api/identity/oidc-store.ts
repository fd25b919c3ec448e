// Who an issuer's subject is here: a person, a service account, or nobody yet.
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { KeyScope } from '../../shared/authz';
import { withTransaction } from '../../shared/db';
import { auditStatement } from '../audit';
import type { AuditEntry } from '../projection/store';
import type { OidcIdentity } from './oidc';
import type { IdentityStore } from './store';

type Subject = Pick<OidcIdentity, 'issuer' | 'subject'>;
export type ServiceRole = 'member' | 'viewer';

export interface ServiceAccount extends Subject {
  id: string;
  teamId: string;
  tier: string;
  name: string;
  role: ServiceRole;
  scopes: KeyScope[];
  createdAt: Date;
  revoked: boolean;
}

export interface NewServiceAccount extends Subject {
  teamId: string;
  name: string;
  role: ServiceRole;
  scopes: readonly KeyScope[];
  createdBy: string | null;
}

/** A first sign-in, with the address already checked. */
export interface NewPerson extends Subject {
  email: string;
  emailVerified: boolean;
  teamName: string;
  tier: string;
}

/** For the audit log: who it was until then. */
export type SignUpTrail = Pick<AuditEntry, 'actor' | 'correlationId' | 'ip'>;

export interface SignUp {
  userId: string;
  /** What it took: a user of their own, or one that another issuer (or a claim) had made and vouched for. */
  how: 'known' | 'linked' | 'created';
}

export interface SignInStore {
  findPerson(subject: Subject): Promise<{ userId: string } | null>;
  /** The user of this identity, made or linked when there is none. Any number of calls at once end with one user. */
  signUp(person: NewPerson, trail: SignUpTrail): Promise<SignUp>;
  /** The live one, else the one that was revoked last. */
  findServiceAccount(subject: Subject): Promise<ServiceAccount | null>;
  listServiceAccounts(teamId: string): Promise<ServiceAccount[]>;
  /** Null when the subject is bound already, or is a person's. */
  createServiceAccount(account: NewServiceAccount): Promise<ServiceAccount | null>;
  /** False when the team has no live one of this id. */
  revokeServiceAccount(key: { id: string; teamId: string }): Promise<boolean>;
}

const SERVICE_ACCOUNT = `s.id, s.team_id AS "teamId", t.tier, s.name, s.issuer, s.subject, s.role, s.scopes, s.created_at AS "createdAt",
  s.revoked_at IS NOT NULL AS revoked`;
const UNIQUE_VIOLATION = '23505';
/** Each loss of a race leaves a row that the next attempt finds: the identity, or the address. */
const ATTEMPTS = 4;

function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === UNIQUE_VIOLATION;
}

export class PgSignInStore implements SignInStore {
  readonly #pool: pg.Pool;
  readonly #identity: Pick<IdentityStore, 'createTeamWithOwner'>;

  constructor(pool: pg.Pool, identity: Pick<IdentityStore, 'createTeamWithOwner'>) {
    this.#pool = pool;
    this.#identity = identity;
  }

  async findPerson({ issuer, subject }: Subject): Promise<{ userId: string } | null> {
    const { rows } = await this.#pool.query<{ userId: string }>({
      name: 'identity',
      text: 'SELECT user_id AS "userId" FROM identities WHERE issuer = $1 AND subject = $2',
      values: [issuer, subject],
    });
    return rows[0] ?? null;
  }

  async signUp(person: NewPerson, trail: SignUpTrail): Promise<SignUp> {
    for (let attempt = 1; ; attempt += 1) {
      const known = await this.findPerson(person);
      if (known !== null) return { ...known, how: 'known' };
      try {
        return await withTransaction(this.#pool, (client) => this.#signUpOn(client, person, trail));
      } catch (error) {
        if (!isUniqueViolation(error) || attempt === ATTEMPTS) throw error;
      }
    }
  }

  async #signUpOn(client: pg.PoolClient, person: NewPerson, trail: SignUpTrail): Promise<SignUp> {
    const existing = person.emailVerified ? await vouchedUser(client, person.email) : null;
    const { userId, teamId } =
      existing === null ? await this.#identity.createTeamWithOwner(person, client) : { userId: existing, teamId: null };
    await client.query('INSERT INTO identities (issuer, subject, user_id) VALUES ($1, $2, $3)', [person.issuer, person.subject, userId]);
    await client.query(
      auditStatement({
        ...trail,
        action: existing === null ? 'user.create' : 'identity.link',
        targetType: 'user',
        targetId: userId,
        teamId,
        result: 'success',
        data: { issuer: person.issuer, subject: person.subject, email_verified: person.emailVerified },
      }),
    );
    return { userId, how: existing === null ? 'created' : 'linked' };
  }

  async findServiceAccount({ issuer, subject }: Subject): Promise<ServiceAccount | null> {
    const { rows } = await this.#pool.query<ServiceAccount>({
      name: 'service_account',
      text: `SELECT ${SERVICE_ACCOUNT} FROM service_accounts s JOIN teams t ON t.id = s.team_id
              WHERE s.issuer = $1 AND s.subject = $2 ORDER BY s.revoked_at DESC NULLS FIRST LIMIT 1`,
      values: [issuer, subject],
    });
    return rows[0] ?? null;
  }

  async listServiceAccounts(teamId: string): Promise<ServiceAccount[]> {
    const { rows } = await this.#pool.query<ServiceAccount>(
      `SELECT ${SERVICE_ACCOUNT} FROM service_accounts s JOIN teams t ON t.id = s.team_id
        WHERE s.team_id = $1 AND s.revoked_at IS NULL ORDER BY s.created_at DESC, s.id DESC`,
      [teamId],
    );
    return rows;
  }

  async createServiceAccount(account: NewServiceAccount): Promise<ServiceAccount | null> {
    const { teamId, name, issuer, subject, role, scopes, createdBy } = account;
    const { rows } = await this.#pool.query<ServiceAccount>(
      `WITH s AS (
         INSERT INTO service_accounts (id, team_id, name, issuer, subject, role, scopes, created_by)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS (SELECT 1 FROM identities WHERE issuer = $4 AND subject = $5)
         ON CONFLICT (issuer, subject) WHERE revoked_at IS NULL DO NOTHING RETURNING *)
       SELECT ${SERVICE_ACCOUNT} FROM s JOIN teams t ON t.id = s.team_id`,
      [uuidv7(), teamId, name, issuer, subject, role, [...scopes], createdBy],
    );
    return rows[0] ?? null;
  }

  async revokeServiceAccount({ id, teamId }: { id: string; teamId: string }): Promise<boolean> {
    const { rowCount } = await this.#pool.query(
      'UPDATE service_accounts SET revoked_at = now() WHERE id = $1 AND team_id = $2 AND revoked_at IS NULL',
      [id, teamId],
    );
    return rowCount === 1;
  }
}

async function vouchedUser(client: pg.PoolClient, email: string): Promise<string | null> {
  const { rows } = await client.query<{ id: string }>('SELECT id FROM users WHERE lower(email) = lower($1) AND email_verified', [email]);
  return rows[0]?.id ?? null;
}
