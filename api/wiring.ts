// Puts the real parts together: Postgres, Temporal, files. Tests on real servers use this too.
import { Client, Connection, defaultGrpcRetryOptions, isGrpcServiceError, makeGrpcRetryInterceptor } from '@temporalio/client';
import type pg from 'pg';
import { buildInfo } from '../shared/buildinfo';
import { createDataConverter, EncryptionCodec } from '../shared/codec';
import { type Environment, unknownVariables } from '../shared/config';
import { JwtSigner, Keyring } from '../shared/crypto';
import { createPool } from '../shared/db';
import { createEgress } from '../shared/egress';
import { InboxStore } from '../shared/inbox';
import type { Logger } from '../shared/logctx';
import { listDeadLetters, relayReadiness, replayDeadLetter } from '../shared/outbox';
import { type BackendsFile, environmentNames, loadBackends, watchPlans } from '../shared/plans';
import { PgPolicies } from '../shared/policy';
import { StoredRateCounter } from '../shared/ratelimit';
import { postgresCheck, ReadinessRegistry, temporalCheck } from '../shared/readiness';
import { adminKeyOf, type StorageKey } from '../shared/storageprovider';
import { clientTracing } from '../shared/telemetry';
import { type ApiConfig, ConfigError } from './config';
import type { ApiDeps } from './deps';
import { Metrics } from './http/metrics';
import { RateGate, rateFigures } from './http/ratelimit';
import { PgIdempotentRequests } from './idempotency/requests';
import { PgApiKeyStore } from './identity/apikeys';
import { PgCliSessionStore } from './identity/cli';
import { OidcVerifier } from './identity/oidc';
import { OidcSignIn } from './identity/oidc-signin';
import { PgSignInStore } from './identity/oidc-store';
import { PgServiceAccountStore } from './identity/serviceaccounts';
import { PgIdentityStore } from './identity/store';
import { PgTeamStore } from './identity/teams';
import { contextInterceptor } from './lifecycle/context';
import { TemporalLifecycle } from './lifecycle/temporal';
import { PgNotificationStore } from './notifications/store';
import { PgAuditLog } from './projection/auditlog';
import type { PublicAddress } from './projection/connections';
import { PgLeakReport } from './projection/leaks';
import { PgResourceStore } from './projection/pgstore';
import { createSecretReader, type PublicAddresses, type StorageKeys } from './projection/secrets';
import { PgChangeFeed } from './projection/waiter';
import { SERVICE } from './routes/ops';

const USUAL_PORTS: Readonly<Record<string, number>> = {
  postgres: 5432,
  postgresql: 5432,
  redis: 6379,
  mongodb: 27017,
  nats: 4222,
  kafka: 9092,
  amqp: 5672,
  amqps: 5671,
  http: 80,
  https: 443,
};
const GRPC_UNAVAILABLE = 14;

export interface WiredApi {
  deps: ApiDeps;
  pool: pg.Pool;
  /** Ends streams and waits; call it before closing the server. */
  stop(): void;
  close(): Promise<void>;
}

/**
 * Where tenants reach each backend: its host, its public url, or else its admin url, of which nothing but scheme, host and port is taken.
 * @throws ConfigError
 */
export function publicAddresses({ hosts, backends }: BackendsFile, env: Environment): PublicAddresses {
  const addresses = new Map<string, PublicAddress>();
  for (const backend of backends) {
    const host = hosts.find(({ name }) => name === backend.host);
    if (host !== undefined) {
      addresses.set(backend.name, { protocol: '', host: host.address, port: 0 });
      continue;
    }
    const text = backend.publicUrl ?? (backend.adminUrlEnv === null ? undefined : env.text(backend.adminUrlEnv));
    // A backend that is not configured disables itself alone; the worker says so.
    if (text === undefined) continue;
    if (!URL.canParse(text)) throw new ConfigError(`${backend.adminUrlEnv}: is not a URL`);
    const { protocol, hostname, port } = new URL(text);
    const scheme = protocol.slice(0, -1);
    addresses.set(backend.name, { protocol: scheme, host: hostname, port: port === '' ? (USUAL_PORTS[scheme] ?? 0) : Number(port) });
  }
  return addresses;
}

