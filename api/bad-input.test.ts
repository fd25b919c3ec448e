// Every field of every route, wrong: a code, a message that names the field, and nothing made.
import { describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { ERROR_CATALOGUE, type ErrorCode } from '../shared/errors';
import { ROUTE_SEGMENT } from '../shared/resourcetype';
import { apiRoutes } from './app';
import { commonErrors, type Route } from './http/route';
import { errorSchema, problemSchema } from './schemas/error';
import {
  ALL_KINDS,
  API_KEY,
  aRow,
  FakeStore,
  fakeApp,
  OPERATOR_KEY,
  READ_KEY,
  RESOURCE_ID,
  REVOKED_KEY,
  TEAM_ID,
  TOKEN,
  untouchableLifecycle,
} from './testing/fakes';

interface BadRequest {
  method: 'get' | 'post' | 'patch' | 'delete' | 'put';
  path: string;
  body?: unknown;
  /** Sent as it stands. */
  text?: string;
  headers?: Record<string, string>;
  expect: ErrorCode;
  /** A word that the message must hold. */
  names?: string;
}

const TEAM = { authorization: `Bearer ${API_KEY}` };
const OPERATOR = { authorization: `Bearer ${OPERATOR_KEY}` };
const one = `/api/v1/resources/${RESOURCE_ID}`;
const byToken = `/api/v1/resources/${TOKEN}`;
const admin = `/api/v1/admin/resources/${RESOURCE_ID}`;

const fields: [body: object, code: ErrorCode, names: string][] = [
  [{}, 'name_required', 'name'],
  [{ name: null }, 'name_required', 'name'],
  [{ name: '   ' }, 'name_required', 'name'],
  [{ name: 7 }, 'invalid_name', 'name'],
  [{ name: ['a'] }, 'invalid_name', 'name'],
  [{ name: 'x'.repeat(65) }, 'invalid_name', 'name'],
  [{ name: '-a' }, 'invalid_name', 'name'],
  [{ name: 'a"; DROP' }, 'invalid_name', 'name'],
  [{ name: 'a\u0000' }, 'invalid_name', 'name'],
  [{ name: 'a\nb' }, 'invalid_name', 'name'],
  [{ name: 'naïve' }, 'invalid_name', 'name'],
  [{ name: 'a', env: 'Prod' }, 'invalid_env', 'env'],
  [{ name: 'a', env: '' }, 'invalid_env', 'env'],
  [{ name: 'a', env: null }, 'invalid_env', 'env'],
  [{ name: 'a', env: 'x'.repeat(33) }, 'invalid_env', 'env'],
  [{ name: 'a', ttl: '1 hour' }, 'invalid_ttl', 'ttl'],
  [{ name: 'a', ttl: 3600 }, 'invalid_ttl', 'ttl'],
  [{ name: 'a', ttl: '' }, 'invalid_ttl', 'ttl'],
  [{ name: 'a', ttl: '-5m' }, 'invalid_ttl', 'ttl'],
  [{ name: 'a', ttl: '1e3s' }, 'invalid_ttl', 'ttl'],
  [{ name: 'a', ttl: '999999999999d' }, 'invalid_ttl', 'ttl'],
  [{ name: 'a', ttl: '0s' }, 'ttl_too_short', 'ttl'],
  [{ name: 'a', ttl: '9s' }, 'ttl_too_short', 'ttl'],
  [{ name: 'a', ttl: '25h' }, 'ttl_too_long', 'ttl'],
  [{ name: 'a', labels: [] }, 'invalid_labels', 'labels'],
  [{ name: 'a', labels: null }, 'invalid_labels', 'labels'],
  [{ name: 'a', labels: { A: 'x' } }, 'invalid_labels', 'label'],
  [{ name: 'a', labels: { a: 1 } }, 'invalid_labels', 'label'],
  [{ name: 'a', labels: { a: 'x'.repeat(129) } }, 'invalid_labels', 'label'],
  [{ name: 'a', labels: { a: 'x\u0000' } }, 'invalid_labels', 'label'],
  [{ name: 'a', labels: { a: '\ud800' } }, 'invalid_labels', 'label'],
  [{ name: 'a', labels: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`k${index}`, 'v'])) }, 'invalid_labels', 'labels'],
  [{ name: 'a', notify_webhook: 'http://example.com' }, 'invalid_notify_webhook', 'notify_webhook'],
  [{ name: 'a', notify_webhook: 'example' }, 'invalid_notify_webhook', 'notify_webhook'],
  [{ name: 'a', notify_webhook: 5 }, 'invalid_notify_webhook', 'notify_webhook'],
  [{ name: 'a', notify_webhook: 'https://localhost/x' }, 'invalid_notify_webhook', 'notify_webhook'],
  [{ name: 'a', notify_webhook: 'https://127.0.0.1/x' }, 'invalid_notify_webhook', 'notify_webhook'],
  [{ name: 'a', notify_webhook: 'https://2130706433/x' }, 'invalid_notify_webhook', 'notify_webhook'],
  [{ name: 'a', notify_webhook: 'https://0x7f.1/x' }, 'invalid_notify_webhook', 'notify_webhook'],
  [{ name: 'a', notify_webhook: 'https://[::1]/x' }, 'invalid_notify_webhook', 'notify_webhook'],
  [{ name: 'a', notify_webhook: 'https://[::ffff:10.0.0.1]/x' }, 'invalid_notify_webhook', 'notify_webhook'],
  [{ name: 'a', notify_webhook: 'https://169.254.169.254/latest' }, 'invalid_notify_webhook', 'notify_webhook'],
  [{ name: 'a', notify_webhook: 'https://192.168.1.1/x' }, 'invalid_notify_webhook', 'notify_webhook'],
  [{ name: 'a', notify_webhook: 'https://a.internal./x' }, 'invalid_notify_webhook', 'notify_webhook'],
  [{ name: 'a', notify_webhook: 'https://u:p@example.com/' }, 'invalid_notify_webhook', 'notify_webhook'],
  [{ name: 'a', parent_resource_id: 'x' }, 'invalid_parent', 'parent_resource_id'],
  [{ name: 'a', parent_resource_id: RESOURCE_ID }, 'invalid_parent', 'parent_resource_id'],
  [{ name: 'a', dedicated: 'yes' }, 'invalid_request', 'dedicated'],
  [{ name: 'a', dedicated: true }, 'upgrade_required', 'dedicated'],
  [{ name: 'a', dry_run: 1 }, 'invalid_request', 'dry_run'],
];

