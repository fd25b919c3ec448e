import { join } from 'node:path';
import { literally, processEnvironment, variablesOf } from '../shared/config';
import { StackError } from './errors';
import type { LocalHost } from './hosts';
import { startOwnProcess, stopOwnProcess } from './own-process';
import { findFreePort, isPortFree } from './ports';
import { postgresUrl, stopPostgres } from './postgres';
import { APP_ROLE, DATABASE, PLATFORM, startPlatformPostgres, startTenantsPostgres, TENANTS, TENANTS_SUPERUSER } from './postgres-servers';
import { isRunning } from './process-identity';
import type { Secrets } from './secrets';
import type { ServiceDefinition } from './service';
import type { Settings } from './settings';
import { readState, updateState } from './state';
import { API, hostService, RECEIVER, RELAY, WORKER } from './stop-order';
import { startTemporal, stopTemporal, TEMPORAL } from './temporal';

// The worker lets activities end for up to 15 s on its own; the whole stack has 15 s, so it is cut a little earlier.
const OWN_GRACE_MS = 12_000;
/** Role and database of one name: pg_hba.conf lets it in by that. */
const INBOX = 'leasehold_inbox';
// The owner's url is for migrations alone; `none` as Redis' url is a word to the stack.
const RELAYS_ALONE = ['LEASEHOLD_EVENTS_NATS_URL', 'LEASEHOLD_EVENTS_NATS_CREDS'];
const NOT_INHERITED = ['LEASEHOLD_DATABASE_OWNER_URL', 'LEASEHOLD_REDIS_URL', ...RELAYS_ALONE].flatMap((name) => [name, `${name}_FILE`]);
/** What any program needs, and what OpenTelemetry reads by itself. */
const OF_THE_SYSTEM = /^(PATH|HOME|USER|LANG|LC_.*|TZ|TMPDIR|NODE_.*|SSL_CERT_.*|OTEL_.*)$/;

export interface ServiceContext {
  settings: Settings;
  secrets: Secrets;
  ports: Record<string, number>;
  signal: AbortSignal;
  onMoved: (folder: string) => void;
  /** What the kinds' servers add to the environment of our own processes: urls, keys, paths of programs. */
  kindEnvironment: Record<string, string>;
  /** Where the relay publishes when nobody named a broker; its alone, since whoever has it can announce anything. */
  eventsEnvironment: Record<string, string>;
}

/** Ports that this start needs. Tenants hold some of them in their urls: those never change. */
export interface WantedPort {
  name: string;
  inUrls?: boolean;
}

/** Picks the ports this start needs and remembers them. */
export async function assignPorts(settings: Settings, further: readonly WantedPort[] = []): Promise<Record<string, number>> {
  const { home, external } = settings;
  const state = readState(home);
  const wanted: WantedPort[] = [{ name: 'worker-metrics' }, { name: 'relay-metrics' }];
  if (!external.database) wanted.push({ name: PLATFORM });
  if (!external.tenantsAdminUrl) wanted.push({ name: TENANTS, inUrls: true });
  if (!external.temporalAddress) wanted.push({ name: TEMPORAL }, { name: 'temporal-ui' });
  wanted.push(...further);
  const ports: Record<string, number> = { ...state.ports };
  for (const { name, inUrls } of wanted) {
    const remembered = ports[name];
    // A server may have several ports: `seaweedfs-master` belongs to `seaweedfs`.
    const leftover = Object.entries(state.processes).find(([owner]) => name === owner || name.startsWith(`${owner}-`))?.[1];
    if (remembered !== undefined && ((leftover && isRunning(leftover)) || (await isPortFree(remembered)))) continue;
    if (remembered !== undefined && inUrls) {
      throw new StackError(`port ${remembered} is taken by another program, and tenants' urls hold it: stop that program`);
    }
    ports[name] = await findFreePort([settings.port, ...Object.values(ports)]);
  }
  if (settings.workerMetricsPort) ports['worker-metrics'] = settings.workerMetricsPort;
  if (settings.relayMetricsPort) ports['relay-metrics'] = settings.relayMetricsPort;
  updateState(home, (changed) => {
    changed.ports = ports;
  });
  return ports;
}

