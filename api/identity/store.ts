// People, teams and sessions on the platform's Postgres.
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { TeamRole } from '../../shared/authz';
import { withTransaction } from '../../shared/db';

export interface Member {
  userId: string;
  email: string;
  teamId: string;
  teamName: string;
  tier: string;
  role: TeamRole;
  platformOperator: boolean;
}

export interface NewTeam {
  email: string;
  /** Whether somebody whom we trust vouched for the address. */
  emailVerified: boolean;
  teamName: string;
  tier: string;
}

export interface StoredSession extends Member {
  sessionId: string;
  /** Also when its user has left the team. */
  revoked: boolean;
}

const MEMBER = `u.id AS "userId", u.email, t.id AS "teamId", t.name AS "teamName", t.tier, m.role, u.platform_operator AS "platformOperator"`;

export interface IdentityStore {
  /** The user whose address is vouched for. */
  findVerifiedUser(email: string): Promise<{ userId: string } | null>;
  /** The oldest team first. */
  membershipsOf(userId: string): Promise<Member[]>;
  /** A new user with a team of their own, as its owner. On the caller's transaction when one is given. */
  createTeamWithOwner(team: NewTeam, client?: pg.PoolClient): Promise<Member>;
  /** Removes the team with its only user; false when it holds something already, and nothing is changed then. */
  disband(member: Pick<Member, 'teamId' | 'userId'>): Promise<boolean>;
  openSession(session: { userId: string; teamId: string; expiresAtMs: number }): Promise<{ sessionId: string }>;
  /** Null when there is none. */
  findSession(sessionId: string): Promise<StoredSession | null>;
  /** True when it was live until now. */
  revokeSession(sessionId: string): Promise<boolean>;
}

const FOREIGN_KEY_VIOLATION = '23503';

export class PgIdentityStore implements IdentityStore {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async findVerifiedUser(email: string): Promise<{ userId: string } | null> {
    const { rows } = await this.#pool.query<{ userId: string }>(
      `SELECT id AS "userId" FROM users WHERE lower(email) = lower($1) AND email_verified`,
      [email],
    );
    return rows[0] ?? null;
  }

  async membershipsOf(userId: string): Promise<Member[]> {
    const { rows } = await this.#pool.query<Member>(
      `SELECT ${MEMBER} FROM memberships m JOIN users u ON u.id = m.user_id JOIN teams t ON t.id = m.team_id
        WHERE m.user_id = $1 ORDER BY m.created_at, t.id`,
      [userId],
    );
    return rows;
  }

  async createTeamWithOwner(team: NewTeam, client?: pg.PoolClient): Promise<Member> {
    if (client === undefined) return await withTransaction(this.#pool, (own) => this.createTeamWithOwner(team, own));
    const [userId, teamId] = [uuidv7(), uuidv7()];
    await client.query('INSERT INTO users (id, email, email_verified) VALUES ($1, $2, $3)', [userId, team.email, team.emailVerified]);
    await client.query('INSERT INTO teams (id, name, tier) VALUES ($1, $2, $3)', [teamId, team.teamName, team.tier]);
    await client.query(`INSERT INTO memberships (team_id, user_id, role) VALUES ($1, $2, 'owner')`, [teamId, userId]);
    return { userId, email: team.email, teamId, teamName: team.teamName, tier: team.tier, role: 'owner', platformOperator: false };
  }

  async disband({ teamId, userId }: Pick<Member, 'teamId' | 'userId'>): Promise<boolean> {
    try {
      await withTransaction(this.#pool, async (client) => {
        await client.query('DELETE FROM sessions WHERE team_id = $1', [teamId]);
        await client.query('DELETE FROM memberships WHERE team_id = $1', [teamId]);
        await client.query('DELETE FROM teams WHERE id = $1', [teamId]);
        await client.query('DELETE FROM users WHERE id = $1', [userId]);
      });
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === FOREIGN_KEY_VIOLATION) return false;
      throw error;
    }
  }

  async openSession({
    userId,
    teamId,
    expiresAtMs,
  }: {
    userId: string;
    teamId: string;
    expiresAtMs: number;
  }): Promise<{ sessionId: string }> {
    const sessionId = uuidv7();
    await this.#pool.query('INSERT INTO sessions (id, user_id, team_id, expires_at) VALUES ($1, $2, $3, $4)', [
      sessionId,
      userId,
      teamId,
      new Date(expiresAtMs),
    ]);
    return { sessionId };
  }

  async findSession(sessionId: string): Promise<StoredSession | null> {
    const { rows } = await this.#pool.query<StoredSession>({
      name: 'session',
      text: `SELECT s.id AS "sessionId", s.revoked_at IS NOT NULL OR m.user_id IS NULL AS revoked, u.id AS "userId", u.email,
                    t.id AS "teamId", t.name AS "teamName", t.tier, coalesce(m.role, 'viewer') AS role,
                    u.platform_operator AS "platformOperator"
               FROM sessions s JOIN users u ON u.id = s.user_id JOIN teams t ON t.id = s.team_id
                    LEFT JOIN memberships m ON m.user_id = s.user_id AND m.team_id = s.team_id
              WHERE s.id = $1`,
      values: [sessionId],
    });
    return rows[0] ?? null;
  }

  async revokeSession(sessionId: string): Promise<boolean> {
    const { rowCount } = await this.#pool.query('UPDATE sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL', [sessionId]);
    return rowCount === 1;
  }
}
