// Provisions and commands through the app, on stand-ins: what is started, and that every answer agrees with its schema.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ApplicationFailure, WorkflowUpdateFailedError } from '@temporalio/client';
import request from 'supertest';
import { claimHandle } from '../../shared/crypto';
import type { ResourceSpec } from '../../shared/resourcetype';
import type { LifecyclePort, ReadyOutcome } from '../lifecycle/port';
import { API_KEY, aRow, expectDeclared, FakeStore, fakeApp, keyring, TEAM_ID, TOKEN, untouchableLifecycle } from '../testing/fakes';

const TEAM = { authorization: `Bearer ${API_KEY}` };
const KEY = { 'idempotency-key': 'a-key-of-16-characters' };

let store: FakeStore;
let started: ResourceSpec[];
let removed: string[];
let outcome: (spec: ResourceSpec) => ReadyOutcome;
let lifecycle: Partial<LifecyclePort>;

function rowOf(spec: ResourceSpec) {
  return aRow({
    id: spec.resourceId,
    name: spec.name,
    env: spec.env,
    team_id: spec.owner.type === 'team' ? spec.owner.teamId : null,
    owner_fingerprint: spec.owner.type === 'anonymous' ? spec.owner.fingerprint : null,
    tier: spec.policy.tier,
    limits: spec.limits,
    expires_at: spec.ttlMs === null ? null : new Date(Date.UTC(2026, 0, 2) + spec.ttlMs),
    created_at: new Date(Date.UTC(2026, 0, 2)),
  });
}

beforeEach(() => {
  store = new FakeStore();
  started = [];
  removed = [];
  outcome = (spec) => {
    if (!store.rows.some((row) => row.id === spec.resourceId)) store.rows.push(rowOf(spec));
    return { outcome: 'ready' };
  };
  lifecycle = {
    startAndWait: async (spec) => {
      started.push(spec);
      return outcome(spec);
    },
    start: async (spec) => {
      started.push(spec);
    },
    remove: async (spec) => {
      removed.push(spec.resourceId);
    },
    runState: async () => 'absent',
  };
});

function app(settings: object = {}) {
  return fakeApp({ store, settings, lifecycle: untouchableLifecycle(lifecycle), onAnswer: expectDeclared }).app;
}

const failedWith = (code: string, details: object = {}): ReadyOutcome => ({
  outcome: 'failed',
  error: new WorkflowUpdateFailedError('failed', ApplicationFailure.nonRetryable('the limit is 5', code, details)),
});