export function platformDefinition(context: ServiceContext): ServiceDefinition {
  const { settings, secrets, signal, onMoved } = context;
  const port = portOf(context, PLATFORM);
  const passwords = { root: secrets.postgresPlatformRoot, owner: secrets.postgresPlatformOwner, app: secrets.postgresPlatformApp };
  return {
    name: PLATFORM,
    port,
    url: postgresUrl({ user: APP_ROLE, port, database: DATABASE }),
    start: (onLaunched) => startPlatformPostgres({ dir: settings.home, port, passwords, signal, onMoved, onLaunched }),
    stop: stopPostgres,
    graceMs: 10_000,
  };
}

export function tenantsDefinition(context: ServiceContext): ServiceDefinition {
  const { settings, secrets, signal, onMoved } = context;
  const port = portOf(context, TENANTS);
  return {
    name: TENANTS,
    port,
    url: postgresUrl({ user: TENANTS_SUPERUSER, port, database: 'postgres' }),
    start: (onLaunched) =>
      startTenantsPostgres({ dir: settings.home, port, adminPassword: secrets.postgresTenantsAdmin, signal, onMoved, onLaunched }),
    stop: stopPostgres,
    graceMs: 10_000,
  };
}

export function temporalDefinition(context: ServiceContext, binary: string): ServiceDefinition {
  const { settings } = context;
  const port = portOf(context, TEMPORAL);
  const uiPort = portOf(context, 'temporal-ui');
  const { home, temporalNamespace: namespace, temporalDynamicConfig: dynamicConfig } = settings;
  return {
    name: TEMPORAL,
    port,
    url: temporalUiUrl(context),
    start: (onLaunched) => startTemporal({ home, binary, port, uiPort, namespace, dynamicConfig, onLaunched }),
    stop: stopTemporal,
    graceMs: 5_000,
  };
}

export function apiDefinition(context: ServiceContext): ServiceDefinition {
  const { port, localUrl } = context.settings;
  return { ...ownDefinition(context, API, { readyUrl: `${localUrl}/readyz` }), port, url: localUrl };
}

export function workerDefinition(context: ServiceContext): ServiceDefinition {
  const port = portOf(context, 'worker-metrics');
  return { ...ownDefinition(context, WORKER), port, url: `http://127.0.0.1:${port}/metrics` };
}

/** What runs processes for tenants on this machine; they outlive it, and it takes them over when it comes back. */
export function hostDefinition(context: ServiceContext, host: LocalHost): ServiceDefinition {
  return ownDefinition(context, hostService(host.name), {
    script: 'host',
    env: {
      LEASEHOLD_HOST_NAME: host.name,
      LEASEHOLD_HOST_DIRECTORY: host.directory,
      LEASEHOLD_HOST_UIDS: `${host.firstUid}-${host.lastUid}`,
      LEASEHOLD_WORKER_METRICS_PORT: '0',
    },
  });
}

/** It faces the world: it is given no key and no database of the platform. */
export function receiverDefinition(context: ServiceContext): ServiceDefinition {
  const { settings, kindEnvironment } = context;
  const port = portOf(context, RECEIVER);
  const inherited = Object.entries(processEnvironment()).filter(([name]) => OF_THE_SYSTEM.test(name));
  const env = withLiterals(Object.fromEntries(inherited), {
    ...Object.fromEntries(variablesOf('receiver').map((name) => [name, settings.environment.text(name)])),
    LEASEHOLD_RECEIVER_HOST: settings.host,
    LEASEHOLD_RECEIVER_PORT: String(port),
    LEASEHOLD_INBOX_URL: inboxUrl(context),
    LEASEHOLD_BASE_URL: settings.baseUrl,
    LEASEHOLD_LOG: settings.logLevel,
    LEASEHOLD_REDIS_URL: kindEnvironment.LEASEHOLD_REDIS_URL,
  });
  return { ...ownDefinition(context, RECEIVER, { onlyEnv: env }), port, url: receiverUrl(context) };
}

