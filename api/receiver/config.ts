// The receiver's configuration, read from the environment once, at start. It is given no key and no database of the platform's.
import { type Environment, readConfig } from '../../shared/config';

export type ReceiverConfig = ReturnType<typeof loadReceiverConfig>;

/** @throws ConfigError with one line that names the variable, and no value */
export function loadReceiverConfig(env: NodeJS.ProcessEnv | Environment) {
  const data = readConfig('receiver', env);
  return {
    inboxUrl: data.LEASEHOLD_INBOX_URL,
    inboxPool: data.LEASEHOLD_INBOX_POOL,
    redisUrl: data.LEASEHOLD_REDIS_URL === 'none' ? undefined : data.LEASEHOLD_REDIS_URL,
    host: data.LEASEHOLD_RECEIVER_HOST,
    port: data.LEASEHOLD_RECEIVER_PORT,
    requestsPerMinute: data.LEASEHOLD_RECEIVER_REQUESTS_PER_MINUTE,
    maxConnections: data.LEASEHOLD_RECEIVER_CONNECTIONS,
    baseUrl: data.LEASEHOLD_BASE_URL ?? data.APP_URL ?? 'http://127.0.0.1:8080',
    logLevel: data.LEASEHOLD_LOG,
  };
}
