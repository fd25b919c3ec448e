// The rows. Each change is written together with its line in the audit log by whoever calls.
import type pg from 'pg';
import type { Policy, PolicyKey, PolicyScope } from './resolve';

type Queryable = Pick<pg.Pool, 'query'>;

/** More would be a mistake: every process holds them all. */
const MOST = 10_000;

export async function listPolicies(client: Queryable): Promise<(Policy & { updatedAt: Date; updatedBy: string })[]> {
  const { rows } = await client.query(
    `SELECT scope, key, value, updated_at AS "updatedAt", updated_by AS "updatedBy" FROM policies ORDER BY scope, key LIMIT ${MOST}`,
  );
  return rows;
}

export async function putPolicy(client: Queryable, policy: Policy & { updatedBy: string }): Promise<void> {
  await client.query(
    `INSERT INTO policies (scope, key, value, updated_by) VALUES ($1, $2, $3, $4)
     ON CONFLICT (scope, key) DO UPDATE SET value = excluded.value, updated_by = excluded.updated_by, updated_at = now()`,
    [policy.scope, policy.key, policy.value, policy.updatedBy],
  );
}

/** False when there was none. */
export async function deletePolicy(client: Queryable, { scope, key }: { scope: PolicyScope; key: PolicyKey }): Promise<boolean> {
  const { rowCount } = await client.query('DELETE FROM policies WHERE scope = $1 AND key = $2', [scope, key]);
  return rowCount === 1;
}
