// The api's configuration, read from the environment once, at start.
import { ConfigError, type Environment, readConfig } from '../shared/config';
import { type OidcIssuer, parseOidcIssuers } from './identity/oidc-config';

export { ConfigError } from '../shared/config';

export type ApiConfig = ReturnType<typeof loadConfig>;

/** @throws ConfigError */
export function loadConfig(env: NodeJS.ProcessEnv | Environment) {
  const data = readConfig('api', env);
  const baseUrl =
    data.LEASEHOLD_BASE_URL ??
    data.APP_URL ??
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
      address: data.LEASEHOLD_TEMPORAL_ADDRESS ?? '127.0.0.1:7233',
      namespace: data.LEASEHOLD_TEMPORAL_NAMESPACE,
      uiUrl: data.LEASEHOLD_TEMPORAL_UI_URL ?? 'http://127.0.0.1:8233',
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
    redisUrl: data.LEASEHOLD_REDIS_URL === 'none' ? undefined : data.LEASEHOLD_REDIS_URL,
    socketOrigins: data.LEASEHOLD_SOCKET_ORIGINS,
    egressCidrs: data.LEASEHOLD_EGRESS_CIDRS,
    oidcIssuers: oidcIssuers(data.LEASEHOLD_OIDC_ISSUERS ?? ''),
    sessionTtlMs: data.LEASEHOLD_SESSION_HOURS * 3_600_000,
    encryptsPayloads: data.LEASEHOLD_PAYLOAD_CODEC,
    codecOrigin: data.LEASEHOLD_CODEC_ORIGIN ?? data.LEASEHOLD_TEMPORAL_UI_URL,
    loopbackExempt: data.LEASEHOLD_LOOPBACK_EXEMPT,
    requestsPerMinute: data.LEASEHOLD_REQUESTS_PER_MINUTE ?? null,
  };
}

function oidcIssuers(text: string): OidcIssuer[] {
  try {
    return parseOidcIssuers(text);
  } catch (error) {
    throw new ConfigError(`LEASEHOLD_OIDC_ISSUERS: ${error instanceof Error ? error.message : 'is not valid'}`);
  }
}
