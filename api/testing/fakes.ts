// An app on stand-ins for Postgres and Temporal, for tests of what the edge itself decides.

import { deepStrictEqual } from 'node:assert';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { Express } from 'express';
import { EncryptionCodec } from '../../shared/codec';
import { claimHandle, hashToken, JwtSigner, Keyring } from '../../shared/crypto';
import { createEgress } from '../../shared/egress';
import { createLogger } from '../../shared/logctx';
import { loadPlans, type RateName } from '../../shared/plans';
import { type RateCounter, type RateFigure, RateStoreAway } from '../../shared/ratelimit';
import type { ResourceKind } from '../../shared/resourcetype';
import { createApp } from '../app';
import type { ApiDeps, ApiSettings } from '../deps';
import { Metrics } from '../http/metrics';
import { RateGate } from '../http/ratelimit';
import { OidcVerifier } from '../identity/oidc';
import { OidcSignIn } from '../identity/oidc-signin';
import type { LifecyclePort } from '../lifecycle/port';
import { createSecretReader } from '../projection/secrets';
import type { AuditEntry, IdempotencyRecord, ResourceEvent, ResourceStore, StoredCredential, StoredResource } from '../projection/store';
import type { ChangeFeed } from '../projection/waiter';
import { FakeNotifications } from './notifications';
import { emptyTeams } from './teams';

const KEY = `k1:${Buffer.alloc(32, 7).toString('base64')}`;
export const keyring = Keyring.parse(KEY);
export const jwt = JwtSigner.parse(KEY);
export const plans = loadPlans(join(__dirname, '../../plans.yaml'));

export const RESOURCE_ID = '3f0b2a52-6a39-5c0e-9d0d-0c6a3c1f5b11';
export const TOKEN = '11111111-2222-4333-8444-555555555555';
export const OPERATOR_KEY = 'operator-key-of-the-tests';
export const API_KEY = 'api-key-of-the-tests';
export const REVOKED_KEY = 'revoked-key-of-the-tests';
export const READ_KEY = 'read-key-of-the-tests';
export const PLATFORM_STORAGE_KEY = { accessKeyId: 'AKIAPLATFORM', secretAccessKey: 'the secret of the platform' };
export const TEAM_ID = '0d5f2f0c-94d4-4f2e-9b07-3a1a5d2f6c10';
const DAY_MS = 86_400_000;

export function aRow(fields: Partial<StoredResource> = {}): StoredResource {
  const id = fields.id ?? RESOURCE_ID;
  const created = new Date('2026-01-02T03:04:05.678Z');
  return {
    id,
    kind: 'postgres',
    name: 'orders',
    env: 'development',
    labels: {},
    team_id: null,
    owner_fingerprint: 'network',
    owner_address_hash: 'address',
    tier: 'anonymous',
    status: 'active',
    revision: 2,
    generation: 1,
    owner_run: 'run',
    backend_name: 'postgres-tenants',
    object_name: 'lhabcdefgh_abcdefghijklmnopqrstuvwx',
    from_pool: true,
    policy: plans.policyFor('anonymous'),
    limits: { storageMb: 10, connections: 2 },
    created_at: created,
    updated_at: created,
    expires_at: new Date(created.getTime() + DAY_MS),
    covered_ms: DAY_MS,
    paused_by_owner: false,
    paused_at: null,
    suspended_reason: null,
    read_only_by_quota: false,
    credential_version: 1,
    retiring_version: null,
    retiring_until: null,
    parent_resource_id: null,
    notify_webhook: null,
    failure_code: null,
    failure_message: null,
    storage_bytes: 0,
    measured_at: null,
    moving: null,
    host_name: null,
    options: {},
    token_hash: hashToken(TOKEN),
    token_encrypted: keyring.encrypt(TOKEN, `token:${id}`),
    created_key: '2026-01-02T03:04:05.678000Z',
    ...fields,
  };
}