const provisions: BadRequest[] = ALL_KINDS.flatMap((kind) => {
  const path = `/${ROUTE_SEGMENT[kind]}/new`;
  const post = (body: unknown, expected: ErrorCode, names?: string): BadRequest => ({
    method: 'post',
    path,
    body,
    expect: expected,
    names,
  });
  return [
    ...fields.map(([body, code, names]) => post(body, code, names)),
    { method: 'post' as const, path, expect: 'name_required' as const },
    post([], 'invalid_request', 'object'),
    {
      method: 'post' as const,
      path,
      text: '"text"',
      headers: { 'content-type': 'application/json' },
      expect: 'invalid_request' as const,
      names: 'object',
    },
    { method: 'post' as const, path, text: '{"name":', headers: { 'content-type': 'application/json' }, expect: 'invalid_json' as const },
    {
      method: 'post' as const,
      path,
      text: 'name=a',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      expect: 'unsupported_media_type' as const,
    },
    {
      method: 'post' as const,
      path,
      text: '{}',
      headers: { 'content-type': 'application/json; charset=iso-8859-1' },
      expect: 'unsupported_media_type' as const,
    },
    {
      method: 'post' as const,
      path,
      text: `{"name":"${'x'.repeat(1_048_577)}"}`,
      headers: { 'content-type': 'application/json' },
      expect: 'payload_too_large' as const,
    },
    { ...post({ name: 'a' }, 'invalid_idempotency_key', 'Idempotency-Key'), headers: { 'idempotency-key': 'x'.repeat(256) } },
    { ...post({ name: 'a' }, 'invalid_idempotency_key', 'Idempotency-Key'), headers: { 'idempotency-key': 'a', 'x-idempotency-key': 'b' } },
    { ...post({ name: 'a' }, 'unauthorized'), headers: { authorization: 'Basic abc' } },
    { ...post({ name: 'a' }, 'unauthorized'), headers: { authorization: 'Bearer' } },
    { ...post({ name: 'a' }, 'unauthorized'), headers: { authorization: 'Bearer unknown' } },
    { ...post({ name: 'a' }, 'unauthorized'), headers: { authorization: 'Bearer a.b.c' } },
    { ...post({ name: 'a' }, 'unauthorized'), headers: { authorization: `Bearer ${REVOKED_KEY}` } },
    { ...post({ name: 'a' }, 'forbidden'), headers: { authorization: `Bearer ${READ_KEY}` } },
    { ...post({ name: 'a' }, 'forbidden'), headers: OPERATOR },
    { method: 'get' as const, path, expect: 'method_not_allowed' as const },
    { method: 'put' as const, path, body: {}, expect: 'method_not_allowed' as const },
    { ...post({ name: 'a' }, 'credentials_in_query', 'URL'), path: `${path}?token=x` },
    ...(kind === 'postgres'
      ? []
      : [post({ name: 'a' }, 'service_disabled', kind), post({ name: 'a', dry_run: true }, 'service_disabled', kind)]),
  ];
});

