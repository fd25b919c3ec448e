// The api's configuration, read from the environment once, at start.
import ipaddr from 'ipaddr.js';
import { z } from 'zod';

/** What is wrong with the configuration, in one line without a value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

const flag = z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1');
const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).transform((text) => text.replace(/\/+$/, ''));
const PROXY_NAMES = new Set(['loopback', 'linklocal', 'uniquelocal']);

function isProxy(text: string): boolean {
  return PROXY_NAMES.has(text) || ipaddr.isValid(text) || ipaddr.isValidCIDR(text);
}

const environment = z.object({
  PORT: z.coerce.number().int().min(0).max(65_535).default(8080),
  LEASEHOLD_HOST: z.string().min(1).default('127.0.0.1'),
  LEASEHOLD_BASE_URL: httpUrl.optional(),
  LEASEHOLD_UPGRADE_URL: httpUrl.optional(),
  LEASEHOLD_CONTACT: z
    .string()
    .regex(/^(mailto:|https:\/\/)\S+$/, { error: 'must start with mailto: or https://' })
    .optional(),
  LEASEHOLD_DATABASE_URL: z.string().min(1),
  LEASEHOLD_TEMPORAL_ADDRESS: z.string().min(1).default('127.0.0.1:7233'),
  LEASEHOLD_TEMPORAL_NAMESPACE: z.string().min(1).default('default'),
  LEASEHOLD_TEMPORAL_UI_URL: httpUrl.default('http://127.0.0.1:8233'),
  LEASEHOLD_KEYRING: z.string().min(1),
  LEASEHOLD_JWT_KEYS: z.string().min(1),
  LEASEHOLD_OPERATOR_KEY: z.string().min(16, { error: 'must have 16 characters or more' }).optional(),
  LEASEHOLD_BOOTSTRAP_API_KEY: z.string().min(16, { error: 'must have 16 characters or more' }).optional(),
  LEASEHOLD_BOOTSTRAP_TIER: z.string().min(1).default('pro'),
  LEASEHOLD_PLANS: z.string().min(1).default('plans.yaml'),
  LEASEHOLD_BACKENDS: z.string().min(1).default('backends.yaml'),
  LEASEHOLD_LOG: z.enum(['error', 'warn', 'info', 'debug']).default('info'),
  LEASEHOLD_TRUSTED_PROXIES: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .refine((parts) => parts.every(isProxy), { error: 'must be a list of addresses or CIDR ranges, separated by commas' }),
  LEASEHOLD_LOOPBACK_EXEMPT: flag.default(true),
  LEASEHOLD_REQUESTS_PER_MINUTE: z.coerce.number().int().min(1).default(600),
  LEASEHOLD_INBOX_URL: z.string().min(1).optional(),
  LEASEHOLD_REDIS_URL: z.string().min(1).optional(),
  LEASEHOLD_EGRESS_CIDRS: z
    .string()
    .default('')
    .transform((text) =>
      text
        .split(',')
        .map((part) => part.trim())
        .filter((part) => part !== ''),
    )
    .refine((parts) => parts.every((part) => ipaddr.isValidCIDR(part)), { error: 'must be a list of CIDR ranges, separated by commas' }),
  LEASEHOLD_SESSION_HOURS: z.coerce.number().min(0.01).max(8760).default(720),
  LEASEHOLD_DATABASE_POOL: z.coerce.number().int().min(1).max(200).default(20),
});

export type ApiConfig = ReturnType<typeof loadConfig>;

/** @throws ConfigError */
export function loadConfig(env: NodeJS.ProcessEnv) {
  // An empty variable is one that was not set.
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = environment.safeParse(given);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const name = String(issue?.path[0] ?? 'the environment');
    throw new ConfigError(`${name}: ${given[name] === undefined ? 'is not set' : (issue?.message ?? 'is not valid')}`);
  }
  const { data } = parsed;
  const baseUrl =
    data.LEASEHOLD_BASE_URL ??
    `http://${data.LEASEHOLD_HOST.includes(':') ? `[${data.LEASEHOLD_HOST}]` : data.LEASEHOLD_HOST}:${data.PORT}`;
  return {
    port: data.PORT,
    host: data.LEASEHOLD_HOST,
    baseUrl,
    upgradeUrl: data.LEASEHOLD_UPGRADE_URL ?? `${baseUrl}/docs#plans`,
    contact: data.LEASEHOLD_CONTACT ?? `${baseUrl}/docs`,
    databaseUrl: data.LEASEHOLD_DATABASE_URL,
    databasePool: data.LEASEHOLD_DATABASE_POOL,
    temporal: {
      address: data.LEASEHOLD_TEMPORAL_ADDRESS,
      namespace: data.LEASEHOLD_TEMPORAL_NAMESPACE,
      uiUrl: data.LEASEHOLD_TEMPORAL_UI_URL,
    },
    keyring: data.LEASEHOLD_KEYRING,
    jwtKeys: data.LEASEHOLD_JWT_KEYS,
    operatorKey: data.LEASEHOLD_OPERATOR_KEY ?? null,
    bootstrap:
      data.LEASEHOLD_BOOTSTRAP_API_KEY === undefined
        ? null
        : { apiKey: data.LEASEHOLD_BOOTSTRAP_API_KEY, tier: data.LEASEHOLD_BOOTSTRAP_TIER },
    plansPath: data.LEASEHOLD_PLANS,
    backendsPath: data.LEASEHOLD_BACKENDS,
    logLevel: data.LEASEHOLD_LOG,
    trustedProxies: data.LEASEHOLD_TRUSTED_PROXIES,
    inboxUrl: data.LEASEHOLD_INBOX_URL ?? null,
    redisUrl: data.LEASEHOLD_REDIS_URL,
    egressCidrs: data.LEASEHOLD_EGRESS_CIDRS,
    sessionTtlMs: data.LEASEHOLD_SESSION_HOURS * 3_600_000,
    loopbackExempt: data.LEASEHOLD_LOOPBACK_EXEMPT,
    requestsPerMinute: data.LEASEHOLD_REQUESTS_PER_MINUTE,
  };
}