describe('POST /db/new', () => {
  it('makes an anonymous database', async () => {
    const answer = await request(app()).post('/db/new').send({ name: ' orders ', zeta: 1, alpha: 2 });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({
      ok: true,
      name: 'orders',
      tier: 'anonymous',
      env: 'development',
      status: 'active',
      ignored_fields: ['alpha', 'zeta'],
      limits: { storage_mb: 10, connections: 2, expires_in: '24h' },
      token: TOKEN,
      connection_url: 'postgres://lhabcdefgh_abcdefghijklmnopqrstuvwx_1:pass%2Fword@db.test:5433/lhabcdefgh_abcdefghijklmnopqrstuvwx',
    });
    expect(answer.headers['x-idempotency-source']).toBe('miss');
    expect(answer.body.claim_url).toBe(`http://leasehold.test/start?t=${answer.body.upgrade_jwt}`);
    const claims = JSON.parse(Buffer.from(answer.body.upgrade_jwt.split('.')[1], 'base64url').toString());
    expect(claims).toMatchObject({ tok: [claimHandle(TOKEN)], rt: ['postgres'], fp: expect.any(String), jti: expect.any(String) });
    expect(claims.exp - claims.iat).toBe(7 * 24 * 3600);
    expect(answer.body.upgrade_jwt).not.toContain(TOKEN);
    expect(started).toHaveLength(1);
    expect(started[0]).toMatchObject({
      generation: 1,
      ttlMs: 86_400_000,
      quota: { kindCount: 5, provisionsPerDay: 5 },
      owner: { type: 'anonymous' },
    });
    expect(JSON.stringify(started)).not.toContain(TOKEN);
  });

  it('takes the caps off a caller on this machine, unless a proxy nobody trusts forwarded it', async () => {
    const home = app({ loopbackExempt: true });
    await request(home).post('/db/new').send({ name: 'a' });
    await request(home).post('/db/new').set('x-forwarded-for', '203.0.113.9').send({ name: 'a' });
    expect(started.map((spec) => spec.quota.kindCount)).toEqual([-1, 5]);
  });

  it('believes a trusted proxy', async () => {
    const behind = app({ loopbackExempt: true, trustedProxies: ['loopback'] });
    await request(behind).post('/db/new').set('x-forwarded-for', '203.0.113.9').send({ name: 'a' });
    await request(behind).post('/db/new').set('x-forwarded-for', 'unknown').send({ name: 'a' });
    expect(started.map((spec) => spec.quota.kindCount)).toEqual([5, 5]);
    expect(started[0]?.owner).not.toEqual(started[1]?.owner);
  });

  it('makes one for a team, without an end', async () => {
    const answer = await request(app())
      .post('/db/new')
      .set(TEAM)
      .send({ name: 'a', labels: { app: 'shop' }, notify_webhook: 'https://example.com/x' });
    expect(answer.status).toBe(201);
    expect(answer.body).toMatchObject({ tier: 'pro', expires_at: null, limits: { storage_mb: 10240, connections: 20 } });
    expect(answer.body.claim_url).toBeUndefined();
    expect(started[0]).toMatchObject({
      owner: { type: 'team', teamId: TEAM_ID },
      ttlMs: null,
      labels: { app: 'shop' },
      notifyWebhook: 'https://example.com/x',
    });
  });

  it('says what a dry run would do, and does nothing', async () => {
    const answer = await request(app()).post('/db/new').send({ name: 'a', dry_run: true, ttl: '90m' });
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ dry_run: true, limits: { expires_in: '1h 30m' }, quota: { of_kind: { limit: 5, used: 0 } } });
    store.used = { ofKind: 5, provisionsToday: 5 };
    expect((await request(app()).post('/db/new').send({ name: 'a', dry_run: true })).body).toMatchObject({
      error: 'postgres_limit_reached',
      upgrade_url: 'http://leasehold.test/docs#plans',
    });
    expect(started).toEqual([]);
  });

  it.each([
    ['postgres_limit_reached', 402],
    ['provision_limit_reached', 429],
    ['no_capacity', 503],
    ['service_disabled', 503],
    ['provision_failed', 502],
  ])('passes on that the workflow said %s', async (code, status) => {
    outcome = () => failedWith(code, { limit: 5 });
    const answer = await request(app()).post('/db/new').send({ name: 'a' });
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ error: code, message: 'the limit is 5', details: { limit: 5 } });
    expect(answer.headers['retry-after'] === undefined).toBe(status === 402);
  });

  it('believes the row rather than the update', async () => {
    outcome = (spec) => {
      store.rows.push(rowOf(spec));
      return failedWith('provision_failed');
    };
    expect((await request(app()).post('/db/new').send({ name: 'a' })).status).toBe(201);
    outcome = (spec) => {
      store.rows.push({ ...rowOf(spec), status: 'deleted' });
      return { outcome: 'ready' };
    };
    expect((await request(app()).post('/db/new').send({ name: 'a' })).body.error).toBe('resource_inactive');
  });

  it('answers 202 when it takes too long, or when that was asked for', async () => {
    outcome = (spec) => {
      store.rows.push({ ...rowOf(spec), status: 'pending' });
      return { outcome: 'deadline' };
    };
    for (const headers of [{}, { prefer: 'respond-async' }]) {
      const answer = await request(app()).post('/db/new').set(headers).send({ name: 'a' });
      expect(answer.status).toBe(202);
      expect(answer.body).toMatchObject({ status: 'pending', token: TOKEN });
      expect(answer.body.connection_url).toBeUndefined();
      expect(answer.headers.location).toBe(answer.body.resource_url);
    }
  });

  it('leaves nothing behind that nobody could ever find', async () => {
    outcome = () => ({ outcome: 'deadline' });
    lifecycle.runState = async () => 'running';
    expect((await request(app()).post('/db/new').send({ name: 'a' })).body.error).toBe('temporarily_unavailable');
    expect(removed).toEqual([started[0]?.resourceId]);
    const keyed = await request(app()).post('/db/new').set(KEY).send({ name: 'a' });
    expect(keyed.status).toBe(202);
    expect(keyed.body.token).toBeUndefined();
    expect(removed).toHaveLength(1);
  });

  it('says 500 and logs when a secret does not decrypt', async () => {
    outcome = (spec) => {
      store.rows.push({ ...rowOf(spec), token_encrypted: keyring.encrypt(TOKEN, 'token:another') });
      return { outcome: 'ready' };
    };
    const answer = await request(app()).post('/db/new').send({ name: 'a' });
    expect(answer.body.error).toBe('internal_error');
    expect(answer.text).not.toContain('associated');
  });
});

