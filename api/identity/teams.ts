// Teams as their people run them: members, invitations, and which of them a session speaks for. Each change and its audit line are one
// transaction.
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { TeamRole } from '../../shared/authz';
import { withTransaction } from '../../shared/db';
import { auditStatement } from '../audit';
import type { AuditEntry } from '../projection/store';

export interface TeamRecord {
  id: string;
  name: string;
  tier: string;
  members: number;
  createdAt: Date;
}

export interface TeamMember {
  userId: string;
  email: string;
  role: TeamRole;
  joinedAt: Date;
}

export type InvitedRole = Exclude<TeamRole, 'owner'>;

export interface Invitation {
  id: string;
  teamId: string;
  teamName: string;
  tier: string;
  email: string;
  role: InvitedRole;
  invitedBy: string | null;
  createdAt: Date;
  expiresAt: Date;
  acceptedAt: Date | null;
  revokedAt: Date | null;
  /** Neither accepted nor revoked nor too old, by the database's clock. */
  open: boolean;
}

export interface NewInvitation {
  teamId: string;
  email: string;
  role: InvitedRole;
  tokenHash: string;
  invitedBy: string | null;
  ttlMs: number;
  /** Members and open invitations together; -1 = any number. */
  limit: number;
}

/** `changed`: the member's role is not what the caller was authorised for any more. */
export type MemberChange = 'done' | 'absent' | 'changed' | 'last_owner';
export type Acceptance = 'accepted' | 'inactive' | 'already_member' | 'full';

export interface TeamStore {
  team(teamId: string): Promise<TeamRecord | null>;
  rename(teamId: string, name: string, entry: AuditEntry): Promise<void>;
  members(teamId: string): Promise<TeamMember[]>;
  member(teamId: string, userId: string): Promise<TeamMember | null>;
  changeRole(change: { teamId: string; userId: string; from: TeamRole; to: TeamRole }, entry: AuditEntry): Promise<MemberChange>;
  /** Ends the member's sessions for this team and the keys that they made, at once. */
  removeMember(change: { teamId: string; userId: string; from: TeamRole }, entry: AuditEntry): Promise<MemberChange>;
  invitations(teamId: string): Promise<Invitation[]>;
  invitation(key: { id: string } | { tokenHash: string }): Promise<Invitation | null>;
  /** Null when the plan has no room. */
  invite(invitation: NewInvitation, entry: (invitationId: string) => AuditEntry): Promise<Invitation | null>;
  /** False when it was not open. */
  revokeInvitation(teamId: string, invitationId: string, entry: AuditEntry): Promise<boolean>;
  acceptInvitation(acceptance: { invitationId: string; userId: string; limit: number }, entry: AuditEntry): Promise<Acceptance>;
  /** False when it had ended already. */
  endSession(sessionId: string, entry: AuditEntry): Promise<boolean>;
}

const INVITATION = `i.id, i.team_id AS "teamId", t.name AS "teamName", t.tier, i.email, i.role, i.invited_by AS "invitedBy",
  i.created_at AS "createdAt", i.expires_at AS "expiresAt", i.accepted_at AS "acceptedAt", i.revoked_at AS "revokedAt",
  i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now() AS open`;
const FROM_INVITATIONS = 'FROM invitations i JOIN teams t ON t.id = i.team_id';
const MEMBER = `m.user_id AS "userId", u.email, m.role, m.created_at AS "joinedAt" FROM memberships m JOIN users u ON u.id = m.user_id`;

