// Postgres: one owner role, its login roles and one database per resource, on a server shared by tenants.
import type { CallOptions, CredentialReader, Fence, KindBackend, MeasuredObject, ProvisionRequest } from '../backend';
import { assertOwnName, installationPrefix, objectNameOf } from '../names';
import * as access from './access';
import { toProviderError } from './errors';
import * as lifecycle from './lifecycle';
import { type IsolationReport, probeIsolation } from './probe';
import { PostgresServers, type ServerLogger } from './servers';
import type { NameRef } from './session';
import { type VerifierRequest, Verifiers } from './verifiers';

export interface PostgresDependencies {
  /** The superuser's url of a tenants' server, with the password; its path is not looked at. Never a pooler's. */
  adminUrlOf: (backendName: string) => string;
  readCredential: CredentialReader;
  fence: Fence;
  /** Eight characters of base32; only names that begin with `lh<installationId>_` are ever touched. */
  installationId: string;
  logger?: ServerLogger;
  now?: () => number;
  /** Connections that make and unmake at once, per server. Default 8; claims and look-ups have four more of their own. */
  maxAdminConnections?: number;
  /** Statements that the platform runs in a new database before its tenant comes in. */
  furnish?: (request: Pick<ProvisionRequest, 'objectName' | 'options'>) => string[];
  /** What else a server must have. @throws ProviderMisconfigured with the remedy */
  inspectServer?: (query: (sql: string) => Promise<Record<string, unknown>[]>) => Promise<void>;
}

/** What warm items are made from. */
export { TEMPLATE as POSTGRES_WARM_TEMPLATE } from './statements';

export type PostgresBackend = KindBackend &
  Required<Pick<KindBackend, 'createWarmItem'>> & {
    /** For servers whose pg_hba.conf is not ours: tries, as a throw-away tenant, to come in elsewhere. */
    probeIsolation(backendName: string): Promise<IsolationReport>;
    /** The credential is stored and will be applied in a moment: begins what that takes. Best effort. */
    expectCredential(request: VerifierRequest): void;
  };

export function createPostgresBackend(dependencies: PostgresDependencies): PostgresBackend {
  const prefix = installationPrefix(dependencies.installationId);
  const servers = new PostgresServers({ ...dependencies, maxAdminConnections: dependencies.maxAdminConnections ?? 8 });
  const verifiers = new Verifiers((request) => lifecycle.deriveVerifier(dependencies.readCredential, request));
  const context = { ...dependencies, servers, verifiers, now: dependencies.now ?? Date.now };

  const verb =
    <Request extends NameRef>(run: (context: lifecycle.LifecycleContext, request: Request, options?: CallOptions) => Promise<void>) =>
    async (request: Request, options?: CallOptions): Promise<void> => {
      assertOwnName(request.objectName, prefix);
      try {
        await run(context, request, options);
      } catch (error) {
        throw toProviderError(error);
      }
    };

  return {
    provision: verb(lifecycle.provision),
    claimWarm: verb(lifecycle.claimWarm),
    deprovision: verb(lifecycle.deprovision),
    cut: verb(access.cut),
    restore: verb(access.restore),
    rotate: verb(access.rotate),
    retireCredential: verb(access.retireCredential),
    setReadOnly: verb(access.setReadOnly),
    applyLimits: verb(access.applyLimits),

    list: (backendName) => list(servers, backendName, prefix),
    measureAll: (backendName) => measureAll(servers, backendName, prefix),

    serverVersion: async (backendName) => {
      const [row] = await ask<{ version: string }>(servers, backendName, `SELECT current_setting('server_version') AS version`);
      return row?.version ?? 'unknown';
    },
    createWarmItem: verb(lifecycle.createWarmItem),
    destroyOrphan: verb(lifecycle.deprovision),

    prepareServer: async (backendName) => {
      await servers.prepare(backendName);
      await dependencies.inspectServer?.((sql) => ask(servers, backendName, sql));
    },
    probeIsolation: (backendName) => probeIsolation({ context, prefix }, backendName),
    expectCredential: (request) => verifiers.begin(request),
    close: () => servers.close(),
  };
}

/** By databases and by roles: a call that died half way may have left either. */
async function list(servers: PostgresServers, backendName: string, prefix: string): Promise<string[]> {
  const sql = `SELECT datname AS name FROM pg_database WHERE datname ~ '^${prefix}' UNION SELECT rolname FROM pg_roles WHERE rolname ~ '^${prefix}'`;
  const rows = await ask<{ name: string }>(servers, backendName, sql);
  const names = rows.map((row) => objectNameOf(row.name)).filter((name) => name !== null);
  return [...new Set(names)].sort();
}

async function measureAll(servers: PostgresServers, backendName: string, prefix: string): Promise<MeasuredObject[]> {
  const sql = `SELECT datname AS name, pg_database_size(oid)::float8 AS bytes FROM pg_database WHERE datname ~ '^${prefix}' AND datconnlimit >= -1`;
  const rows = await ask<{ name: string; bytes: number | null }>(servers, backendName, sql);
  // One that is dropped meanwhile has no size.
  return rows.flatMap(({ name, bytes }) => (objectNameOf(name) === name && bytes !== null ? [{ objectName: name, bytes }] : []));
}

async function ask<Row extends Record<string, unknown>>(servers: PostgresServers, backendName: string, sql: string): Promise<Row[]> {
  try {
    return await servers.query<Row>(backendName, sql);
  } catch (error) {
    throw toProviderError(error);
  }
}
