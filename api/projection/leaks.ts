// What may have been left behind: objects without a row, deletions that fail, rows whose next step is long due.
import type pg from 'pg';
import type { ResourceStatus } from '../../shared/resourcestatus';
import type { ResourceKind } from '../../shared/resourcetype';

const MOST = 100;

export interface Orphan {
  backendName: string;
  objectName: string;
  firstSeenAt: Date;
  lastSeenAt: Date;
}

export interface StuckRow {
  id: string;
  kind: ResourceKind;
  status: ResourceStatus;
  backendName: string;
  objectName: string;
  teamId: string | null;
  expiresAt: Date | null;
  updatedAt: Date;
}

export interface Leaks {
  orphans: Orphan[];
  deleteFailed: StuckRow[];
  overdue: StuckRow[];
}

export interface LeakReport {
  leaks(): Promise<Leaks>;
}

const ROW = `id, kind, status, backend_name AS "backendName", object_name AS "objectName", team_id AS "teamId", expires_at AS "expiresAt",
  updated_at AS "updatedAt" FROM resources`;

export class PgLeakReport implements LeakReport {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  async leaks(): Promise<Leaks> {
    const [orphans, deleteFailed, overdue] = await Promise.all([
      this.#pool.query<Orphan>(
        `SELECT backend_name AS "backendName", object_name AS "objectName", first_seen_at AS "firstSeenAt", last_seen_at AS "lastSeenAt"
           FROM orphan_sightings ORDER BY first_seen_at, object_name LIMIT ${MOST}`,
      ),
      this.#pool.query<StuckRow>(`SELECT ${ROW} WHERE status = 'delete_failed' ORDER BY updated_at, id LIMIT ${MOST}`),
      // The grace is in the row's own policy.
      this.#pool.query<StuckRow>(
        `SELECT ${ROW}
          WHERE (status IN ('pending', 'deleting') AND updated_at < now() - interval '1 hour')
             OR (status IN ('active', 'paused', 'suspended') AND expires_at < now() - interval '1 hour')
             OR (status = 'expired'
                 AND expires_at + coalesce((policy ->> 'graceMs')::bigint, 0) * interval '1 millisecond' < now() - interval '1 hour')
          ORDER BY updated_at, id LIMIT ${MOST}`,
      ),
    ]);
    return { orphans: orphans.rows, deleteFailed: deleteFailed.rows, overdue: overdue.rows };
  }
}
