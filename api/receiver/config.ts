// The receiver's configuration, read from the environment once, at start. It is given no key and no database of the platform's.
import { z } from 'zod';

const environment = z.object({
  LEASEHOLD_INBOX_URL: z.string().min(1),
  LEASEHOLD_REDIS_URL: z.string().min(1).optional(),
  LEASEHOLD_RECEIVER_HOST: z.string().min(1).default('127.0.0.1'),
  LEASEHOLD_RECEIVER_PORT: z.coerce.number().int().min(0).max(65_535),
  LEASEHOLD_RECEIVER_REQUESTS_PER_MINUTE: z.coerce.number().int().min(1).default(600),
  LEASEHOLD_RECEIVER_CONNECTIONS: z.coerce.number().int().min(1).default(2_000),
  LEASEHOLD_INBOX_POOL: z.coerce.number().int().min(1).max(200).default(20),
  LEASEHOLD_BASE_URL: z.url({ protocol: /^https?$/ }).default('http://127.0.0.1:8080'),
  LEASEHOLD_LOG: z.enum(['error', 'warn', 'info', 'debug']).default('info'),
});

export class ReceiverConfigError extends Error {
  override readonly name = 'ReceiverConfigError';
}

export type ReceiverConfig = ReturnType<typeof loadReceiverConfig>;

/** @throws ReceiverConfigError with one line that names the variable, and no value */
export function loadReceiverConfig(env: NodeJS.ProcessEnv) {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = environment.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = String(issue?.path[0] ?? 'the environment');
    throw new ReceiverConfigError(`${name}: ${given[name] === undefined ? 'is not set' : (issue?.message ?? 'is not valid')}`);
  }
  const { data } = parsed;
  return {
    inboxUrl: data.LEASEHOLD_INBOX_URL,
    inboxPool: data.LEASEHOLD_INBOX_POOL,
    redisUrl: data.LEASEHOLD_REDIS_URL,
    host: data.LEASEHOLD_RECEIVER_HOST,
    port: data.LEASEHOLD_RECEIVER_PORT,
    requestsPerMinute: data.LEASEHOLD_RECEIVER_REQUESTS_PER_MINUTE,
    maxConnections: data.LEASEHOLD_RECEIVER_CONNECTIONS,
    baseUrl: data.LEASEHOLD_BASE_URL.replace(/\/+$/, ''),
    logLevel: data.LEASEHOLD_LOG,
  };
}
