// Claims over HTTP on the real pieces: api, Postgres, Temporal and a worker; the backend remembers what it was asked.
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { issueSession } from '../../api/identity/session';
import { signClaim } from '../../shared/crypto';
import { specFromRecord } from '../../shared/db';
import { loadPlans } from '../../shared/plans';
import type { ResourceSpec } from '../../shared/resourcetype';
import { type RunningApi, startApi } from '../harness/api';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { type Answer, call } from '../harness/http';
import { createLifecycle, HOUR_MS, type Lifecycle, type RunningWorkers, startResource, testSpec } from '../harness/lifecycle';
import { createRecordingBackend, type RecordingBackend } from '../harness/recording-backend';
import { eventsOf, eventually, rowOf } from '../harness/rows';
import { breakDown, hold } from '../harness/stuck';
import { fastForward, skipToEnd, toTheMinute } from '../harness/time';

const plans = loadPlans('plans.yaml');

let database: TestDatabase;
let backend: RecordingBackend;
let lifecycle: Lifecycle;
let workers: RunningWorkers;
let api: RunningApi;

beforeAll(async () => {
  database = await createTestDatabase();
  backend = createRecordingBackend();
  lifecycle = await createLifecycle({ database, backend });
  workers = await lifecycle.startWorkers();
  api = await startApi(database, { namespace: lifecycle.namespace });
});
afterEach(() => {
  backend.before = async () => undefined;
});
afterAll(async () => {
  await api.stop();
  await lifecycle.close();
  await database.drop();
});

interface Claimable {
  id: string;
  token: string;
  workflowId: string;
  objectName: string;
  link: string;
}

async function anonymous(changes: Partial<ResourceSpec> = {}): Promise<Claimable> {
  const spec = testSpec({ policy: plans.policyFor('anonymous'), ...changes });
  const { workflowId } = await startResource(lifecycle.client, spec);
  return { ...(await secretsOf(spec.resourceId)), workflowId };
}

async function secretsOf(id: string): Promise<Omit<Claimable, 'workflowId'>> {
  const { rows } = await database.pool.query('SELECT token_encrypted, object_name FROM resources WHERE id = $1', [id]);
  const token = lifecycle.keyring.decrypt(rows[0].token_encrypted, `token:${id}`);
  const link = await signClaim(api.api.deps.jwt, { fingerprint: 'network', token, kind: 'postgres' });
  return { id, token, objectName: rows[0].object_name, link };
}

const claim = (body: object, headers: Record<string, string> = {}): Promise<Answer> => call(api.url, 'POST /claim', { body, headers });
const results = (answer: Answer) => (answer.body as unknown as { results: { outcome: string; error: string | null }[] }).results;

async function bearer(tier: string): Promise<{ teamId: string; headers: Record<string, string> }> {
  const { deps } = api.api;
  const member = await deps.identity.createTeamWithOwner({
    email: `${randomUUID()}@example.com`,
    emailVerified: true,
    teamName: 'team',
    tier,
  });
  const { token } = await issueSession(deps, member);
  return { teamId: member.teamId, headers: { authorization: `Bearer ${token}` } };
}

async function counts() {
  const { rows } = await database.pool.query<Record<'teams' | 'users' | 'memberships' | 'sessions', number>>(
    `SELECT (SELECT count(*) FROM teams)::int AS teams, (SELECT count(*) FROM users)::int AS users,
            (SELECT count(*) FROM memberships)::int AS memberships, (SELECT count(*) FROM sessions)::int AS sessions`,
  );
  return rows[0] as (typeof rows)[number];
}

const plusOne = (before: Awaited<ReturnType<typeof counts>>) =>
  Object.fromEntries(Object.entries(before).map(([name, count]) => [name, count + 1]));

const claimedEvents = async (id: string) => (await eventsOf(database, id)).filter(({ type }) => type === 'resource.claimed');