/** Nobody has signed in. */
export const noIdentities: ApiDeps['identity'] = {
  findVerifiedUser: async () => null,
  membershipsOf: async () => [],
  createTeamWithOwner: () => Promise.reject(new Error('no identities here')),
  disband: async () => true,
  openSession: () => Promise.reject(new Error('no identities here')),
  findSession: async () => null,
  revokeSession: async () => false,
};

const noSignIns: Pick<ApiDeps, 'oidc' | 'serviceAccounts' | 'cliSessions'> = {
  oidc: new OidcSignIn({
    verifier: new OidcVerifier([]),
    store: { findPerson: async () => null, signUp: () => Promise.reject(new Error('nobody signs in here')) },
    serviceAccounts: { find: async () => null },
    identity: noIdentities,
    logger: { warn: () => undefined },
  }),
  serviceAccounts: { find: async () => null, list: async () => [], create: async () => null, remove: async () => false },
  cliSessions: {
    open: async () => ({ sessionId: 'session', approvalId: 'approval', expiresAtMs: 0 }),
    find: async () => null,
    approve: async () => null,
    complete: async () => undefined,
    take: async () => null,
  },
};

/** Rows in memory, behind the same interface as the real ones. */
export class FakeStore implements ResourceStore {
  rows: StoredResource[] = [];
  eventsOf: ResourceEvent[] = [];
  attempts: (IdempotencyRecord & { scope: string; key: string })[] = [];
  audited: AuditEntry[] = [];
  ready = new Set<string>(['postgres']);
  used = { ofKind: 0, provisionsToday: 0 };
  /** Of every row alike. */
  issued: Record<string, string> | null = null;
  details: Record<string, string | number | boolean | null> | null = null;

  async find({ id, tokenHash }: { id: string; tokenHash: string | null }) {
    return this.rows.find((row) => row.token_hash === tokenHash) ?? this.rows.find((row) => row.id === id) ?? null;
  }
  async findByClaimToken(hash: string) {
    const handleHash = (row: StoredResource) => hashToken(claimHandle(keyring.decrypt(row.token_encrypted, `token:${row.id}`)));
    return this.rows.find((row) => row.token_hash === hash || handleHash(row) === hash) ?? null;
  }
  async findWithCredential(id: string) {
    const resource = this.rows.find((row) => row.id === id);
    if (resource === undefined) return null;
    const version = resource.credential_version;
    const credential: StoredCredential = {
      version,
      username: `${resource.object_name}_${version}`,
      password_encrypted: keyring.encrypt('pass/word', `credential:${id}:${version}`),
      issued_encrypted: this.issued === null ? null : keyring.encrypt(JSON.stringify(this.issued), `issued:${id}:${version}`),
    };
    return { resource, credential, details: this.details };
  }
  async placements(): ReturnType<ResourceStore['placements']> {
    return { backends: [], hosts: [] };
  }
  async setDrained(): Promise<boolean> {
    return false;
  }
  async list(filter: Parameters<ResourceStore['list']>[0], page: Parameters<ResourceStore['list']>[1]) {
    const items = this.rows.filter((row) => filter.teamId === null || row.team_id === filter.teamId);
    return { items: items.slice(0, page.limit), total: items.length };
  }
  async events(_id: string, page: { afterRevision: number; limit: number }) {
    return this.eventsOf.filter((event) => event.revision > page.afterRevision).slice(0, page.limit);
  }
  async findApiKey(keyHash: string) {
    const key = {
      keyId: 'key',
      teamId: TEAM_ID,
      tier: 'pro',
      role: 'owner' as const,
      userId: null,
      scopes: ['read' as const, 'write' as const],
      revoked: false,
    };
    if (keyHash === hashToken(API_KEY)) return key;
    if (keyHash === hashToken(READ_KEY)) return { ...key, scopes: ['read' as const] };
    return keyHash === hashToken(REVOKED_KEY) ? { ...key, revoked: true } : null;
  }
  async newestAttempt(scope: string, key: string) {
    const mine = this.attempts.filter((attempt) => attempt.scope === scope && attempt.key === key);
    const newest = mine.sort((a, b) => b.generation - a.generation)[0];
    if (newest === undefined) return null;
    return { ...newest, status: this.rows.find((row) => row.id === newest.resourceId)?.status ?? null };
  }
  async claimAttempt(claim: { scope: string; key: string; generation: number; requestHash: string; resourceId: string }) {
    const { scope, key, generation } = claim;
    if (this.attempts.some((attempt) => attempt.scope === scope && attempt.key === key && attempt.generation === generation)) return false;
    this.attempts.push({ ...claim, recent: true, status: null });
    return true;
  }
  async readyKinds() {
    return this.ready;
  }
  async backendStates() {
    return [];
  }
  async poolItems() {
    return [{ backend: 'postgres-tenants', state: 'ready', count: 3 }];
  }
  async lifecycleCounts() {
    return [{ kind: 'postgres', status: 'active', count: this.rows.length, overdueSeconds: 0 }];
  }
  async usage() {
    return this.used;
  }
  async audit(entry: AuditEntry) {
    this.audited.push(entry);
  }
  async ping() {}
  async migration() {
    return { version: '1_platform', status: 'current' };
  }
}