export class PgTeamStore implements TeamStore {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async team(teamId: string): Promise<TeamRecord | null> {
    const { rows } = await this.#pool.query<TeamRecord>(
      `SELECT id, name, tier, created_at AS "createdAt", (SELECT count(*) FROM memberships WHERE team_id = $1)::int AS members
         FROM teams WHERE id = $1`,
      [teamId],
    );
    return rows[0] ?? null;
  }

  async rename(teamId: string, name: string, entry: AuditEntry): Promise<void> {
    await withTransaction(this.#pool, async (client) => {
      await client.query('UPDATE teams SET name = $2 WHERE id = $1', [teamId, name]);
      await client.query(auditStatement(entry));
    });
  }

  async members(teamId: string): Promise<TeamMember[]> {
    const { rows } = await this.#pool.query<TeamMember>(`SELECT ${MEMBER} WHERE m.team_id = $1 ORDER BY m.created_at, m.user_id`, [teamId]);
    return rows;
  }

  async member(teamId: string, userId: string): Promise<TeamMember | null> {
    const { rows } = await this.#pool.query<TeamMember>(`SELECT ${MEMBER} WHERE m.team_id = $1 AND m.user_id = $2`, [teamId, userId]);
    return rows[0] ?? null;
  }

  changeRole({ teamId, userId, from, to }: { teamId: string; userId: string; from: TeamRole; to: TeamRole }, entry: AuditEntry) {
    return this.#changeMember({ teamId, userId, from, loses: from === 'owner' && to !== 'owner' }, entry, async (client) => {
      await client.query('UPDATE memberships SET role = $3 WHERE team_id = $1 AND user_id = $2', [teamId, userId, to]);
    });
  }

  removeMember({ teamId, userId, from }: { teamId: string; userId: string; from: TeamRole }, entry: AuditEntry) {
    return this.#changeMember({ teamId, userId, from, loses: from === 'owner' }, entry, async (client) => {
      await client.query('DELETE FROM memberships WHERE team_id = $1 AND user_id = $2', [teamId, userId]);
      await client.query('UPDATE sessions SET revoked_at = now() WHERE team_id = $1 AND user_id = $2 AND revoked_at IS NULL', [
        teamId,
        userId,
      ]);
      await client.query('UPDATE api_keys SET revoked_at = now() WHERE team_id = $1 AND created_by = $2 AND revoked_at IS NULL', [
        teamId,
        userId,
      ]);
    });
  }

  /** Under the team's lock, or two owners that remove each other would leave none. */
  #changeMember(
    { teamId, userId, from, loses }: { teamId: string; userId: string; from: TeamRole; loses: boolean },
    entry: AuditEntry,
    change: (client: pg.PoolClient) => Promise<void>,
  ): Promise<MemberChange> {
    return withTransaction(this.#pool, async (client) => {
      await lockTeam(client, teamId);
      const { rows } = await client.query<{ userId: string; role: TeamRole }>(
        `SELECT user_id AS "userId", role FROM memberships WHERE team_id = $1 AND (user_id = $2 OR role = 'owner')`,
        [teamId, userId],
      );
      const member = rows.find((row) => row.userId === userId);
      if (member === undefined) return 'absent';
      if (member.role !== from) return 'changed';
      if (loses && rows.filter((row) => row.role === 'owner').length === 1) return 'last_owner';
      await change(client);
      await client.query(auditStatement(entry));
      return 'done';
    });
  }

  async invitations(teamId: string): Promise<Invitation[]> {
    const { rows } = await this.#pool.query<Invitation>(
      `SELECT ${INVITATION} ${FROM_INVITATIONS} WHERE i.team_id = $1 ORDER BY i.created_at DESC, i.id LIMIT 200`,
      [teamId],
    );
    return rows;
  }

  async invitation(key: { id: string } | { tokenHash: string }): Promise<Invitation | null> {
    const [column, value] = 'id' in key ? ['i.id', key.id] : ['i.token_hash', key.tokenHash];
    const { rows } = await this.#pool.query<Invitation>(`SELECT ${INVITATION} ${FROM_INVITATIONS} WHERE ${column} = $1`, [value]);
    return rows[0] ?? null;
  }

  invite(invitation: NewInvitation, entry: (invitationId: string) => AuditEntry): Promise<Invitation | null> {
    const { teamId, email, role, tokenHash, invitedBy, ttlMs, limit } = invitation;
    return withTransaction(this.#pool, async (client) => {
      await lockTeam(client, teamId);
      const { rows: held } = await client.query<{ count: number }>(
        `SELECT ((SELECT count(*) FROM memberships WHERE team_id = $1)
               + (SELECT count(*) FROM invitations i WHERE team_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > now()))::int
                AS count`,
        [teamId],
      );
      if (limit >= 0 && (held[0]?.count ?? 0) >= limit) return null;
      const id = uuidv7();
      await client.query(
        `INSERT INTO invitations (id, team_id, email, role, token_hash, invited_by, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, now() + $7 * interval '1 millisecond')`,
        [id, teamId, email, role, tokenHash, invitedBy, ttlMs],
      );
      await client.query(auditStatement(entry(id)));
      const { rows } = await client.query<Invitation>(`SELECT ${INVITATION} ${FROM_INVITATIONS} WHERE i.id = $1`, [id]);
      return rows[0] ?? null;
    });
  }

  revokeInvitation(teamId: string, invitationId: string, entry: AuditEntry): Promise<boolean> {
    return withTransaction(this.#pool, async (client) => {
      const { rowCount } = await client.query(
        `UPDATE invitations SET revoked_at = now()
          WHERE id = $2 AND team_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > now()`,
        [teamId, invitationId],
      );
      if (rowCount === 1) await client.query(auditStatement(entry));
      return rowCount === 1;
    });
  }

  acceptInvitation(
    { invitationId, userId, limit }: { invitationId: string; userId: string; limit: number },
    entry: AuditEntry,
  ): Promise<Acceptance> {
    return withTransaction(this.#pool, async (client) => {
      const { rows: found } = await client.query<{ teamId: string }>('SELECT team_id AS "teamId" FROM invitations WHERE id = $1', [
        invitationId,
      ]);
      const teamId = found[0]?.teamId;
      if (teamId === undefined) return 'inactive';
      await lockTeam(client, teamId);
      const { rows } = await client.query<{ role: TeamRole; isMember: boolean; members: number }>(
        `SELECT i.role, EXISTS (SELECT FROM memberships WHERE team_id = i.team_id AND user_id = $2) AS "isMember",
                (SELECT count(*) FROM memberships WHERE team_id = i.team_id)::int AS members
           FROM invitations i WHERE i.id = $1 AND i.accepted_at IS NULL AND i.revoked_at IS NULL AND i.expires_at > now()`,
        [invitationId, userId],
      );
      const invitation = rows[0];
      if (invitation === undefined) return 'inactive';
      if (invitation.isMember) return 'already_member';
      if (limit >= 0 && invitation.members >= limit) return 'full';
      await client.query('UPDATE invitations SET accepted_at = now() WHERE id = $1', [invitationId]);
      await client.query('INSERT INTO memberships (team_id, user_id, role) VALUES ($1, $2, $3)', [teamId, userId, invitation.role]);
      await client.query(auditStatement(entry));
      return 'accepted';
    });
  }

  endSession(sessionId: string, entry: AuditEntry): Promise<boolean> {
    return withTransaction(this.#pool, async (client) => {
      const { rowCount } = await client.query('UPDATE sessions SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL', [sessionId]);
      if (rowCount === 1) await client.query(auditStatement(entry));
      return rowCount === 1;
    });
  }
}

async function lockTeam(client: pg.PoolClient, teamId: string): Promise<void> {
  await client.query('SELECT FROM teams WHERE id = $1 FOR UPDATE', [teamId]);
}
