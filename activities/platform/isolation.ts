// Where a queue of an open server goes, and whether a copy may still be made there.
import type pg from 'pg';
import { choosePlacement } from './placement';
import { candidatesFor } from './reserve';
import type { IsolationTarget, PlatformActivities } from './types';

interface Placed {
  kind: string;
  engine: string | null;
  region: string;
  auth_mode: string | null;
}

const PLACED = `
SELECT r.kind, b.engine, b.region, c.details ->> 'auth_mode' AS auth_mode
  FROM resources r JOIN backends b ON b.name = r.backend_name LEFT JOIN resource_connections c ON c.resource_id = r.id
 WHERE r.id = $1`;

export function createChooseIsolation(pool: pg.Pool): PlatformActivities['chooseIsolation'] {
  return async ({ resourceId }) => {
    const { rows } = await pool.query<Placed>(PLACED, [resourceId]);
    const placed = rows[0];
    if (placed?.kind !== 'queue' || placed.engine !== 'nats' || placed.auth_mode !== 'legacy_open')
      return refused('invalid_request', 'Only a queue of auth_mode legacy_open can be moved to an account of its own.');
    const open = await pool.query<{ name: string }>(`SELECT name FROM backends WHERE auth_mode = 'legacy_open'`);
    const names = new Set(open.rows.map(({ name }) => name));
    const candidates = (await candidatesFor(pool, 'queue')).filter(({ name }) => !names.has(name));
    // Its own region first: clients are there.
    const target =
      choosePlacement(candidates, { engine: 'nats', region: placed.region, headroom: 0 }) ??
      choosePlacement(candidates, { engine: 'nats', headroom: 0 });
    if (target !== null) return { outcome: 'target', backendName: target.name };
    return refused('no_capacity', 'No NATS backend with accounts is ready and has room; /readyz says why.');
  };
}

function refused(code: Extract<IsolationTarget, { outcome: 'refused' }>['code'], message: string): IsolationTarget {
  return { outcome: 'refused', code, message };
}

/** True while the row waits for exactly this copy. Asked under the name's lock: whoever held it before may have finished. */
export function createCopyFence(pool: pg.Pool) {
  return async ({ resourceId, targetName }: { resourceId: string; targetName: string }): Promise<boolean> => {
    const { rowCount } = await pool.query(
      `SELECT 1 FROM resources WHERE id = $1 AND moving ->> 'phase' = 'copying' AND moving ->> 'backendName' = $2
          AND status NOT IN ('deleting', 'delete_failed', 'deleted', 'failed')`,
      [resourceId, targetName],
    );
    return rowCount === 1;
  };
}