/** Every call is a failure of the test, unless the test gives that one itself. */
export function untouchableLifecycle(own: Partial<LifecyclePort> = {}): LifecyclePort & { calls: string[] } {
  const calls: string[] = [];
  const refuse = (name: string) => async () => {
    calls.push(name);
    throw new Error(`the workflow must not be asked: ${name}`);
  };
  return {
    calls,
    startAndWait: refuse('startAndWait'),
    start: refuse('start'),
    command: refuse('command'),
    remove: refuse('remove'),
    describe: async () => null,
    runState: refuse('runState'),
    ...own,
  };
}

export const silentFeed: ChangeFeed = { subscribe: () => () => undefined, close: async () => undefined };

/** Plans.yaml alone. */
const noPolicies: ApiDeps['policies'] = {
  figure: () => null,
  list: async () => [],
  put: async () => undefined,
  remove: async () => false,
};

/** Every request is the first one. */
const nothingKept: ApiDeps['idempotency'] = {
  claim: async () => ({ outcome: 'claimed', lease: { finish: async () => true, open: async () => undefined } }),
};

/** Counts in this test alone. Windows do not end. */
export class MemoryRateCounter implements RateCounter {
  readonly #counts = new Map<string, number>();
  /** As if neither Redis nor Postgres could count. */
  away = false;

