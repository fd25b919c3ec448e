import pg from 'pg';

export interface PoolOptions {
  url: string;
  applicationName: string;
  /** Connections at most. Default 10. */
  max?: number;
  /** A statement that takes longer is cancelled. Default 15 s. */
  statementTimeoutMs?: number;
}

// bigint columns here are byte counts and milliseconds, all far below 2^53.
pg.types.setTypeParser(pg.types.builtins.INT8, (text) => Number(text));

/** A pool whose idle connections may break without taking the process down: the next query says what is wrong. */
export function createPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.url,
    application_name: options.applicationName,
    max: options.max ?? 10,
    statement_timeout: options.statementTimeoutMs ?? 15_000,
    connectionTimeoutMillis: 5_000,
    keepAlive: true,
  });
  pool.on('error', () => undefined);
  return pool;
}

/** Runs `work` in one transaction; any error rolls back and is passed on. */
export async function withTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken = false;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {
      broken = true;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}

/**
 * Throws when the role that a process connects as could rewrite its own records:
 * a superuser, or the owner of any table of the platform.
 */
export async function assertUnprivileged(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{ name: string; superuser: boolean; owned: string | null; writable: boolean }>(
    `SELECT current_user AS name,
            (SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles WHERE rolname = current_user) AS superuser,
            (SELECT min(tablename) FROM pg_catalog.pg_tables
              WHERE schemaname = 'public' AND pg_catalog.pg_has_role(current_user, tableowner, 'MEMBER')) AS owned,
            coalesce(pg_catalog.has_table_privilege(to_regclass('public.audit_logs'), 'UPDATE, DELETE, TRUNCATE'), false)
              OR coalesce(pg_catalog.has_table_privilege(to_regclass('public.resource_events'), 'UPDATE, DELETE, TRUNCATE'), false) AS writable`,
  );
  const role = rows[0];
  if (role === undefined) throw new Error('the platform database did not say who we are');
  const remedy = 'connect as leasehold_app (LEASEHOLD_DATABASE_URL)';
  if (role.superuser) throw new Error(`role ${role.name} is a superuser; ${remedy}`);
  if (role.owned !== null) throw new Error(`role ${role.name} owns table ${role.owned}; ${remedy}`);
  if (role.writable) throw new Error(`role ${role.name} may change audit_logs or resource_events; ${remedy}`);
}