const list = (query: string, code: ErrorCode, names?: string): BadRequest[] => [
  { method: 'get', path: `/api/v1/resources?${query}`, headers: TEAM, expect: code, names },
  { method: 'get', path: `/api/v1/admin/resources?${query}`, headers: OPERATOR, expect: code, names },
];
const lists: BadRequest[] = [
  ...list('limit=0', 'invalid_limit', 'limit'),
  ...list('limit=101', 'invalid_limit', 'limit'),
  ...list('limit=x', 'invalid_limit', 'limit'),
  ...list('limit=1&limit=2', 'invalid_limit', 'limit'),
  ...list('cursor=x', 'invalid_cursor', 'cursor'),
  ...list(`cursor=${'A'.repeat(300)}`, 'invalid_cursor', 'cursor'),
  ...list(
    `cursor=${Buffer.from('2026-99-99T00:00:00.000000Z 3f0b2a52-6a39-5c0e-9d0d-0c6a3c1f5b11').toString('base64url')}`,
    'invalid_cursor',
    'cursor',
  ),
  ...list('status=gone', 'invalid_filter', 'status'),
  ...list('kind=mysql', 'invalid_filter', 'kind'),
  ...list('env=A', 'invalid_filter', 'env'),
  ...list('label=x', 'invalid_filter', 'label'),
  ...list('label==x', 'invalid_filter', 'label'),
  ...list('label=a%3D%00', 'invalid_filter', 'label'),
  ...list('access_token=x', 'credentials_in_query'),
  ...list('API-KEY=x', 'credentials_in_query'),
  { method: 'get', path: '/api/v1/resources', expect: 'unauthorized' },
  { method: 'get', path: '/api/v1/resources', headers: OPERATOR, expect: 'forbidden' },
  { method: 'post', path: '/api/v1/resources', body: {}, expect: 'method_not_allowed' },
  { method: 'get', path: '/api/v1/admin/resources', expect: 'unauthorized' },
  { method: 'get', path: '/api/v1/admin/resources', headers: TEAM, expect: 'forbidden' },
];

const readsAndCommands: [method: BadRequest['method'], suffix: string, body?: object][] = [
  ['get', ''],
  ['get', '/credentials'],
  ['get', '/events'],
  ['post', '/extend', { ttl: '1h' }],
  ['post', '/pause', {}],
  ['post', '/resume', {}],
  ['post', '/rotate-credentials', {}],
  ['patch', '', { name: 'b' }],
  ['delete', ''],
];
const access: BadRequest[] = readsAndCommands.flatMap(([method, suffix, body]) => {
  const bad = (path: string, code: ErrorCode, headers?: Record<string, string>): BadRequest => ({
    method,
    path: `${path}${suffix}`,
    body,
    headers,
    expect: code,
  });
  return [
    bad(one, 'unauthorized'),
    bad('/api/v1/resources/00000000-0000-4000-8000-000000000000', 'unauthorized'),
    bad(one, 'not_found', TEAM),
    bad('/api/v1/resources/00000000-0000-4000-8000-000000000000', 'not_found', TEAM),
    bad('/api/v1/resources/nonsense', 'not_found'),
    bad('/api/v1/resources/%00', 'not_found'),
    bad('/api/v1/resources/%zz', 'invalid_request'),
    bad(one, 'not_found', { 'x-resource-token': '99999999-2222-4333-8444-555555555555' }),
    bad(one, 'unauthorized', { 'x-resource-token': 'nonsense' }),
    bad(one, 'unauthorized', { authorization: 'Bearer unknown' }),
    bad(byToken, 'unauthorized', { authorization: 'Token x' }),
    ...(method === 'get' && suffix !== '/credentials' ? [] : [bad(one, 'forbidden', OPERATOR)]),
  ];
});

