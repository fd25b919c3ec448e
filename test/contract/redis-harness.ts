// Redis both ways, a server each on a host and a shared one, with what a test needs to stand on both sides of it.
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { ConnectionDetails, KindBackend, ProvisionRequest } from '../../activities/backend';
import { createRedisBackend } from '../../activities/redis';
import { generatePassword, randomBase32 } from '../../shared/crypto';
import { onPath } from '../../stack/fetch/run';
import { startTestHost, type TestHost } from '../harness/process-host';
import { aRequest, type BackendHarness, type TenantSession } from './backend.contract';
import { startSharedRedis } from './shared-redis';

export interface RedisHarness extends BackendHarness {
  backend: KindBackend;
  /** Where the servers are; null for the shared one. */
  host: TestHost | null;
  passwordOf(resourceId: string, version: number): string;
  /** What clients are told besides. */
  detailsOf(resourceId: string): ConnectionDetails;
  newRequest(connections?: number, limits?: ProvisionRequest['limits']): ProvisionRequest;
  /** Connected as the tenant; rejects when the login is refused. No command is ever repeated by it. */
  client(request: ProvisionRequest, login?: { version?: number; username?: string; password?: string; port?: number }): Promise<Redis>;
  /** Every key of the tenant begins with it. */
  keyPrefixOf(request: ProvisionRequest): string;
  /** A new room over the same servers, as another worker process has. */
  secondBackend(host?: TestHost): KindBackend;
}

const CACHE = process.env.LEASEHOLD_CACHE ?? join(__dirname, '../../.leasehold/cache');

/** Without fetching anything: what is named, on PATH, or in the cache already. */
export function redisServerPath(): string | undefined {
  const named = process.env.LEASEHOLD_REDIS_SERVER;
  if (named) return named;
  const cached = existsSync(CACHE) ? readdirSync(CACHE).filter((name) => name.startsWith('redis-debian-')) : [];
  const unpacked = cached.flatMap((name) => ['redis-server', 'usr/bin/redis-server'].map((file) => join(CACHE, name, file)));
  return [...onPath('redis-server'), ...onPath('valkey-server'), ...unpacked].find(existsSync);
}

export async function startRedisHarness(mode: 'own' | 'shared', options: { now?: () => number } = {}): Promise<RedisHarness> {
  const installationId = randomBase32(8);
  const passwords = new Map<string, string>();
  const names = new Map<string, string>();
  const details = new Map<string, ConnectionDetails>();
  const closedFences = new Set<string>();
  const host = mode === 'own' ? await startTestHost() : null;
  const shared = mode === 'shared' ? await startSharedRedis(redisServerPath() ?? '') : null;
  const passwordOf = (resourceId: string, version: number): string => {
    const key = `${resourceId}/${version}`;
    const password = passwords.get(key) ?? generatePassword();
    passwords.set(key, password);
    return password;
  };
  const room = (where: TestHost | null): KindBackend =>
    createRedisBackend({
      dependencies: {
        installationId,
        readCredential: async ({ resourceId, version }) => ({
          username: `${names.get(resourceId)}_${version}`,
          password: passwordOf(resourceId, version),
        }),
        fence: async (ref) => !closedFences.has(ref.objectName),
        nameLock: oneAtATime(),
        connections: {
          record: async (request) => {
            const stored = details.get(request.resourceId) ?? request.details;
            details.set(request.resourceId, stored);
            return stored;
          },
          read: async (resourceId) => details.get(resourceId) ?? null,
        },
        issuedSecrets: { read: async () => null, store: async ({ secrets }) => secrets },
        logger: { info: () => undefined, warn: () => undefined, error: () => undefined },
      },
      host: where?.processes ?? null,
      serverPath: redisServerPath(),
      adminUrlOf: () => shared?.adminUrl ?? '',
      now: options.now,
    });
  const backend = room(host);

  const harness: RedisHarness = {
    backend,
    host,
    passwordOf,
    detailsOf: (resourceId) => details.get(resourceId) ?? {},
    secondBackend: (another) => room(another ?? host),
    newRequest: (_connections, limits = { memoryMb: 8 }) => {
      const resourceId = randomUUID();
      const objectName = `lh${installationId}_${randomBase32(24)}`;
      names.set(resourceId, objectName);
      return aRequest({ resourceId, kind: 'redis', objectName, limits });
    },
    setFence: (objectName, open) => void (open ? closedFences.delete(objectName) : closedFences.add(objectName)),
    keyPrefixOf: ({ resourceId }) => String(details.get(resourceId)?.key_prefix ?? ''),
    client: async (request, login = {}) => {
      const version = login.version ?? 1;
      const port = login.port ?? shared?.port ?? Number(details.get(request.resourceId)?.port);
      return await connectTenant({
        port,
        username: login.username ?? `${request.objectName}_${version}`,
        password: login.password ?? passwordOf(request.resourceId, version),
      });
    },
    open: async (request, version = 1) => {
      return sessionOf(await harness.client(request, { version }), `${harness.keyPrefixOf(request)}written`);
    },
    close: async () => {
      await backend.close();
      await host?.destroy();
      await shared?.stop();
    },
  };
  return harness;
}

async function connectTenant(login: { port: number; username: string; password: string }): Promise<Redis> {
  const redis = new Redis({
    ...login,
    host: '127.0.0.1',
    lazyConnect: true,
    connectTimeout: 20_000,
    commandTimeout: 30_000,
    retryStrategy: () => null,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    disableClientInfo: true,
  });
  // A refused login is told here; its commands then fail in other words.
  let told: Error | null = null;
  redis.on('error', (error) => {
    told ??= error;
  });
  try {
    await redis.connect();
    await redis.ping();
    return redis;
  } catch (error) {
    redis.disconnect();
    throw told ?? error;
  }
}

function sessionOf(redis: Redis, key: string): TenantSession {
  return {
    write: async (value) => void (await redis.rpush(key, value)),
    read: () => redis.lrange(key, 0, -1),
    close: async () => redis.disconnect(),
  };
}

function oneAtATime(): <T>(name: string, run: (signal: AbortSignal) => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>();
  return (name, run) => {
    const work = () => run(new AbortController().signal);
    const mine = (last.get(name) ?? Promise.resolve()).then(work, work);
    last.set(name, mine);
    return mine;
  };
}
