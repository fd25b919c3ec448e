// The platform's own connections: made for one call, never without a deadline, since a tenant may keep its server busy.
import { connect } from 'node:net';
import { Redis, type RedisOptions } from 'ioredis';
import { ProviderMisconfigured, redactUrls } from '../errors';

const CONNECT_TIMEOUT_MS = 5_000;
const COMMAND_TIMEOUT_MS = 5_000;

export interface AdminAddress {
  host: string;
  port: number;
  username?: string;
  password?: string;
  tls?: boolean;
}

/** @throws ProviderMisconfigured with no word of the url in it */
export function parseAdminUrl(text: string, backendName: string): AdminAddress {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || (url.protocol !== 'redis:' && url.protocol !== 'rediss:'))
    throw new ProviderMisconfigured(`the admin url of ${backendName} must begin with redis:// or rediss://`);
  return {
    host: url.hostname,
    port: Number(url.port || 6379),
    username: url.username === '' ? undefined : decodeURIComponent(url.username),
    password: url.password === '' ? undefined : decodeURIComponent(url.password),
    tls: url.protocol === 'rediss:',
  };
}

/** One connection for `work`; closed in any case. */
export async function withAdmin<T>(address: AdminAddress, work: (redis: Redis) => Promise<T>, options: RedisOptions = {}): Promise<T> {
  const { tls, ...where } = address;
  const redis = new Redis({
    ...where,
    ...(tls ? { tls: {} } : {}),
    lazyConnect: true,
    connectTimeout: CONNECT_TIMEOUT_MS,
    commandTimeout: COMMAND_TIMEOUT_MS,
    retryStrategy: () => null,
    enableReadyCheck: false,
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    disableClientInfo: true,
    ...options,
  });
  // Its commands reject all the same.
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await work(redis);
  } finally {
    redis.disconnect();
  }
}

/** Rejects at once when nothing does. */
export function listens(host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.destroy();
      resolve();
    });
  });
}

/** The words of a server's refusal, of a broken connection, or of anything else. */
export function wordsOf(error: unknown): string {
  const { message, code } = Object(error) as { message?: unknown; code?: unknown };
  return redactUrls(String(message || code || 'unknown error'));
}