const commandBodies: BadRequest[] = [
  ...[{}, { ttl: 5 }, { ttl: 'x' }, { ttl: null }].map(
    (body): BadRequest => ({ method: 'post', path: `${byToken}/extend`, body, expect: 'invalid_ttl', names: 'ttl' }),
  ),
  { method: 'post', path: `${byToken}/extend`, expect: 'invalid_ttl', names: 'ttl' },
  { method: 'post', path: `${byToken}/extend`, body: { ttl: '1s' }, expect: 'ttl_too_short', names: 'ttl' },
  { method: 'post', path: `${byToken}/extend`, body: { ttl: '1h', by: 1 }, expect: 'invalid_request', names: 'by' },
  { method: 'post', path: `${byToken}/extend`, body: [], expect: 'invalid_request', names: 'object' },
  { method: 'post', path: `${byToken}/extend`, body: { ttl: '1h' }, headers: { 'idempotency-key': '' }, expect: 'invalid_idempotency_key' },
  { method: 'post', path: `${byToken}/pause`, body: { now: true }, expect: 'invalid_request', names: 'now' },
  { method: 'post', path: `${byToken}/resume`, body: [], expect: 'invalid_request', names: 'object' },
  { method: 'post', path: `${byToken}/rotate-credentials`, body: { x: 1 }, expect: 'invalid_request', names: 'x' },
  { method: 'patch', path: byToken, body: {}, expect: 'invalid_request', names: 'name or labels' },
  { method: 'patch', path: byToken, body: { name: '' }, expect: 'name_required', names: 'name' },
  { method: 'patch', path: byToken, body: { name: '/' }, expect: 'invalid_name', names: 'name' },
  { method: 'patch', path: byToken, body: { labels: { A: '' } }, expect: 'invalid_labels', names: 'label' },
  { method: 'patch', path: byToken, body: { tier: 'team' }, expect: 'invalid_request', names: 'tier' },
  { method: 'get', path: `${byToken}?status=x`, expect: 'invalid_filter', names: 'status' },
  { method: 'get', path: `${byToken}/events?limit=0`, expect: 'invalid_limit', names: 'limit' },
  { method: 'get', path: `${byToken}/events?cursor=!`, expect: 'invalid_cursor', names: 'cursor' },
  { method: 'get', path: `${byToken}/events`, headers: { accept: 'text/event-stream', 'last-event-id': 'x' }, expect: 'invalid_cursor' },
  { method: 'post', path: `${admin}/suspend`, body: {}, headers: OPERATOR, expect: 'invalid_request', names: 'reason' },
  { method: 'post', path: `${admin}/suspend`, body: { reason: ' ' }, headers: OPERATOR, expect: 'invalid_request', names: 'reason' },
  {
    method: 'post',
    path: `${admin}/suspend`,
    body: { reason: 'x'.repeat(301) },
    headers: OPERATOR,
    expect: 'invalid_request',
    names: 'reason',
  },
  { method: 'post', path: `${admin}/suspend`, body: { reason: 'x' }, headers: TEAM, expect: 'forbidden' },
  { method: 'post', path: `${admin}/suspend`, body: { reason: 'x' }, expect: 'unauthorized' },
  { method: 'post', path: `${admin}/unsuspend`, body: { a: 1 }, headers: OPERATOR, expect: 'invalid_request', names: 'a' },
  { method: 'post', path: `${admin}/unsuspend`, expect: 'unauthorized' },
  { method: 'post', path: '/api/v1/admin/resources/x/unsuspend', headers: OPERATOR, expect: 'not_found' },
  { method: 'get', path: '/api/v1/admin/backends', expect: 'unauthorized' },
  { method: 'get', path: '/api/v1/admin/backends', headers: TEAM, expect: 'forbidden' },
  ...['backends', 'hosts'].flatMap((places): BadRequest[] => [
    { method: 'post', path: `/api/v1/admin/${places}/nowhere/drain`, headers: OPERATOR, expect: 'not_found' },
    { method: 'post', path: `/api/v1/admin/${places}/nowhere/undrain`, headers: OPERATOR, expect: 'not_found' },
    { method: 'post', path: `/api/v1/admin/${places}/a/drain`, body: { a: 1 }, headers: OPERATOR, expect: 'invalid_request', names: 'a' },
    { method: 'post', path: `/api/v1/admin/${places}/a/drain`, headers: TEAM, expect: 'forbidden' },
  ]),
  { method: 'get', path: '/nowhere', expect: 'not_found' },
  { method: 'get', path: '/livez/%ff', expect: 'invalid_request' },
  { method: 'post', path: '/livez', body: {}, expect: 'method_not_allowed' },
  { method: 'get', path: '/healthz?token=x', expect: 'credentials_in_query' },
];