describe('a claim', () => {
  it('is won by one of fifty, and leaves nothing of the others', async () => {
    const { id, link, workflowId, token } = await anonymous();
    const before = await counts();
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => claim({ jwt: link, email: `racer-${index}@example.com` })));
    const won = answers.filter(({ status }) => status === 201);
    expect(won).toHaveLength(1);
    expect(answers.filter(({ status, body }) => status === 409 && body.error === 'already_claimed')).toHaveLength(49);
    expect(await counts()).toEqual(plusOne(before));
    const winner = won[0]?.body as unknown as { team_id: string; session_token: string };
    expect(await rowOf(database, id)).toMatchObject({ team_id: winner.team_id, tier: 'free', owner_fingerprint: null, status: 'active' });
    expect(await claimedEvents(id)).toHaveLength(1);
    await eventually(
      async () => (await lifecycle.client.workflow.getHandle(workflowId).describe()).searchAttributes,
      (attributes) => attributes.TeamId?.[0] === winner.team_id && attributes.Tier?.[0] === 'free',
    );
    const audited = await database.pool.query(`SELECT result FROM audit_logs WHERE action = 'resource.claimed' AND target_id = $1`, [id]);
    expect(audited.rows).toEqual([{ result: 'success' }]);
    const path = `GET /api/v1/resources/${id}`;
    expect((await call(api.url, path, { headers: { authorization: `Bearer ${winner.session_token}` } })).status).toBe(200);
    expect((await call(api.url, path, { headers: { 'x-resource-token': token } })).status).toBe(401);
    expect((await call(api.url, `GET /api/v1/resources/${token}`)).status).toBe(401);
  });

  it('takes as many as the plan holds of parallel ones, and gives back the limits of the others', async () => {
    const { teamId, headers } = await bearer('pro');
    const made = await Promise.all(Array.from({ length: 8 }, () => anonymous()));
    const answers = await Promise.all(made.map(({ token }) => claim({ token }, headers)));
    const limit = plans.byTier('pro').resourceCountLimit.postgres;
    expect(answers.map(({ status }) => status).sort()).toEqual([...Array(limit).fill(201), ...Array(8 - limit).fill(402)]);
    const refused = answers.filter(({ status }) => status === 402);
    for (const { body } of refused) expect(body).toMatchObject({ error: 'postgres_limit_reached', details: { limit, held: limit } });
    for (const [index, { id, objectName, token }] of made.entries()) {
      const given = answers[index]?.status === 201;
      expect(await rowOf(database, id)).toMatchObject({ team_id: given ? teamId : null, tier: given ? 'pro' : 'anonymous' });
      const limits = backend.calls.filter(({ verb, objectName: name }) => verb === 'applyLimits' && name === objectName);
      const storage = limits.map(({ argument }) => (argument as { limits: { storageMb: number } }).limits.storageMb);
      expect(storage).toEqual(given ? [10240] : [10240, 10]);
      const withToken = await call(api.url, `GET /api/v1/resources/${id}`, { headers: { 'x-resource-token': token } });
      expect(withToken.status).toBe(given ? 401 : 200);
    }
  });

  it('reports each token by itself', async () => {
    const { headers } = await bearer('pro');
    const [mine, taken] = [await anonymous(), await anonymous()];
    await claim({ token: taken.token, email: 'somebody@example.com' });
    const answer = await claim({ tokens: [taken.token, mine.token, randomUUID()] }, headers);
    expect(answer.status).toBe(201);
    expect(results(answer).map(({ outcome, error }) => error ?? outcome)).toEqual(['already_claimed', 'claimed', 'not_found']);
  });

  it('under a key is answered once', async () => {
    const { link } = await anonymous();
    const before = await counts();
    const once = () => claim({ jwt: link, email: 'ada@example.com' }, { 'idempotency-key': 'a-claim-of-16-characters' });
    const [first, second] = [await once(), await once()];
    expect([first.status, second.status]).toEqual([201, 201]);
    expect(second.body).toEqual(first.body);
    expect(await counts()).toEqual(plusOne(before));
  });

  it('ends what the key of the provision opens to the anonymous', async () => {
    const make = () => call(api.url, 'POST /db/new', { body: { name: 'kept' }, headers: { 'idempotency-key': 'a-key-of-16-characters' } });
    const made = (await make()).body;
    expect((await make()).body.connection_url).toBe(made.connection_url);
    expect((await claim({ jwt: made.upgrade_jwt, email: 'ada@example.com' })).status).toBe(201);
    const replayed = await make();
    expect([replayed.status, replayed.body.error]).toEqual([409, 'already_claimed']);
    expect(replayed.text).not.toContain('postgres://');
  });
});

describe('the ladder after a claim', () => {
  it('is the new lease’s: no rung of the old one fires, each of the new one does', async () => {
    const { id, token, workflowId } = await anonymous();
    await fastForward(lifecycle.client, workflowId, 19 * HOUR_MS);
    expect((await claim({ token, email: 'ada@example.com' })).status).toBe(201);
    await eventually(
      async () => (await lifecycle.client.workflow.getHandle(workflowId).describe()).memo?.nextStep,
      (next) => next === 'warn 6h',
    );
    await skipToEnd(lifecycle.client, workflowId);
    await lifecycle.client.workflow.getHandle(workflowId).result();
    const { created_at: createdAt } = await rowOf(database, id);
    const events = (await eventsOf(database, id)).map(
      ({ type, occurred_at: at }) => [type, (at.getTime() - createdAt.getTime()) / HOUR_MS] as const,
    );
    const hoursOf = (type: string) => events.filter(([name]) => name === type).map(([, hours]) => toTheMinute(hours));
    expect(hoursOf('resource.expiring')).toEqual([18, 37, 41, 42]);
    expect(hoursOf('resource.expired')).toEqual([43]);
    expect(hoursOf('resource.deleted')).toEqual([67]);
  });

  it('takes nothing of a longer life away', async () => {
    const { id, token } = await anonymous({ ttlMs: 60 * HOUR_MS });
    const before = (await rowOf(database, id)).expires_at;
    expect((await claim({ token, email: 'ada@example.com' })).status).toBe(201);
    expect((await rowOf(database, id)).expires_at).toEqual(before);
  });
});