/** What the api signs with where a store has no key for a tenant. @throws ConfigError */
export function storageKeys({ backends }: BackendsFile, env: Environment): StorageKeys {
  const keys = new Map<string, StorageKey>();
  for (const { name, kind, adminUrlEnv } of backends) {
    const text = kind !== 'storage' || adminUrlEnv === null ? undefined : env.text(adminUrlEnv);
    if (text !== undefined && adminUrlEnv !== null)
      keys.set(
        name,
        parsed(adminUrlEnv, () => adminKeyOf(new URL(text))),
      );
  }
  return keys;
}

/** Nothing is connected to before it is needed: the api serves reads while Temporal is away. */
export function wireApi(config: ApiConfig, env: Environment, logger: Logger): WiredApi {
  const keyring = parsed('LEASEHOLD_KEYRING', () => Keyring.parse(config.keyring));
  const jwt = parsed('LEASEHOLD_JWT_KEYS', () => JwtSigner.parse(config.jwtKeys));
  const backends = parsed('LEASEHOLD_BACKENDS', () => loadBackends(config.backendsPath));
  for (const line of unknownVariables(env, environmentNames(backends))) logger.warn(line);
  const addresses = publicAddresses(backends, env);
  const plans = parsed('LEASEHOLD_PLANS', () =>
    watchPlans(config.plansPath, () => logger.info('plans were read anew'), {
      onError: (error) => logger.error('plans could not be read anew', error),
    }),
  );
  const pool = createPool({ url: config.databaseUrl, max: config.databasePool, applicationName: SERVICE });
  const connection = openConnection(config.temporal.address);
  const dataConverter = createDataConverter({ keyring, encrypts: config.encryptsPayloads });
  const { namespace } = config.temporal;
  const client = new Client({
    connection,
    namespace,
    dataConverter,
    interceptors: { workflow: [...clientTracing(), contextInterceptor] },
  });
  const store = new PgResourceStore(pool);
  const feed = new PgChangeFeed({ url: config.databaseUrl, applicationName: `${SERVICE}-listen` });
  const inbox = openInboxStore(config, logger);
  const metrics = new Metrics(store, { processMetrics: true });
  const readiness = new ReadinessRegistry({ service: SERVICE, logger, metrics: metrics.registry });
  readiness.register({ name: 'platform-postgres', critical: true, check: postgresCheck(pool) });
  readiness.register({ name: 'temporal', critical: false, check: temporalReadiness(connection) });
  readiness.register({ name: 'relay', critical: false, check: () => relayReadiness(pool) });
  readiness.register({ name: 'backends', critical: false, check: () => backendsReadiness(store) });
  const policies = new PgPolicies({ pool, onError: (error) => logger.warn('policies cannot be read; the last ones hold', { error }) });
  const counter = new StoredRateCounter({ pool, redisUrl: config.redisUrl, logger });
  const identity = new PgIdentityStore(pool);
  const idempotency = new PgIdempotentRequests({ pool, keyring, keptMs: () => plans.current().idempotency.keptMs });
  const serviceAccounts = new PgServiceAccountStore(pool);
  const oidc = new OidcSignIn({
    verifier: new OidcVerifier(config.oidcIssuers),
    store: new PgSignInStore(pool, identity),
    serviceAccounts,
    identity,
    logger,
  });
  const stopping = new AbortController();
  const deps: ApiDeps = {
    settings: config,
    store,
    outbox: { list: (limit) => listDeadLetters(pool, limit), replay: (id) => replayDeadLetter(pool, id) },
    identity,
    teams: new PgTeamStore(pool),
    apiKeys: new PgApiKeyStore(pool, logger),
    auditLog: new PgAuditLog(pool),
    leakReport: new PgLeakReport(pool),
    oidc,
    serviceAccounts,
    cliSessions: new PgCliSessionStore(pool, keyring),
    lifecycle: new TemporalLifecycle({ client, uiUrl: config.temporal.uiUrl }),
    feed,
    inbox,
    egress: createEgress({ allowedCidrs: config.egressCidrs }),
    secrets: createSecretReader({
      keyring,
      addresses,
      storageKeys: storageKeys(backends, env),
      baseUrl: config.baseUrl,
      onFailure: (message, resource_id, error) => logger.error(message, { resource_id, error }),
    }),
    notifications: new PgNotificationStore({ pool, keyring }),
    jwt,
    codec: {
      payloads: new EncryptionCodec({ keyring, encrypts: config.encryptsPayloads }),
      namespace,
      origin: config.codecOrigin === undefined ? null : new URL(config.codecOrigin).origin,
    },
    plans,
    logger,
    readiness,
    metrics,
    policies,
    idempotency,
    rates: new RateGate({
      counter,
      figure: rateFigures({ plans, policies, requestsPerMinute: config.requestsPerMinute }),
      loopbackExempt: config.loopbackExempt,
      logger,
    }),
    build: buildInfo(),
    stopping: stopping.signal,
  };
  return {
    deps,
    pool,
    stop: () => stopping.abort(),
    async close() {
      stopping.abort();
      plans.stop();
      policies.stop();
      idempotency.stop();
      await counter.close();
      await Promise.allSettled([feed.close(), inbox?.close(), pool.end(), connection.close()]);
    },
  };
}

