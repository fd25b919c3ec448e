// Reading, commanding and operating, on stand-ins: what is sent to the workflow, and that every answer agrees with its schema.
import { beforeEach, describe, expect, it } from '@jest/globals';
import { ApplicationFailure, WorkflowUpdateFailedError } from '@temporalio/client';
import request from 'supertest';
import type { CommandRequest, LifecyclePort } from '../lifecycle/port';
import {
  API_KEY,
  aRow,
  expectDeclared,
  FakeStore,
  fakeApp,
  OPERATOR_KEY,
  RESOURCE_ID,
  TEAM_ID,
  TOKEN,
  untouchableLifecycle,
} from '../testing/fakes';

const TEAM = { authorization: `Bearer ${API_KEY}` };

let store: FakeStore;
let commands: CommandRequest[];
let removed: string[];
let lifecycle: Partial<LifecyclePort>;

beforeEach(() => {
  store = new FakeStore();
  commands = [];
  removed = [];
  lifecycle = {
    command: async (sent) => {
      commands.push(sent);
      return { applied: true, view: {} as never };
    },
    remove: async (spec) => {
      removed.push(spec.resourceId);
    },
  };
});

function app(settings: object = {}) {
  return fakeApp({ store, settings, lifecycle: untouchableLifecycle(lifecycle), onAnswer: expectDeclared }).app;
}

