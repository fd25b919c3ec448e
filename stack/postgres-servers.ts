import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Client, escapeIdentifier, escapeLiteral } from 'pg';
import { writePrivateFile } from './paths';
import { findFreePort } from './ports';
import { postgresUrl, type RunningServer, startPostgres, withClient } from './postgres';
import { removePostgresData } from './postgres-place';
import type { ProcessIdentity } from './process-identity';

export const PLATFORM = 'postgres-platform';
export const TENANTS = 'postgres-tenants';
export const TENANTS_SUPERUSER = 'leasehold_admin';
const TENANTS_GROUP = 'leasehold_tenants';
const PLATFORM_SUPERUSER = 'leasehold_root';
export const OWNER_ROLE = 'leasehold_owner';
export const APP_ROLE = 'leasehold_app';
export const DATABASE = 'leasehold';

interface ServerOptions {
  /** Holds data and logs; made when absent. */
  dir: string;
  /** Default: a free one. */
  port?: number;
  /** Default on. Off for throw-away servers of tests only. */
  fsync?: boolean;
  onMoved?: (folder: string) => void;
  onLaunched?: (identity: ProcessIdentity) => void;
  signal?: AbortSignal;
}

export interface PostgresHandle extends RunningServer {
  port: number;
  pid: number;
  /** Stops the server and removes its data, also what had to be put outside `dir`. */
  destroy: () => Promise<void>;
}

export type TenantsPostgres = PostgresHandle & { adminUrl: string };
export type PlatformPostgres = PostgresHandle & { ownerUrl: string; appUrl: string };

/** Only the admin from loopback, tenants into databases whose owner role they are a member of, nobody else: whatever a tenant GRANTs. */
export const TENANTS_HBA = [
  `host all ${TENANTS_SUPERUSER} 127.0.0.1/32 scram-sha-256`,
  `host all ${TENANTS_SUPERUSER} ::1/128 scram-sha-256`,
  `host samerole +${TENANTS_GROUP} 127.0.0.1/32 scram-sha-256`,
  `host samerole +${TENANTS_GROUP} ::1/128 scram-sha-256`,
  'host all all 0.0.0.0/0 reject',
  'host all all ::0/0 reject',
];

const PLATFORM_HBA = [
  ...[`all ${PLATFORM_SUPERUSER}`, `${DATABASE} ${OWNER_ROLE}`, `${DATABASE} ${APP_ROLE}`].flatMap((who) => [
    `host ${who} 127.0.0.1/32 scram-sha-256`,
    `host ${who} ::1/128 scram-sha-256`,
  ]),
  'host all all 0.0.0.0/0 reject',
  'host all all ::0/0 reject',
];

/** The server that tenants' databases are made on. */
export async function startTenantsPostgres(options: ServerOptions & { adminPassword?: string }): Promise<TenantsPostgres> {
  const password = options.adminPassword ?? rememberedPassword(options.dir, TENANTS_SUPERUSER);
  const server = await start(options, {
    name: TENANTS,
    superuser: TENANTS_SUPERUSER,
    password,
    maxConnections: 500,
    hba: TENANTS_HBA,
    extensions: true,
  });
  const adminUrl = postgresUrl({ user: TENANTS_SUPERUSER, password, port: server.port, database: 'postgres' });
  await orStop(server, () =>
    withClient(adminUrl, async (client) => {
      await ensureRole(client, TENANTS_GROUP, 'NOLOGIN');
      await client.query('REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC');
    }),
  );
  return { ...server, adminUrl };
}

/** The server that holds the platform's own data, and no tenant's. */
export async function startPlatformPostgres(
  options: ServerOptions & { passwords?: { root: string; owner: string; app: string } },
): Promise<PlatformPostgres> {
  const passwords = options.passwords ?? {
    root: rememberedPassword(options.dir, PLATFORM_SUPERUSER),
    owner: rememberedPassword(options.dir, OWNER_ROLE),
    app: rememberedPassword(options.dir, APP_ROLE),
  };
  const server = await start(options, {
    name: PLATFORM,
    superuser: PLATFORM_SUPERUSER,
    password: passwords.root,
    maxConnections: 200,
    hba: PLATFORM_HBA,
  });
  const rootUrl = postgresUrl({ user: PLATFORM_SUPERUSER, password: passwords.root, port: server.port, database: 'postgres' });
  await orStop(server, () =>
    withClient(rootUrl, async (client) => {
      await ensureRole(client, OWNER_ROLE, loginWith(passwords.owner));
      await ensureRole(client, APP_ROLE, loginWith(passwords.app));
      const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [DATABASE]);
      if (!rowCount) await client.query(`CREATE DATABASE ${DATABASE} OWNER ${OWNER_ROLE} TEMPLATE template0`);
      await client.query(`REVOKE ALL ON DATABASE ${DATABASE}, postgres, template1 FROM PUBLIC`);
      await client.query(`GRANT CONNECT ON DATABASE ${DATABASE} TO ${APP_ROLE}`);
    }),
  );
  const url = (user: string, password: string) => postgresUrl({ user, password, port: server.port, database: DATABASE });
  return { ...server, ownerUrl: url(OWNER_ROLE, passwords.owner), appUrl: url(APP_ROLE, passwords.app) };
}

interface ServerShape {
  name: string;
  superuser: string;
  password: string;
  maxConnections: number;
  hba: string[];
  extensions?: boolean;
}

async function start(options: ServerOptions, shape: ServerShape): Promise<PostgresHandle> {
  const port = options.port ?? (await findFreePort());
  const server = await startPostgres({ ...shape, ...options, home: options.dir, port });
  const destroy = async () => {
    await server.stop();
    removePostgresData(options.dir, shape.name);
  };
  return { ...server, port, pid: server.launched.identity.pid, destroy };
}

async function orStop(server: RunningServer, prepare: () => Promise<void>): Promise<void> {
  try {
    await prepare();
  } catch (error) {
    await server.stop();
    throw error;
  }
}

function loginWith(password: string): string {
  return `LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD ${escapeLiteral(password)}`;
}

/** ALTER as well as CREATE: a password that was changed in the environment must hold after the next start. */
async function ensureRole(client: Client, role: string, attributes: string): Promise<void> {
  const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
  await client.query(`${rowCount ? 'ALTER' : 'CREATE'} ROLE ${escapeIdentifier(role)} ${attributes}`);
}

/** For callers that bring no password: made once and kept beside the data, so that the same folder can be started again. */
function rememberedPassword(dir: string, role: string): string {
  const file = join(dir, `${role}.password`);
  if (!existsSync(file)) writePrivateFile(file, randomBytes(24).toString('base64url'));
  return readFileSync(file, 'utf8');
}