const table = [...provisions, ...lists, ...access, ...commandBodies];
const label = (bad: BadRequest) =>
  `${bad.method.toUpperCase()} ${bad.path.slice(0, 90)} ${JSON.stringify(bad.body ?? bad.text?.slice(0, 40) ?? '').slice(0, 80)} ${JSON.stringify(bad.headers ?? {}).slice(0, 60)} -> ${bad.expect}`;

function routeOf(routes: readonly Route[], bad: BadRequest): Route | undefined {
  const path = bad.path.split('?')[0] ?? '';
  return routes.find((route) => route.method === bad.method && new RegExp(`^${route.path.replace(/:\w+/g, '[^/]+')}$`).test(path));
}

describe('what is wrong is named, and nothing is made', () => {
  const store = new FakeStore();
  store.rows = [
    aRow({ owner_address_hash: 'somebody else' }),
    aRow({ id: '4f0b2a52-6a39-5c0e-9d0d-0c6a3c1f5b12', team_id: 'another', token_hash: 'x' }),
  ];
  const lifecycle = untouchableLifecycle();
  const { app, deps, logged } = fakeApp({ store, lifecycle });
  const routes = apiRoutes(deps);

  it.each(table.map((bad) => [label(bad), bad] as const))('%s', async (_label, bad) => {
    const call = request(app)
      [bad.method](bad.path)
      .set(bad.headers ?? {});
    const answer = await (bad.text !== undefined ? call.send(bad.text) : bad.body !== undefined ? call.send(bad.body as object) : call);
    expect(answer.body).toMatchObject({ ok: false, error: bad.expect });
    expect(answer.status).toBe(ERROR_CATALOGUE[bad.expect]);
    if (bad.names) expect(answer.body.message).toContain(bad.names);
    expect(answer.body).toEqual(errorSchema(answer.status).parse(answer.body));
    expect(answer.body.agent_action).toMatch(/^Tell the user .*https?:\/\/\S+$/);
    expect(answer.body.request_id).toBe(answer.headers['x-request-id']);
    expect(answer.headers['retry-after'] === undefined).toBe(answer.body.retry_after_seconds === null);
    if (answer.status === 401) expect(answer.headers['www-authenticate']).toBe('Bearer realm="leasehold"');
    if (answer.status === 405) expect(answer.headers.allow).toBeTruthy();
    const route = routeOf(routes, bad);
    if (route && bad.expect !== 'invalid_request') expect([...commonErrors(route), ...route.errors]).toContain(bad.expect);
    expect(lifecycle.calls).toEqual([]);
    expect(store.attempts).toEqual([]);
  });

  it('logs no token', () => {
    expect(logged.length).toBeGreaterThan(100);
    expect(logged.join('')).not.toContain(TOKEN);
    expect(logged.join('')).not.toContain(API_KEY);
  });

  it('writes denials down', () => {
    const denied = store.audited.filter((entry) => entry.result === 'denied');
    expect(denied.map((entry) => entry.action)).toEqual(expect.arrayContaining(['admin.list', 'resource.read', 'resource.delete']));
    expect(store.audited.filter((entry) => entry.result === 'success').map((entry) => entry.action)).not.toContain('resource.credentials');
  });

  it('answers problem+json to those who ask for it', async () => {
    const answer = await request(app).post('/db/new').set('accept', 'application/problem+json').send({});
    expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    const body = JSON.parse(answer.text);
    expect(body).toEqual(problemSchema(400).parse(body));
  });

  it('limits requests by the minute', async () => {
    const limited = fakeApp({ requestsPerMinute: 2, settings: { loopbackExempt: false } }).app;
    const statuses: number[] = [];
    for (let call = 0; call < 3; call += 1) statuses.push((await request(limited).get('/livez')).status);
    expect(statuses).toEqual([200, 200, 429]);
    const answer = await request(limited).get('/livez');
    expect(answer.body).toEqual(errorSchema(429).parse(answer.body));
    expect(answer.headers['x-ratelimit-remaining']).toBe('0');
    expect(answer.headers['ratelimit-policy']).toBe('"requests";q=2;w=60');
  });

  it('knows the team it tests with', () => expect(TEAM_ID).toHaveLength(36));
});