function openInboxStore({ inboxUrl, redisUrl }: ApiConfig, logger: Logger): InboxStore | null {
  if (inboxUrl === null) return null;
  return new InboxStore({ url: inboxUrl, redisUrl, applicationName: `${SERVICE}-inbox`, maxConnections: 5, logger });
}

/** Connects when it is first used, and gives up on a server that is away within about three seconds, not nineteen. */
function openConnection(address: string): Connection {
  return Connection.lazy({
    address,
    interceptors: [makeGrpcRetryInterceptor(defaultGrpcRetryOptions({ maxAttempts: 6 }))],
    // The default waits up to two minutes before it looks whether the server is back.
    channelArgs: { 'grpc.initial_reconnect_backoff_ms': 200, 'grpc.max_reconnect_backoff_ms': 2_000 },
  });
}

function parsed<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new ConfigError(`${name}: ${error instanceof Error ? error.message : 'is not valid'}`);
  }
}

function temporalReadiness(connection: Connection) {
  const check = temporalCheck(connection);
  return async (signal: AbortSignal) => {
    try {
      // The client retries for longer than a check may take.
      return await connection.withAbortSignal(signal, () =>
        connection.withDeadline(Date.now() + 1_500, () => check(signal) as Promise<void>),
      );
    } catch (error) {
      if (isGrpcServiceError(error) && error.code === GRPC_UNAVAILABLE) throw new Error('cannot be reached');
      throw error;
    }
  };
}

async function backendsReadiness(store: Pick<PgResourceStore, 'backendStates'>) {
  const states = await store.backendStates();
  const down = states.filter((state) => !state.ready && !(state.drained && state.listed));
  if (states.length === 0) throw new Error('no backend is registered');
  if (down.length > 0) throw new Error(down.map((state) => `${state.name}: ${state.lastError ?? 'not ready'}`).join('; '));
  const poolReady = Object.fromEntries(states.map((state) => [state.name, state.poolReady]));
  const unproven = Object.fromEntries(states.flatMap((state) => (state.unproven === null ? [] : [[state.name, state.unproven]])));
  return { status: 'ok' as const, detail: { pool_ready: poolReady, ...(Object.keys(unproven).length === 0 ? {} : { unproven }) } };
}
