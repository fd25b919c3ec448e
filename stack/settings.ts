import { join, resolve } from 'node:path';
import { RESOURCE_KINDS, type ResourceKind } from '../shared/resourcetype';
import { StackError } from './errors';

/** What the operator decides, read from the environment once. docs/configuration.md describes each. */
export interface Settings {
  root: string;
  home: string;
  cacheDir: string;
  host: string;
  port: number;
  /** Where this machine reaches the api itself, whatever the base url says to the world. */
  localUrl: string;
  baseUrl: string;
  plans: string;
  backends: string;
  logLevel: string;
  temporalNamespace: string;
  temporalBinary?: string;
  temporalDynamicConfig: string[];
  workerMetricsPort?: number;
  /** Whose servers are started. */
  kinds: ReadonlySet<ResourceKind>;
  /** Hosts of backends.yaml that this machine is. Undefined: those with a loopback address. */
  hosts?: string[];
  /** Where the world reaches the receiver, when a proxy stands before it. */
  receiverUrl?: string;
  redisBinary?: string;
  natsBinary?: string;
  ferretdbBinary?: string;
  weedBinary?: string;
  external: {
    database?: { appUrl: string; ownerUrl: string };
    tenantsAdminUrl?: string;
    /** A Postgres that has pgvector. Undefined: the tenants' own. */
    vectorAdminUrl?: string;
    temporalAddress?: string;
    temporalUiUrl?: string;
    /** `none`: the platform keeps everything in Postgres. */
    redisUrl?: string;
    natsAdminUrl?: string;
    storageAdminUrl?: string;
    mongodbAdminUrl?: string;
    /** Of the webhook inbox's own role and database, on a tenants' server. */
    inboxUrl?: string;
  };
}

export function readSettings(env: NodeJS.ProcessEnv, root: string): Settings {
  const text = (name: string) => env[name]?.trim() || undefined;
  const path = (name: string, fallback: string) => resolve(root, text(name) ?? fallback);
  const home = path('LEASEHOLD_HOME', '.leasehold');
  const host = text('LEASEHOLD_HOST') ?? '127.0.0.1';
  const port = portOf(env, 'PORT') ?? 8080;
  const localHost = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  const localUrl = `http://${localHost}:${port}`;
  return {
    root,
    home,
    cacheDir: text('LEASEHOLD_CACHE') ? path('LEASEHOLD_CACHE', '') : join(home, 'cache'),
    host,
    port,
    localUrl,
    baseUrl: text('LEASEHOLD_BASE_URL')?.replace(/\/+$/, '') ?? localUrl,
    plans: path('LEASEHOLD_PLANS', 'plans.yaml'),
    backends: path('LEASEHOLD_BACKENDS', 'backends.yaml'),
    logLevel: text('LEASEHOLD_LOG') ?? 'info',
    temporalNamespace: text('LEASEHOLD_TEMPORAL_NAMESPACE') ?? 'leasehold',
    temporalBinary: text('LEASEHOLD_TEMPORAL_BIN'),
    temporalDynamicConfig: pairs(text('LEASEHOLD_TEMPORAL_DYNAMIC_CONFIG')),
    workerMetricsPort: portOf(env, 'LEASEHOLD_WORKER_METRICS_PORT'),
    kinds: kindsOf(text('LEASEHOLD_KINDS')),
    hosts: listOf(text('LEASEHOLD_HOSTS')),
    receiverUrl: text('LEASEHOLD_RECEIVER_URL')?.replace(/\/+$/, ''),
    redisBinary: text('LEASEHOLD_REDIS_SERVER'),
    natsBinary: text('LEASEHOLD_NATS_SERVER_BIN'),
    ferretdbBinary: text('LEASEHOLD_FERRETDB_BIN'),
    weedBinary: text('LEASEHOLD_WEED_BIN'),
    external: {
      database: externalDatabase(text('LEASEHOLD_DATABASE_URL'), text('LEASEHOLD_DATABASE_OWNER_URL')),
      tenantsAdminUrl: text('LEASEHOLD_POSTGRES_TENANTS_ADMIN_URL'),
      vectorAdminUrl: text('LEASEHOLD_POSTGRES_VECTOR_ADMIN_URL'),
      temporalAddress: text('LEASEHOLD_TEMPORAL_ADDRESS'),
      temporalUiUrl: text('LEASEHOLD_TEMPORAL_UI_URL'),
      redisUrl: text('LEASEHOLD_REDIS_URL'),
      natsAdminUrl: text('LEASEHOLD_NATS_ADMIN_URL'),
      storageAdminUrl: text('LEASEHOLD_STORAGE_ADMIN_URL'),
      mongodbAdminUrl: text('LEASEHOLD_MONGODB_ADMIN_URL'),
      inboxUrl: text('LEASEHOLD_INBOX_URL'),
    },
  };
}

function kindsOf(value: string | undefined): ReadonlySet<ResourceKind> {
  const names = listOf(value) ?? [...RESOURCE_KINDS];
  const unknown = names.find((name) => !RESOURCE_KINDS.some((kind) => kind === name));
  if (unknown !== undefined) throw new StackError(`LEASEHOLD_KINDS holds "${unknown}": any of ${RESOURCE_KINDS.join(',')}`);
  return new Set(RESOURCE_KINDS.filter((kind) => names.includes(kind)));
}

function listOf(value: string | undefined): string[] | undefined {
  return value
    ?.split(',')
    .map((name) => name.trim())
    .filter(Boolean);
}

function externalDatabase(appUrl?: string, ownerUrl?: string): Settings['external']['database'] {
  if (appUrl && ownerUrl) return { appUrl, ownerUrl };
  if (!appUrl && !ownerUrl) return undefined;
  throw new StackError(
    'LEASEHOLD_DATABASE_URL and LEASEHOLD_DATABASE_OWNER_URL go together: set both for an external database, or neither',
  );
}

function portOf(env: NodeJS.ProcessEnv, name: string): number | undefined {
  const value = env[name]?.trim();
  if (!value) return undefined;
  const port = Number(value);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new StackError(`${name}=${value} is not a port: give a number from 1 to 65535`);
}

function pairs(value: string | undefined): string[] {
  const list = (value ?? '').split(';').filter((pair) => pair.trim() !== '');
  for (const pair of list)
    if (!/^[^=]+=.+/.test(pair)) throw new StackError(`LEASEHOLD_TEMPORAL_DYNAMIC_CONFIG holds "${pair}": write key=value;key=value`);
  return list.map((pair) => pair.trim());
}
