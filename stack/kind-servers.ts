import { setTimeout as sleep } from 'node:timers/promises';
import type { ResourceKind } from '../shared/resourcetype';
import { oneLine } from './errors';
import { findRedis } from './servers/redis-binary';
import { REDIS_PLATFORM, redisPlatformDefinition, redisPlatformUrl } from './servers/redis-platform';
import type { ServiceContext, WantedPort } from './services';
import type { Settings } from './settings';
import { readState } from './state';
import type { Supervisor } from './supervisor';

/** Longer than a first download takes on a usual line. What comes later is there for the next start. */
const PATIENCE_MS = 75_000;

export interface StartParts {
  context: ServiceContext;
  supervisor: Supervisor;
  say: (line: string) => void;
}

/** A server that kinds of resources stand on. */
interface KindServer {
  name: string;
  /** Started when any of these is wanted. */
  kinds: readonly ResourceKind[];
  /** What does without it, in the line that says that it is not there. */
  without: string;
  ports: readonly WantedPort[];
  /** False when somebody else runs it. */
  embedded: (settings: Settings) => boolean;
  /** @throws Error with the remedy */
  start: (parts: StartParts) => Promise<void>;
}

const SERVERS: readonly KindServer[] = [
  {
    name: REDIS_PLATFORM,
    kinds: ['redis', 'webhook'],
    without: 'POST /cache/new answers 503; counters and webhooks are kept in Postgres',
    ports: [{ name: REDIS_PLATFORM }],
    embedded: () => true,
    start: startRedis,
  },
];

function wantedServers(settings: Settings): KindServer[] {
  return SERVERS.filter((server) => server.kinds.some((kind) => settings.kinds.has(kind)) && server.embedded(settings));
}

export function kindPorts(settings: Settings): WantedPort[] {
  return wantedServers(settings).flatMap((server) => server.ports);
}

/** Starts what the wanted kinds need. A server that cannot be had disables its kinds with one line, and the start goes on. */
export async function startKindServers(parts: StartParts): Promise<void> {
  const { context, say } = parts;
  const starting = wantedServers(context.settings).map(async (server) => {
    try {
      await server.start(parts);
    } catch (error) {
      if (!context.signal.aborted) say(`${server.name} is not there (${server.without}): ${oneLine(error)}`);
    }
  });
  const late = new AbortController();
  await Promise.race([Promise.all(starting), sleep(PATIENCE_MS, undefined, { signal: late.signal, ref: false }).catch(() => {})]);
  late.abort();
}

/** The program is the hosts', for tenants' own servers; the platform has one running for its counters. */
async function startRedis({ context, supervisor, say }: StartParts): Promise<void> {
  const { settings, secrets, ports, signal, kindEnvironment } = context;
  const { redisUrl } = settings.external;
  if (redisUrl !== undefined && redisUrl !== 'none') {
    supervisor.addExternal(REDIS_PLATFORM, redisUrl);
    kindEnvironment.LEASEHOLD_REDIS_URL = redisUrl;
  }
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