describe('one resource', () => {
  const byToken = `/api/v1/resources/${TOKEN}`;
  const byId = `/api/v1/resources/${RESOURCE_ID}`;
  const withToken = { 'x-resource-token': TOKEN };

  beforeEach(() => {
    store.rows = [aRow()];
  });

  it('is read by its token or by its id with the token; a team’s key takes nothing away', async () => {
    for (const [path, headers] of [
      [byToken, {}],
      [byId, withToken],
      [byToken, TEAM],
      [byId, { ...TEAM, ...withToken }],
    ] as const) {
      const answer = await request(app()).get(path).set(headers);
      expect(answer.status).toBe(200);
      expect(answer.body).toMatchObject({
        id: RESOURCE_ID,
        token: TOKEN,
        lifecycle: null,
        item: { name: 'orders' },
        resource: { name: 'orders' },
      });
      expect(answer.text).not.toContain('postgres://');
    }
  });

  it('stops obeying its token when a team holds it', async () => {
    store.rows = [aRow({ team_id: TEAM_ID, owner_fingerprint: null })];
    expect((await request(app()).get(byToken)).status).toBe(401);
    expect((await request(app()).get(byId).set(withToken)).status).toBe(401);
    expect((await request(app()).get(byToken).set(TEAM)).status).toBe(200);
    store.rows = [aRow({ team_id: '1d5f2f0c-94d4-4f2e-9b07-3a1a5d2f6c10', owner_fingerprint: null })];
    expect((await request(app()).get(byToken).set(TEAM)).status).toBe(404);
  });

  it('writes down who read credentials, and keeps them when it cannot', async () => {
    const answer = await request(app()).get(`${byToken}/credentials`);
    expect(answer.body.connection_url).toMatch(/^postgres:\/\//);
    expect(store.audited).toMatchObject([{ action: 'resource.credentials', result: 'success', targetId: RESOURCE_ID }]);
    store.audit = async () => {
      throw Object.assign(new Error('away'), { code: '57P01' });
    };
    const refused = await request(app()).get(`${byToken}/credentials`);
    expect(refused.body.error).toBe('temporarily_unavailable');
    expect(refused.text).not.toContain('postgres://');
  });

  it.each([
    ['pending', 'resource_not_ready'],
    ['deleted', 'resource_inactive'],
    ['failed', 'provision_failed'],
  ] as const)('has no credentials while %s', async (status, code) => {
    store.rows = [aRow({ status })];
    expect((await request(app()).get(`${byToken}/credentials`)).body.error).toBe(code);
  });

  it.each([
    ['extend', { ttl: '2h' }, { type: 'extend', ttlMs: 7_200_000 }],
    ['pause', {}, { type: 'pause' }],
    ['resume', {}, { type: 'resume' }],
    ['rotate-credentials', {}, { type: 'rotate' }],
  ])('obeys %s', async (verb, body, command) => {
    const answer = await request(app()).post(`${byToken}/${verb}`).set('idempotency-key', 'k').send(body);
    expect(answer.status).toBe(200);
    expect(commands).toMatchObject([
      { command, commandId: expect.stringMatching(/^[0-9a-f]{64}$/), spec: { resourceId: RESOURCE_ID, quota: { kindCount: -1 } } },
    ]);
    lifecycle.command = async () => ({ applied: false, view: {} as never });
    const later = await request(app()).post(`${byToken}/${verb}`).send(body);
    expect(later.status).toBe(202);
    expect(later.headers.location).toBe(`http://leasehold.test${byId}`);
    expect(later.text).not.toContain('postgres://');
  });

  it('is renamed', async () => {
    expect(
      (
        await request(app())
          .patch(byToken)
          .send({ name: 'b', labels: { a: 'b' } })
      ).status,
    ).toBe(200);
    expect(commands[0]?.command).toEqual({ type: 'update', name: 'b', labels: { a: 'b' } });
  });

  it('is deleted, and deleted again', async () => {
    for (const status of ['active', 'deleting', 'deleted'] as const) {
      store.rows = [aRow({ status })];
      const answer = await request(app()).delete(byToken);
      expect(answer.status).toBe(200);
      expect(answer.body).toMatchObject({ status: 'deleting' });
    }
    expect(removed).toHaveLength(2);
  });

  it('passes on a refusal, and refuses by itself what is gone', async () => {
    lifecycle.command = async () => {
      throw new WorkflowUpdateFailedError('x', ApplicationFailure.nonRetryable('not beyond', 'ttl_too_long', { latest: 'then' }));
    };
    expect((await request(app()).post(`${byToken}/extend`).send({ ttl: '90h' })).body).toMatchObject({
      error: 'ttl_too_long',
      details: { latest: 'then' },
    });
    store.rows = [aRow({ status: 'deleting' })];
    expect((await request(app()).post(`${byToken}/pause`)).body.error).toBe('resource_inactive');
  });

  it('lists events, and streams them to the last', async () => {
    const event = (revision: number, type: string) => ({
      id: `00000000-0000-4000-8000-00000000000${revision}`,
      revision,
      type,
      status: 'active' as const,
      data: {},
      actor_type: 'anonymous' as const,
      actor_id: 'network',
      request_id: null,
      occurred_at: new Date(0),
    });
    store.eventsOf = [event(1, 'resource.reserved'), event(2, 'resource.active'), event(3, 'resource.deleted')];
    const page = await request(app()).get(`${byToken}/events?limit=2`);
    expect(page.body.items).toHaveLength(2);
    const rest = await request(app()).get(`${byToken}/events?cursor=${page.body.next_cursor}`);
    expect(rest.body).toMatchObject({ items: [{ revision: 3 }], next_cursor: null });
    store.rows = [aRow({ status: 'deleted' })];
    const stream = await request(app()).get(`${byToken}/events`).set({ accept: 'text/event-stream', 'last-event-id': '1' });
    expect(stream.headers['content-type']).toMatch('text/event-stream');
    expect(stream.text.match(/^id: .*$/gm)).toEqual(['id: 2', 'id: 3']);
    expect((await request(app()).get(`${byToken}/events`).set({ accept: 'text/event-stream', 'last-event-id': '3' })).status).toBe(204);
  });
});

describe('lists, operators and operating', () => {
  it('lists a team’s resources', async () => {
    store.rows = [aRow({ team_id: TEAM_ID, owner_fingerprint: null }), aRow({ id: '4f0b2a52-6a39-5c0e-9d0d-0c6a3c1f5b12' })];
    const answer = await request(app()).get('/api/v1/resources?label=a=b&limit=1').set(TEAM);
    expect(answer.body).toMatchObject({ total: 1, items: [{ id: RESOURCE_ID, token: TOKEN }] });
    expect(answer.body.next_cursor).toEqual(expect.any(String));
    expect((await request(app()).get(`/api/v1/resources?cursor=${answer.body.next_cursor}`).set(TEAM)).status).toBe(200);
  });

  it('shows operators everything but credentials, and lets them suspend', async () => {
    store.rows = [aRow()];
    const operator = { authorization: `Bearer ${OPERATOR_KEY}` };
    const list = await request(app()).get('/api/v1/admin/resources').set(operator);
    expect(list.body.items).toHaveLength(1);
    expect(list.text).not.toContain(TOKEN);
    const path = `/api/v1/admin/resources/${RESOURCE_ID}`;
    expect((await request(app()).post(`${path}/suspend`).set(operator).send({ reason: 'abuse' })).status).toBe(200);
    expect((await request(app()).post(`${path}/unsuspend`).set(operator)).status).toBe(200);
    expect(commands.map(({ command, spec }) => [command.type, spec.actor.type])).toEqual([
      ['suspend', 'operator'],
      ['unsuspend', 'operator'],
    ]);
    expect(
      (
        await request(app({ operatorKey: null }))
          .get('/api/v1/admin/resources')
          .set(operator)
      ).status,
    ).toBe(401);
  });

  it.each([
    '/livez',
    '/healthz',
    '/readyz',
    '/metrics',
    '/api/v1/buildinfo',
    '/api/v1/capabilities',
    '/openapi.json',
    '/docs',
    '/llms.txt',
    '/.well-known/security.txt',
  ])('answers %s', async (path) => {
    const answer = await request(app()).get(path).set('x-request-id', 'mine.1');
    expect(answer.status).toBe(200);
    expect(answer.headers).toMatchObject({
      'x-request-id': 'mine.1',
      'x-content-type-options': 'nosniff',
      'x-ratelimit-limit': expect.any(String),
    });
    expect(answer.headers.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect((await request(app()).head(path)).status).toBe(200);
  });
});