/** It is given no key of the platform: the database, the broker, and how long to keep what. */
export function relayDefinition(context: ServiceContext): ServiceDefinition {
  const { settings, eventsEnvironment } = context;
  const port = portOf(context, 'relay-metrics');
  const inherited = Object.entries(processEnvironment()).filter(([name]) => OF_THE_SYSTEM.test(name));
  const given = Object.fromEntries(variablesOf('relay').map((name) => [name, settings.environment.text(name)]));
  const env = withLiterals(Object.fromEntries(inherited), {
    ...(given.LEASEHOLD_EVENTS_NATS_URL === undefined ? { ...given, ...eventsEnvironment } : given),
    LEASEHOLD_DATABASE_URL: appDatabaseUrl(context),
    LEASEHOLD_RELAY_METRICS_PORT: String(port),
    LEASEHOLD_LOG: settings.logLevel,
  });
  return { ...ownDefinition(context, RELAY, { onlyEnv: env }), port, url: `http://127.0.0.1:${port}/metrics` };
}

/** Stands in tenants' receive urls; whoever puts a proxy in front of the receiver names that. */
function receiverUrl(context: Pick<ServiceContext, 'settings' | 'ports'>): string {
  return context.settings.receiverUrl ?? localReceiverUrl(context);
}

function localReceiverUrl({ settings, ports }: Pick<ServiceContext, 'settings' | 'ports'>): string {
  return `http://${new URL(settings.localUrl).hostname}:${portOf({ ports }, RECEIVER)}`;
}

/** For tenants, and for the worker that looks whether it is ready. */
function receiverUrls(context: Pick<ServiceContext, 'settings' | 'ports'>): Record<string, string> {
  return { LEASEHOLD_RECEIVER_URL: receiverUrl(context), LEASEHOLD_RECEIVER_INTERNAL_URL: localReceiverUrl(context) };
}

/** A role and a database of their own on the tenants' server; the worker makes them. */
function inboxUrl(context: Pick<ServiceContext, 'settings' | 'secrets' | 'ports'>): string {
  const { settings, secrets } = context;
  if (settings.external.inboxUrl) return settings.external.inboxUrl;
  const url = new URL(tenantsAdminUrl(context));
  return Object.assign(url, { username: INBOX, password: secrets.webhookInbox, pathname: `/${INBOX}` }).toString();
}

function tenantsAdminUrl(context: Pick<ServiceContext, 'settings' | 'secrets' | 'ports'>): string {
  const { settings, secrets } = context;
  return (
    settings.external.tenantsAdminUrl ??
    postgresUrl({ user: TENANTS_SUPERUSER, password: secrets.postgresTenantsAdmin, port: portOf(context, TENANTS), database: 'postgres' })
  );
}

function ownDefinition(
  context: ServiceContext,
  name: string,
  options: { script?: string; env?: Record<string, string>; onlyEnv?: NodeJS.ProcessEnv; readyUrl?: string } = {},
): ServiceDefinition {
  const { root, home } = context.settings;
  const launched = {
    name,
    script: join(root, 'dist', 'stack', 'processes', `${options.script ?? name}.js`),
    env: options.onlyEnv ?? { ...childEnvironment(context, processEnvironment()), ...options.env },
    cwd: root,
    logFile: join(home, 'logs', `${name}.log`),
    readyUrl: options.readyUrl,
  };
  return { name, start: (onLaunched) => startOwnProcess({ ...launched, onLaunched }), stop: stopOwnProcess, graceMs: OWN_GRACE_MS };
}

