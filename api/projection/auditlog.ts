// Reading the audit log, newest first, by pages that go on where the one before ended.
import type pg from 'pg';
import type { ActorRef } from '../../shared/resourcetype';
import type { ListPosition } from './cursor';
import type { AuditEntry } from './store';

export interface AuditLine {
  id: string;
  occurredAt: Date;
  actorType: ActorRef['type'];
  actorId: string | null;
  actorRole: string | null;
  actorUserId: string | null;
  actorCredential: string | null;
  action: string;
  targetType: string;
  targetId: string;
  teamId: string | null;
  result: AuditEntry['result'];
  correlationId: string | null;
  ip: string | null;
  data: Record<string, unknown>;
  /** `occurred_at` with all its digits, for the next page. */
  createdKey: string;
}

export interface AuditFilter {
  teamId?: string;
  /** A team, a fingerprint, a user or a credential. */
  actor?: string;
  action?: string;
  target?: string;
  result?: AuditEntry['result'];
  requestId?: string;
  since?: Date;
  until?: Date;
}

export interface AuditLog {
  page(filter: AuditFilter, page: { limit: number; before: ListPosition | null }): Promise<AuditLine[]>;
}

const LINE = `id, occurred_at AS "occurredAt", actor_type AS "actorType", actor_id AS "actorId", actor_role AS "actorRole",
  actor_user_id AS "actorUserId", actor_credential AS "actorCredential", action, target_type AS "targetType", target_id AS "targetId",
  team_id AS "teamId", result, correlation_id AS "correlationId", ip, data,
  to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "createdKey"`;

export class PgAuditLog implements AuditLog {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async page(filter: AuditFilter, { limit, before }: { limit: number; before: ListPosition | null }): Promise<AuditLine[]> {
    const values: unknown[] = [];
    const bind = (value: unknown): string => `$${values.push(value)}`;
    const where: string[] = [];
    if (filter.teamId !== undefined) where.push(`team_id = ${bind(filter.teamId)}`);
    if (filter.actor !== undefined) {
      const actor = bind(filter.actor);
      where.push(`(actor_id = ${actor} OR actor_user_id = ${actor} OR actor_credential = ${actor})`);
    }
    if (filter.action !== undefined) where.push(`action = ${bind(filter.action)}`);
    if (filter.target !== undefined) where.push(`target_id = ${bind(filter.target)}`);
    if (filter.result !== undefined) where.push(`result = ${bind(filter.result)}`);
    if (filter.requestId !== undefined) where.push(`correlation_id = ${bind(filter.requestId)}`);
    if (filter.since !== undefined) where.push(`occurred_at >= ${bind(filter.since)}`);
    if (filter.until !== undefined) where.push(`occurred_at < ${bind(filter.until)}`);
    if (before !== null) where.push(`(occurred_at, id) < (${bind(before.createdKey)}::timestamptz, ${bind(before.id)}::uuid)`);
    const condition = where.length === 0 ? '' : `WHERE ${where.join(' AND ')}`;
    const { rows } = await this.#pool.query<AuditLine>(
      `SELECT ${LINE} FROM audit_logs ${condition} ORDER BY occurred_at DESC, id DESC LIMIT ${bind(limit)}`,
      values,
    );
    return rows;
  }
}

/** What a team may know of a line about its own things: of somebody else only that it was somebody else. */
export function asSeenBy(teamId: string, line: AuditLine): AuditLine {
  if (line.actorType === 'team' && line.actorId === teamId) return line;
  const hidden = { actorUserId: null, actorCredential: null, ip: null };
  if (line.actorType === 'team') return { ...line, ...hidden, actorId: null, actorRole: null };
  return { ...line, ...hidden };
}
