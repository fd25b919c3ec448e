import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';

const MIGRATIONS_TABLE = 'schema_migrations';
const MIGRATIONS_DIRECTORY = join(__dirname, 'migrations');

/** Brings the schema up to this version of the code. Run as the owner, never as the role of the processes. */
export async function migrate(options: { ownerUrl: string; appRole: string }): Promise<{ applied: string[]; version: string }> {
  // Loaded here only: api and worker never migrate, and need not carry it.
  const { runner } = await import('node-pg-migrate');
  const applied = await runner({
    databaseUrl: options.ownerUrl,
    dir: MIGRATIONS_DIRECTORY,
    direction: 'up',
    migrationsTable: MIGRATIONS_TABLE,
    checkOrder: true,
    log: () => undefined,
  });
  const client = new pg.Client({ connectionString: options.ownerUrl });
  await client.connect();
  try {
    await client.query(`GRANT SELECT ON ${MIGRATIONS_TABLE} TO ${client.escapeIdentifier(options.appRole)}`);
  } finally {
    await client.end();
  }
  return { applied: applied.map((migration) => migration.name), version: latestMigration() };
}

export interface MigrationState {
  version: string | null;
  /** `ahead`: the database has seen newer code than this. */
  status: 'current' | 'behind' | 'ahead';
}

function latestMigration(): string {
  const names = readdirSync(MIGRATIONS_DIRECTORY).filter((name) => name.endsWith('.sql'));
  return (names.sort().at(-1) ?? '').replace(/\.sql$/, '');
}

/** What the database has, against what this code was written for. */
export async function migrationState(pool: pg.Pool): Promise<MigrationState> {
  const { rows } = await pool.query<{ name: string }>(`SELECT name FROM ${MIGRATIONS_TABLE} ORDER BY name DESC LIMIT 1`);
  const version = rows[0]?.name ?? null;
  const expected = latestMigration();
  if (version === expected) return { version, status: 'current' };
  return { version, status: version !== null && version > expected ? 'ahead' : 'behind' };
}
