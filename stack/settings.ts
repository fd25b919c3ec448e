// What the operator decides about the embedded stack: the catalogue's part of it, with paths resolved and defaults worked out.
import { join, resolve } from 'node:path';
import { Environment, readConfig } from '../shared/config';
import { KIND_OF_OPTIONAL_SERVER, OPTIONAL_SERVERS, type OptionalServer, RESOURCE_KINDS, type ResourceKind } from '../shared/resourcetype';
import { StackError } from './errors';

/** What the operator decides, read from the environment once. docs/configuration.md describes each variable. */
export interface Settings {
  environment: Environment;
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
  relayMetricsPort?: number;
  /** Those that are served. */
  kinds: ReadonlySet<ResourceKind>;
  /** Those of `kinds` whose usual servers are started. */
  usualKinds: ReadonlySet<ResourceKind>;
  optionalServers: ReadonlySet<OptionalServer>;
  /** Hosts of backends.yaml that this machine is. Undefined: those with a loopback address. */
  hosts?: string[];
  /** Where the world reaches the receiver, when a proxy stands before it. */
  receiverUrl?: string;
  redisBinary?: string;
  natsBinary?: string;
  kafkaHome?: string;
  ferretdbBinary?: string;
  weedBinary?: string;
  minioBinary?: string;
  rabbitmqBinary?: string;
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
    kafkaAdminUrl?: string;
    rabbitmqAdminUrl?: string;
    natsOpenAdminUrl?: string;
    storageAdminUrl?: string;
    minioAdminUrl?: string;
    mongodbAdminUrl?: string;
    /** Of the webhook inbox's own role and database, on a tenants' server. */
    inboxUrl?: string;
  };
}

/** @throws ConfigError, StackError */
export function readSettings(env: NodeJS.ProcessEnv | Environment, root: string): Settings {
  const environment = env instanceof Environment ? env : new Environment(env);
  const data = readConfig('stack', environment);
  const { PORT: port, LEASEHOLD_HOST: host, LEASEHOLD_CACHE: cache } = data;
  // Ours are found by their urls: a port that the system chooses would be found by nobody.
  if (port === 0) throw new StackError('PORT: give a number from 1 to 65535');
  const home = resolve(root, data.LEASEHOLD_HOME);
  const localHost = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  const localUrl = `http://${localHost}:${port}`;
  return {
    environment,
    root,
    home,
    cacheDir: cache === undefined ? join(home, 'cache') : resolve(root, cache),
    host,
    port,
    localUrl,
    baseUrl: data.LEASEHOLD_BASE_URL ?? data.APP_URL ?? localUrl,
    plans: resolve(root, data.LEASEHOLD_PLANS),
    backends: resolve(root, data.LEASEHOLD_BACKENDS),
    logLevel: data.LEASEHOLD_LOG,
    temporalNamespace: data.LEASEHOLD_TEMPORAL_NAMESPACE,
    temporalBinary: data.LEASEHOLD_TEMPORAL_BIN,
    temporalDynamicConfig: data.LEASEHOLD_TEMPORAL_DYNAMIC_CONFIG,
    workerMetricsPort: data.LEASEHOLD_WORKER_METRICS_PORT,
    relayMetricsPort: data.LEASEHOLD_RELAY_METRICS_PORT,
    ...wantedKinds(data.LEASEHOLD_KINDS ?? ['all']),
    hosts: data.LEASEHOLD_HOSTS,
    receiverUrl: data.LEASEHOLD_RECEIVER_URL,
    redisBinary: data.LEASEHOLD_REDIS_SERVER,
    natsBinary: data.LEASEHOLD_NATS_SERVER_BIN,
    kafkaHome: data.LEASEHOLD_KAFKA_HOME,
    ferretdbBinary: data.LEASEHOLD_FERRETDB_BIN,
    weedBinary: data.LEASEHOLD_WEED_BIN,
    minioBinary: data.LEASEHOLD_MINIO_BIN,
    rabbitmqBinary: data.LEASEHOLD_RABBITMQ_SERVER_BIN,
    external: {
      database: externalDatabase(data.LEASEHOLD_DATABASE_URL, data.LEASEHOLD_DATABASE_OWNER_URL),
      tenantsAdminUrl: data.LEASEHOLD_POSTGRES_TENANTS_ADMIN_URL,
      vectorAdminUrl: data.LEASEHOLD_POSTGRES_VECTOR_ADMIN_URL,
      temporalAddress: data.LEASEHOLD_TEMPORAL_ADDRESS,
      temporalUiUrl: data.LEASEHOLD_TEMPORAL_UI_URL,
      redisUrl: data.LEASEHOLD_REDIS_URL,
      natsAdminUrl: data.LEASEHOLD_NATS_ADMIN_URL,
      kafkaAdminUrl: data.LEASEHOLD_KAFKA_ADMIN_URL,
      rabbitmqAdminUrl: data.LEASEHOLD_RABBITMQ_ADMIN_URL,
      natsOpenAdminUrl: data.LEASEHOLD_NATS_OPEN_ADMIN_URL,
      storageAdminUrl: data.LEASEHOLD_STORAGE_ADMIN_URL,
      minioAdminUrl: data.LEASEHOLD_MINIO_ADMIN_URL,
      mongodbAdminUrl: data.LEASEHOLD_MONGODB_ADMIN_URL,
      inboxUrl: data.LEASEHOLD_INBOX_URL,
    },
  };
}

function wantedKinds(named: readonly string[]): Pick<Settings, 'kinds' | 'usualKinds' | 'optionalServers'> {
  const usualKinds = RESOURCE_KINDS.filter((kind) => named.includes('all') || named.includes(kind));
  const servers = OPTIONAL_SERVERS.filter((server) => named.includes(server));
  const served = new Set([...usualKinds, ...servers.map((server) => KIND_OF_OPTIONAL_SERVER[server])]);
  return {
    kinds: new Set(RESOURCE_KINDS.filter((kind) => served.has(kind))),
    usualKinds: new Set(usualKinds),
    optionalServers: new Set(servers),
  };
}

function externalDatabase(appUrl?: string, ownerUrl?: string): Settings['external']['database'] {
  if (appUrl && ownerUrl) return { appUrl, ownerUrl };
  if (!appUrl && !ownerUrl) return undefined;
  throw new StackError(
    'LEASEHOLD_DATABASE_URL and LEASEHOLD_DATABASE_OWNER_URL go together: set both for an external database, or neither',
  );
}