describe('idempotency', () => {
  it('hands out the same resource, and starts it once', async () => {
    const first = await request(app()).post('/db/new').set(KEY).send({ name: 'a', env: 'x' });
    const second = await request(app()).post('/db/new').set({ 'x-idempotency-key': KEY['idempotency-key'] }).send({ env: 'x', name: 'a' });
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body.id).toBe(first.body.id);
    expect([first.headers['x-idempotent-replay'], second.headers['x-idempotent-replay']]).toEqual([undefined, 'true']);
    expect(second.headers['x-idempotency-source']).toBe('explicit');
    expect(started).toHaveLength(1);
  });

  it('refuses another body, and a resource that is gone', async () => {
    await request(app()).post('/db/new').set(KEY).send({ name: 'a' });
    expect((await request(app()).post('/db/new').set(KEY).send({ name: 'b' })).body.error).toBe('idempotency_key_reuse');
    for (const status of ['deleted', 'expired', 'deleting'] as const) {
      store.rows = store.rows.map((row) => ({ ...row, status }));
      expect((await request(app()).post('/db/new').set(KEY).send({ name: 'a' })).status).toBe(410);
    }
  });

  it('tries anew what failed or was rejected, under another id', async () => {
    outcome = () => failedWith('no_capacity');
    expect((await request(app()).post('/db/new').set(KEY).send({ name: 'a' })).status).toBe(503);
    lifecycle.runState = async () => 'closed';
    outcome = (spec) => {
      store.rows.push({ ...rowOf(spec), status: 'failed', failure_code: 'provision_failed' });
      return failedWith('provision_failed');
    };
    expect((await request(app()).post('/db/new').set(KEY).send({ name: 'a' })).status).toBe(502);
    outcome = (spec) => {
      store.rows.push(rowOf(spec));
      return { outcome: 'ready' };
    };
    expect((await request(app()).post('/db/new').set(KEY).send({ name: 'a' })).status).toBe(201);
    expect(started.map((spec) => spec.generation)).toEqual([1, 2, 3]);
    expect(new Set(started.map((spec) => spec.resourceId)).size).toBe(3);
  });

  it('joins a start that is still under way', async () => {
    store.attempts = [];
    outcome = () => ({ outcome: 'deadline' });
    await request(app()).post('/db/new').set(KEY).send({ name: 'a' });
    lifecycle.runState = async () => 'running';
    outcome = (spec) => {
      store.rows.push(rowOf(spec));
      return { outcome: 'ready' };
    };
    const joined = await request(app()).post('/db/new').set(KEY).send({ name: 'a' });
    expect(joined.status).toBe(201);
    expect(started[0]?.resourceId).toBe(started[1]?.resourceId);
  });

  it('counts a short anonymous key as none, and says so', async () => {
    for (let call = 0; call < 2; call += 1) {
      const answer = await request(app()).post('/db/new').set('idempotency-key', 'short').send({ name: 'a' });
      expect(answer.body.warning).toContain('16 characters');
    }
    expect(started[0]?.resourceId).not.toBe(started[1]?.resourceId);
    expect(store.attempts).toEqual([]);
  });

  it('takes a team’s same body within two minutes as the same request, and later or after a delete as a new one', async () => {
    const post = () => request(app()).post('/db/new').set(TEAM).send({ name: 'a' });
    const [first, second] = [await post(), await post()];
    expect(second.body.id).toBe(first.body.id);
    expect([first.headers['x-idempotency-source'], second.headers['x-idempotency-source']]).toEqual(['miss', 'fingerprint']);
    store.attempts = store.attempts.map((attempt) => ({ ...attempt, recent: false }));
    const third = await post();
    expect(third.body.id).not.toBe(first.body.id);
    store.rows = store.rows.map((row) => ({ ...row, status: 'deleted' as const }));
    expect((await post()).body.id).not.toBe(third.body.id);
  });

  it('answers a replay while the backend is away, and starts nothing new', async () => {
    await request(app()).post('/db/new').set(KEY).send({ name: 'a' });
    store.ready = new Set();
    expect((await request(app()).post('/db/new').set(KEY).send({ name: 'a' })).status).toBe(201);
    expect((await request(app()).post('/db/new').send({ name: 'a' })).body.error).toBe('service_disabled');
    expect(started).toHaveLength(1);
  });
});
