// Machines that act as a team: an issuer's subject, bound by an admin of the team.
import type pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import type { KeyScope } from '../../shared/authz';
import { withTransaction } from '../../shared/db';
import { auditStatement } from '../audit';
import type { AuditEntry } from '../projection/store';
import type { Subject } from './oidc-store';

export const SERVICE_ROLES = ['member', 'viewer'] as const;
export type ServiceRole = (typeof SERVICE_ROLES)[number];

export interface ServiceAccount extends Subject {
  id: string;
  teamId: string;
  tier: string;
  name: string;
  role: ServiceRole;
  scopes: KeyScope[];
  createdBy: string | null;
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

export interface ServiceAccountStore {
  /** The live one, else the one that was removed last. */
  find(subject: Subject): Promise<ServiceAccount | null>;
  list(teamId: string): Promise<ServiceAccount[]>;
  /** Null when the subject is bound already, or is a person's. */
  create(account: NewServiceAccount, entry: (id: string) => AuditEntry): Promise<ServiceAccount | null>;
  /** False when the team has no live one of this id. */
  remove(teamId: string, id: string, entry: AuditEntry): Promise<boolean>;
}

const COLUMNS = `s.id, s.team_id AS "teamId", t.tier, s.name, s.issuer, s.subject, s.role, s.scopes, s.created_by AS "createdBy",
  s.created_at AS "createdAt", s.revoked_at IS NOT NULL AS revoked`;

export class PgServiceAccountStore implements ServiceAccountStore {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async find({ issuer, subject }: Subject): Promise<ServiceAccount | null> {
    const { rows } = await this.#pool.query<ServiceAccount>({
      name: 'service_account',
      text: `SELECT ${COLUMNS} FROM service_accounts s JOIN teams t ON t.id = s.team_id
              WHERE s.issuer = $1 AND s.subject = $2 ORDER BY s.revoked_at DESC NULLS FIRST LIMIT 1`,
      values: [issuer, subject],
    });
    return rows[0] ?? null;
  }

  async list(teamId: string): Promise<ServiceAccount[]> {
    const { rows } = await this.#pool.query<ServiceAccount>(
      `SELECT ${COLUMNS} FROM service_accounts s JOIN teams t ON t.id = s.team_id
        WHERE s.team_id = $1 AND s.revoked_at IS NULL ORDER BY s.created_at DESC, s.id DESC LIMIT 500`,
      [teamId],
    );
    return rows;
  }

  create(account: NewServiceAccount, entry: (id: string) => AuditEntry): Promise<ServiceAccount | null> {
    const { teamId, name, issuer, subject, role, scopes, createdBy } = account;
    return withTransaction(this.#pool, async (client) => {
      const { rows } = await client.query<ServiceAccount>(
        `WITH s AS (
           INSERT INTO service_accounts (id, team_id, name, issuer, subject, role, scopes, created_by)
           SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS (SELECT 1 FROM identities WHERE issuer = $4 AND subject = $5)
           ON CONFLICT (issuer, subject) WHERE revoked_at IS NULL DO NOTHING RETURNING *)
         SELECT ${COLUMNS} FROM s JOIN teams t ON t.id = s.team_id`,
        [uuidv7(), teamId, name, issuer, subject, role, [...scopes], createdBy],
      );
      const made = rows[0];
      if (made === undefined) return null;
      await client.query(auditStatement(entry(made.id)));
      return made;
    });
  }

  remove(teamId: string, id: string, entry: AuditEntry): Promise<boolean> {
    return withTransaction(this.#pool, async (client) => {
      const { rowCount } = await client.query(
        'UPDATE service_accounts SET revoked_at = now() WHERE id = $1 AND team_id = $2 AND revoked_at IS NULL',
        [id, teamId],
      );
      if (rowCount !== 1) return false;
      await client.query(auditStatement(entry));
      return true;
    });
  }
}
