// A Postgres backend over the test's server, with what a test needs to stand on both sides of it.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { KindBackend, ProvisionRequest } from '../../activities/backend';
import { createPostgresBackend, type PostgresBackend, type PostgresDependencies } from '../../activities/postgres';
import { generatePassword, randomBase32 } from '../../shared/crypto';
import { tenantsAdminUrl } from '../harness/servers';
import { aRequest, type BackendHarness, type TenantSession } from './backend.contract';

export type DatabaseBackend = KindBackend & Pick<PostgresBackend, 'probeIsolation'>;

export interface PostgresHarness<Backend extends DatabaseBackend = PostgresBackend> extends BackendHarness {
  backend: Backend;
  installationId: string;
  passwordOf(resourceId: string, version: number): string;
  /** A login's client, not yet connected. */
  client(request: ProvisionRequest, options?: { version?: number; database?: string; user?: string }): pg.Client;
  admin<Row extends pg.QueryResultRow>(sql: string, database?: string): Promise<Row[]>;
  killedInsideCreate(request: ProvisionRequest): Promise<{ letGo: () => Promise<void> }>;
}

export function startPostgresHarness(): Promise<PostgresHarness> {
  return startDatabaseHarness('postgres', createPostgresBackend);
}

/** The same for every kind that is a Postgres database. */
export async function startDatabaseHarness<Backend extends DatabaseBackend>(
  kind: 'postgres' | 'vector',
  create: (dependencies: PostgresDependencies) => Backend,
): Promise<PostgresHarness<Backend>> {
  const installationId = randomBase32(8);
  const passwords = new Map<string, string>();
  const names = new Map<string, string>();
  const closedFences = new Set<string>();
  const passwordOf = (resourceId: string, version: number): string => {
    const key = `${resourceId}/${version}`;
    const password = passwords.get(key) ?? generatePassword();
    passwords.set(key, password);
    return password;
  };
  const backend = create({
    adminUrlOf: tenantsAdminUrl,
    installationId,
    fence: async (ref) => !closedFences.has(ref.objectName),
    readCredential: async ({ resourceId, version }) => ({
      username: `${names.get(resourceId)}_${version}`,
      password: passwordOf(resourceId, version),
    }),
  });
  const client: PostgresHarness<Backend>['client'] = (request, options = {}) => {
    const version = options.version ?? 1;
    const url = urlFor(options.database ?? request.objectName, {
      user: options.user ?? `${request.objectName}_${version}`,
      password: passwordOf(request.resourceId, version),
    });
    return quietClient(url);
  };

  return {
    backend,
    installationId,
    passwordOf,
    client,
    admin,
    newRequest: (connections = 5) => {
      const resourceId = randomUUID();
      const objectName = `lh${installationId}_${randomBase32(24)}`;
      names.set(resourceId, objectName);
      return aRequest({ resourceId, kind, objectName, limits: { connections } });
    },
    setFence: (objectName, open) => void (open ? closedFences.delete(objectName) : closedFences.add(objectName)),
    open: (request, version = 1) => openSession(client(request, { version })),
    killedInsideCreate: (request) => killedInsideCreate(backend, request),
    close: () => backend.close(),
  };
}

function urlFor(database: string, login?: { user: string; password: string }): string {
  const url = new URL(tenantsAdminUrl());
  url.pathname = `/${database}`;
  if (login) Object.assign(url, { username: login.user, password: login.password });
  return url.href;
}

function quietClient(connectionString: string): pg.Client {
  const client = new pg.Client({ connectionString });
  // A terminated session reports here too; its queries reject all the same.
  client.on('error', () => {});
  return client;
}

async function admin<Row extends pg.QueryResultRow>(sql: string, database = 'postgres'): Promise<Row[]> {
  const client = quietClient(urlFor(database));
  await client.connect();
  try {
    return (await client.query<Row>(sql)).rows;
  } finally {
    await client.end();
  }
}

async function openSession(client: pg.Client): Promise<TenantSession> {
  const ended = new Promise<void>((resolve) => client.once('end', () => resolve()));
  try {
    await client.connect();
  } catch (error) {
    // The server counts a connection that it refused until its process has gone.
    await ended;
    throw error;
  }
  return {
    write: async (value) => {
      const { rowCount } = await client.query("SELECT FROM pg_tables WHERE schemaname = 'public' AND tablename = 'written'");
      if (rowCount === 0) await client.query('CREATE TABLE written (id bigserial PRIMARY KEY, value text)');
      await client.query('INSERT INTO written (value) VALUES ($1)', [value]);
    },
    read: async () => (await client.query<{ value: string }>('SELECT value FROM written ORDER BY id')).rows.map((row) => row.value),
    close: () => client.end(),
  };
}

/**
 * Renaming another database to the name, in a transaction left open, makes CREATE DATABASE of that name wait in the middle; rolling it
 * back lets it go on.
 */
async function killedInsideCreate(backend: KindBackend, request: ProvisionRequest): Promise<{ letGo: () => Promise<void> }> {
  await backend.prepareServer(request.backendName);
  const blocker = quietClient(urlFor('postgres'));
  await blocker.connect();
  const decoy = `decoy_${randomBase32(12)}`;
  await blocker.query(`CREATE DATABASE ${decoy} TEMPLATE template0`);
  await blocker.query(`BEGIN; ALTER DATABASE ${decoy} RENAME TO "${request.objectName}"`);
  const killed = new AbortController();
  const provision = backend.provision(request, { signal: killed.signal }).catch(() => {});
  const creating = `SELECT FROM pg_stat_activity WHERE query LIKE 'CREATE DATABASE "${request.objectName}"%' AND wait_event_type = 'Lock'`;
  while ((await admin(creating)).length === 0) await sleep(10);
  killed.abort();
  await provision;
  return {
    letGo: async () => {
      // The next caller must be waiting for the lock that the killed one's session still holds.
      const waiting = `SELECT FROM pg_stat_activity WHERE query LIKE '%${request.objectName}%' AND wait_event = 'advisory'`;
      while ((await admin(waiting)).length === 0) await sleep(10);
      await blocker.query('ROLLBACK');
      await blocker.query(`DROP DATABASE ${decoy}`);
      await blocker.end();
    },
  };
}