describe('a claim that meets something else', () => {
  it('keeps a pause, and is refused what the platform suspended but for the quota', async () => {
    const [paused, abused, full] = [await anonymous(), await anonymous(), await anonymous()];
    await call(api.url, `POST /api/v1/resources/${paused.id}/pause`, { headers: { 'x-resource-token': paused.token } });
    const suspend = (workflowId: string, reason: string) => lifecycle.client.workflow.getHandle(workflowId).signal('suspend', reason);
    await suspend(abused.workflowId, 'abuse');
    await suspend(full.workflowId, 'quota');
    for (const { id } of [abused, full]) {
      await eventually(
        () => rowOf(database, id),
        ({ status }) => status === 'suspended',
      );
    }
    const before = await counts();
    const refused = await claim({ token: abused.token, email: 'ada@example.com' });
    expect([refused.status, refused.body.error]).toEqual([409, 'resource_suspended']);
    expect(await counts()).toEqual(before);
    for (const { token } of [paused, full]) expect((await claim({ token, email: 'ada@example.com' })).status).toBe(201);
    expect((await rowOf(database, paused.id)).status).toBe('paused');
    expect((await rowOf(database, full.id)).status).toBe('suspended');
  });

  it('loses against a delete that comes while its limits are applied', async () => {
    const { headers } = await bearer('pro');
    const { id, token, workflowId } = await anonymous();
    const held = hold(backend, 'applyLimits');
    const claiming = claim({ token }, headers);
    await held.reached;
    await lifecycle.client.workflow.getHandle(workflowId).signal('delete', { reason: 'test' });
    const answer = await claiming;
    held.release();
    expect([answer.status, answer.body.error]).toEqual([410, 'resource_inactive']);
    await lifecycle.client.workflow.getHandle(workflowId).result();
    expect(await rowOf(database, id)).toMatchObject({ status: 'deleted', team_id: null });
    expect((await claim({ token, email: 'ada@example.com' })).status).toBe(410);
  });

  it('waits for what is still being made', async () => {
    const held = hold(backend, 'provision');
    const spec = testSpec();
    const started = startResource(lifecycle.client, spec);
    await held.reached;
    const { token } = await secretsOf(spec.resourceId);
    const before = await counts();
    const early = await claim({ token, email: 'ada@example.com' });
    expect([early.status, early.body.error]).toEqual([409, 'resource_not_ready']);
    expect(await counts()).toEqual(before);
    held.release();
    await started;
    expect((await claim({ token, email: 'ada@example.com' })).status).toBe(201);
  });

  it('is finished by the next worker, once', async () => {
    const { teamId, headers } = await bearer('pro');
    const { id, token, objectName } = await anonymous();
    const broken = breakDown(backend, 'applyLimits');
    const claiming = claim({ token }, headers);
    await eventually(
      async () => backend.calls.filter((called) => called.verb === 'applyLimits' && called.objectName === objectName).length,
      (calls) => calls > 0,
    );
    await workers.stop();
    broken.repair();
    workers = await lifecycle.startWorkers();
    expect((await claiming).status).toBe(201);
    expect(await rowOf(database, id)).toMatchObject({ team_id: teamId, tier: 'pro', expires_at: null });
    expect(await claimedEvents(id)).toHaveLength(1);
  });

  it('changes nothing while Temporal is away', async () => {
    const { id, token } = await anonymous();
    const away = await startApi(database, { namespace: lifecycle.namespace, env: { LEASEHOLD_TEMPORAL_ADDRESS: '127.0.0.1:1' } });
    const before = [await counts(), await rowOf(database, id)];
    try {
      const answer = await call(away.url, 'POST /claim', { body: { token, email: 'ada@example.com' } });
      expect([answer.status, answer.body.error]).toEqual([503, 'temporarily_unavailable']);
    } finally {
      await away.stop();
    }
    expect([await counts(), await rowOf(database, id)]).toEqual(before);
  });

  it('cannot take effect late for a team that was called off', async () => {
    const { id } = await anonymous();
    await workers.stop();
    const { deps } = api.api;
    const member = await deps.identity.createTeamWithOwner({
      email: 'late@example.com',
      emailVerified: false,
      teamName: 'late',
      tier: 'free',
    });
    const row = await deps.store.find({ id, tokenHash: null });
    if (row === null) throw new Error('no row');
    const policy = plans.policyFor('free');
    const late = deps.lifecycle.command({
      command: { type: 'claim', teamId: member.teamId, policy, limits: row.limits, ttlMs: policy.ttlMs, kindCount: 2 },
      commandId: randomUUID(),
      spec: specFromRecord(row, { actor: { type: 'anonymous', id: 'late' }, requestId: 'late' }),
    });
    const refused = expect(late).rejects.toMatchObject({ code: 'internal_error' });
    expect(await deps.identity.disband(member)).toBe(true);
    workers = await lifecycle.startWorkers();
    await refused;
    expect(await rowOf(database, id)).toMatchObject({ team_id: null, tier: 'anonymous', status: 'active' });
  });
});
