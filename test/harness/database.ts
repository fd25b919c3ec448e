// A migrated platform database of its own for each test file, and an installation of its own on the tenants' server.
import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { randomBase32 } from '../../shared/crypto';
import { createPool } from '../../shared/db';
import { platformAppUrl, platformOwnerUrl, platformRootUrl } from './servers';

export interface TestDatabase {
  appUrl: string;
  ownerUrl: string;
  /** Connected as the role of the processes. */
  pool: pg.Pool;
  installationId: string;
  backendName: string;
  drop: () => Promise<void>;
}

function withDatabase(url: string, database: string): string {
  const copy = new URL(url);
  copy.pathname = `/${database}`;
  return copy.toString();
}

async function asRoot<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: platformRootUrl() });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Copies the migrated database; two copies at once would refuse each other, hence the lock. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const name = `test_${randomBytes(8).toString('hex')}`;
  await asRoot(async (client) => {
    await client.query('SELECT pg_advisory_lock(7)');
    await client.query(`CREATE DATABASE ${name} TEMPLATE leasehold OWNER leasehold_owner`);
    await client.query(`GRANT CONNECT ON DATABASE ${name} TO leasehold_app`);
  });
  const appUrl = withDatabase(platformAppUrl(), name);
  const pool = createPool({ url: appUrl, applicationName: 'test', max: 20 });
  const backendName = 'postgres-tenants';
  await pool.query(
    `INSERT INTO backends (name, kind, region, capacity, ready, server_version) VALUES ($1, 'postgres', 'local', 10000, true, 'test')`,
    [backendName],
  );
  return {
    appUrl,
    ownerUrl: withDatabase(platformOwnerUrl(), name),
    pool,
    installationId: randomBase32(8),
    backendName,
    drop: async () => {
      await pool.end();
      await asRoot((client) => client.query(`DROP DATABASE ${name} WITH (FORCE)`));
    },
  };
}