  async take(name: string, key: string, figure: RateFigure) {
    if (this.away) throw new RateStoreAway();
    const count = (this.#counts.get(`${name} ${key}`) ?? 0) + 1;
    this.#counts.set(`${name} ${key}`, count);
    return { ...figure, allowed: count <= figure.limit, remaining: Math.max(0, figure.limit - count), resetSeconds: figure.windowSeconds };
  }
  spentMs(name: string, key: string, figure: RateFigure) {
    return (this.#counts.get(`${name} ${key}`) ?? 0) >= figure.limit ? figure.windowSeconds * 1000 : 0;
  }
  async close() {}
}

export function fakeApp(
  parts: {
    store?: FakeStore;
    identity?: ApiDeps['identity'];
    oidc?: ApiDeps['oidc'];
    lifecycle?: LifecyclePort;
    feed?: ChangeFeed;
    notifications?: ApiDeps['notifications'];
    outbox?: ApiDeps['outbox'];
    inbox?: ApiDeps['inbox'];
    egress?: ApiDeps['egress'];
    settings?: Partial<ApiSettings>;
    codec?: Partial<ApiDeps['codec']>;
    onAnswer?: ApiDeps['onAnswer'];
    requestsPerMinute?: number;
    counter?: RateCounter;
    policies?: ApiDeps['policies'];
    idempotency?: ApiDeps['idempotency'];
    figure?: (name: RateName) => RateFigure;
  } = {},
): {
  app: Express;
  deps: ApiDeps;
  store: FakeStore;
  logged: string[];
} {
  const store = parts.store ?? new FakeStore();
  const logged: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      logged.push(String(chunk));
      done();
    },
  });
  const logger = createLogger({ process: 'api', level: 'debug', stream });
  const deps: ApiDeps = {
    settings: {
      sessionTtlMs: 3_600_000,
      baseUrl: 'http://leasehold.test',
      upgradeUrl: 'http://leasehold.test/docs#plans',
      contact: 'mailto:security@leasehold.test',
      loopbackExempt: false,
      trustedProxies: [],
      socketOrigins: [],
      operatorKey: OPERATOR_KEY,
      ...parts.settings,
    },
    store,
    identity: parts.identity ?? noIdentities,
    ...emptyTeams,
    ...noSignIns,
    ...(parts.oidc === undefined ? {} : { oidc: parts.oidc }),
    lifecycle: parts.lifecycle ?? untouchableLifecycle(),
    feed: parts.feed ?? silentFeed,
    outbox: parts.outbox ?? { list: async () => [], replay: async () => null },
    inbox: parts.inbox ?? null,
    egress: parts.egress ?? createEgress(),
    secrets: createSecretReader({
      keyring,
      addresses: new Map([
        ['postgres-tenants', { protocol: 'postgres', host: 'db.test', port: 5433 }],
        ['storage', { protocol: 'http', host: 's3.test', port: 8333 }],
      ]),
      storageKeys: new Map([['storage', PLATFORM_STORAGE_KEY]]),
      baseUrl: 'http://leasehold.test',
      onFailure: (message, resource_id, error) => logger.error(message, { resource_id, error }),
    }),
    notifications: parts.notifications ?? new FakeNotifications(),
    jwt,
    codec: {
      payloads: new EncryptionCodec({ keyring, encrypts: true }),
      namespace: 'leasehold',
      origin: 'http://ui.test',
      ...parts.codec,
    },
    plans: { current: () => plans },
    logger,
    readiness: {
      report: async () => ({
        overall: 'ok',
        service: 'leasehold-api',
        commit_id: 'test',
        checked_at: '2026-11-21T00:00:00.000Z',
        checks: [],
      }),
    },
    metrics: new Metrics(store),
    policies: parts.policies ?? noPolicies,
    idempotency: parts.idempotency ?? nothingKept,
    rates: new RateGate({
      counter: parts.counter ?? new MemoryRateCounter(),
      figure: parts.figure ?? (() => ({ limit: parts.requestsPerMinute ?? 1_000_000, windowSeconds: 60 })),
      loopbackExempt: parts.settings?.loopbackExempt ?? false,
      logger,
    }),
    build: { commitId: 'test', buildTime: 'now', version: '0.0.0' },
    stopping: new AbortController().signal,
    onAnswer: parts.onAnswer,
  };
  return { app: createApp(deps), deps, store, logged };
}

export const ALL_KINDS: readonly ResourceKind[] = ['postgres', 'vector', 'redis', 'mongodb', 'queue', 'storage', 'webhook'];

/** Every answer is compared with the schema that the OpenAPI document shows; a key that the schema lacks is a difference. */
export const expectDeclared: NonNullable<ApiDeps['onAnswer']> = ({ route, status, body }) => {
  const answer = route.answers[status];
  if (answer === undefined) throw new Error(`${route.operationId} does not declare ${status}`);
  const sent = JSON.parse(JSON.stringify(body ?? null));
  if (answer.schema !== undefined) deepStrictEqual(answer.schema.parse(sent), sent);
};