function appDatabaseUrl(context: Pick<ServiceContext, 'settings' | 'secrets' | 'ports'>): string {
  const { settings, secrets } = context;
  return (
    settings.external.database?.appUrl ??
    postgresUrl({ user: APP_ROLE, password: secrets.postgresPlatformApp, port: portOf(context, PLATFORM), database: DATABASE })
  );
}

/** Everything that api and worker read. The owner's url is not among it: only migrations use that role. */
export function childEnvironment(
  context: Pick<ServiceContext, 'settings' | 'secrets' | 'ports'> & Partial<Pick<ServiceContext, 'kindEnvironment'>>,
  base: NodeJS.ProcessEnv,
): NodeJS.ProcessEnv {
  const { settings, secrets } = context;
  const inherited = Object.entries(base).filter(([name]) => !name.startsWith('npm_') && !NOT_INHERITED.includes(name));
  return withLiterals(Object.fromEntries(inherited), {
    PORT: String(settings.port),
    LEASEHOLD_HOST: settings.host,
    LEASEHOLD_BASE_URL: settings.baseUrl,
    LEASEHOLD_DATABASE_URL: appDatabaseUrl(context),
    LEASEHOLD_POSTGRES_TENANTS_ADMIN_URL: tenantsAdminUrl(context),
    LEASEHOLD_POSTGRES_VECTOR_ADMIN_URL: settings.external.vectorAdminUrl ?? tenantsAdminUrl(context),
    LEASEHOLD_INBOX_URL: inboxUrl(context),
    ...(settings.kinds.has('webhook') ? receiverUrls(context) : {}),
    LEASEHOLD_TEMPORAL_ADDRESS: settings.external.temporalAddress ?? `127.0.0.1:${portOf(context, TEMPORAL)}`,
    LEASEHOLD_TEMPORAL_NAMESPACE: settings.temporalNamespace,
    LEASEHOLD_TEMPORAL_UI_URL: temporalUiUrl(context),
    LEASEHOLD_KEYRING: secrets.keyring,
    LEASEHOLD_JWT_KEYS: secrets.jwtKeys,
    LEASEHOLD_OPERATOR_KEY: secrets.operatorKey,
    LEASEHOLD_BOOTSTRAP_API_KEY: secrets.bootstrapApiKey,
    LEASEHOLD_INSTALLATION_ID: secrets.installationId,
    LEASEHOLD_PLANS: settings.plans,
    LEASEHOLD_BACKENDS: settings.backends,
    LEASEHOLD_LOG: settings.logLevel,
    LEASEHOLD_WORKER_METRICS_PORT: String(portOf(context, 'worker-metrics')),
    LEASEHOLD_KINDS: [...settings.kinds].join(','),
    ...context.kindEnvironment,
  });
}

/** What we decide replaces what was given, as a file too; undefined: the process is not to have it. */
function withLiterals(inherited: NodeJS.ProcessEnv, decided: Readonly<Record<string, string | undefined>>): NodeJS.ProcessEnv {
  const env = { ...inherited };
  for (const [name, value] of Object.entries(decided)) {
    delete env[`${name}_FILE`];
    delete env[name];
    if (value !== undefined) env[name] = literally(value);
  }
  return env;
}

/** Undefined for an external Temporal whose UI nobody named. */
export function temporalUiUrl({ settings, ports }: Pick<ServiceContext, 'settings' | 'ports'>): string | undefined {
  if (settings.external.temporalUiUrl) return settings.external.temporalUiUrl;
  return settings.external.temporalAddress ? undefined : `http://127.0.0.1:${portOf({ ports }, 'temporal-ui')}`;
}

function portOf({ ports }: Pick<ServiceContext, 'ports'>, name: string): number {
  const port = ports[name];
  if (port === undefined) throw new Error(`no port was assigned to ${name}`);
  return port;
}
