// Which person an issuer's subject is here, if any yet.
import type pg from 'pg';
import { withTransaction } from '../../shared/db';
import { auditStatement } from '../audit';
import type { AuditEntry } from '../projection/store';
import type { OidcIdentity } from './oidc';
import type { IdentityStore } from './store';

export type Subject = Pick<OidcIdentity, 'issuer' | 'subject'>;
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
}

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
}

async function vouchedUser(client: pg.PoolClient, email: string): Promise<string | null> {
  const { rows } = await client.query<{ id: string }>('SELECT id FROM users WHERE lower(email) = lower($1) AND email_verified', [email]);
  return rows[0]?.id ?? null;
}
