// The product as its user meets it: started by its command, used by curl, psql and the temporal command, stopped again.
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findChromium, photograph } from '../harness/browser';
import type { Answer, Body } from '../harness/http';
import { processesOf, psql, run, Stack, stretched, until } from '../harness/stack';
import { findSecrets } from './secrets';

// The rungs are so far apart that a killed worker is back between them on a busy machine, too.
const stack = new Stack({}, { rungs: ['50s', '30s', '10s'] });
const measured: string[] = [];
beforeAll(() => stack.start());
afterAll(async () => {
  await stack.dispose();
  console.info(measured.join('\n'));
});

const uuid = expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
const inTheFuture = (iso: string) => new Date(iso).getTime() - Date.now();
const HOUR = 3_600_000;

async function create(body: object = {}, headers: Record<string, string> = {}): Promise<Body> {
  const answer = await stack.call('POST /db/new', { body: { name: 'system test', ...body }, headers });
  expect(answer).toMatchObject({ status: 201, body: { ok: true, status: 'active' } });
  return answer.body;
}

/** Calls with the resource's own token as the credential. */
function own(resource: Body, route: string, body?: object): Promise<Answer> {
  return stack.call(route.replace(':id', `/api/v1/resources/${resource.id}`), { body, headers: { 'x-resource-token': resource.token } });
}

const team = () => ({ authorization: `Bearer ${stack.secrets.bootstrapApiKey}` });
const operator = () => ({ authorization: `Bearer ${stack.secrets.operatorKey}` });
const eventsOf = async (resource: Body) => (await own(resource, 'GET :id/events?limit=100')).body.items;
const statusOf = async (resource: Body) => (await own(resource, 'GET :id')).body.status;
/** What a workflow does not tell within 300 ms is left out of the answer. */
const described = (resource: Body) =>
  until('its workflow is in the answer', async () => {
    const answer = await own(resource, 'GET :id');
    return answer.body.lifecycle !== null && answer;
  });
const answersOne = async (url: string) => (await psql(url, 'select 1')).stdout === '1';

describe('the first minutes', () => {
  let first: Body;

  it('the start says where everything is', async () => {
    expect(stack.output.split('\n')).toContain(`leasehold ready on http://127.0.0.1:${stack.port}`);
    expect(stack.output).toContain(stack.secrets.bootstrapApiKey);
    const [, ui = ''] = /^Temporal UI on (\S+)$/m.exec(stack.output) ?? [];
    const page = await fetch(ui);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toContain('text/html');
    measured.push(`first start, empty home: ${(stack.startMs / 1000).toFixed(1)} s`);
  });

  it('the printed curl line makes a database', async () => {
    const line = stack.output.split('\n').find((printed) => printed.startsWith('curl ')) ?? '';
    const { stdout } = await run('sh', ['-c', `${line} -w '\\n%{http_code}'`]);
    const [text = '', code] = stdout.split('\n');
    expect(code).toBe('201');
    first = JSON.parse(text);
    stack.remember(first);
    expect(first).toMatchObject({
      ok: true,
      id: uuid,
      token: uuid,
      name: 'a',
      connection_url: expect.stringMatching(/^postgres:\/\//),
      tier: 'anonymous',
      env: 'development',
      limits: { storage_mb: 10, connections: 2, expires_in: '24h' },
      status: 'active',
      note: expect.any(String),
      upgrade: expect.any(String),
      claim_url: `${stack.baseUrl}/start?t=${first.upgrade_jwt}`,
      resource_url: `${stack.baseUrl}/api/v1/resources/${first.id}`,
      events_url: `${stack.baseUrl}/api/v1/resources/${first.id}/events`,
    });
    expect(first.upgrade).toBe(first.claim_url);
    expect(first.token).not.toBe(first.id);
    expect(inTheFuture(first.expires_at) / HOUR).toBeCloseTo(24, 1);
  });

  it('its upgrade_jwt has the claims of the contract and is not the token', () => {
    const parts = first.upgrade_jwt.split('.');
    expect(parts).toHaveLength(3);
    const claims = JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString('utf8'));
    expect(claims).toMatchObject({ fp: expect.any(String), tok: [uuid], rt: ['postgres'], jti: expect.any(String) });
    expect(claims.exp - claims.iat).toBe(7 * 24 * 3600);
    expect(claims.tok).not.toContain(first.token);
  });

  it('psql works with its connection_url as it stands', async () => {
    const made = await psql(first.connection_url, 'create table t (n int); insert into t values (42)');
    expect(made).toMatchObject({ code: 0, stderr: '' });
    expect((await psql(first.connection_url, 'select n from t')).stdout).toBe('42');
  });

  it('reading it tells what happens next', async () => {
    const { status, body } = await described(first);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ok: true,
      id: first.id,
      item: { id: first.id, status: 'active', expires_at: first.expires_at },
      lifecycle: {
        workflow_id: `resource/${first.id}`,
        run_id: uuid,
        next_step: 'warn 50s',
        next_step_at: new Date(new Date(first.expires_at).getTime() - 50_000).toISOString(),
        pending: [],
        history_length: expect.any(Number),
      },
    });
    expect(body).not.toHaveProperty('connection_url');
    expect((await fetch(body.lifecycle.ui_url)).status).toBe(200);
    expect((await stack.call(`GET /api/v1/resources/${first.token}`)).body.id).toBe(first.id);
    expect((await stack.call(`GET /api/v1/resources/${first.id}`)).status).toBe(401);
  });

  it('its events are there in order', async () => {
    expect(await eventsOf(first)).toMatchObject([
      { type: 'resource.reserved', status: 'pending' },
      { type: 'resource.active', status: 'active' },
    ]);
  });

  it('extend adds to its life, and never more than the plan allows', async () => {
    const extended = await own(first, 'POST :id/extend', { ttl: '1h' });
    const expected = new Date(new Date(first.expires_at).getTime() + HOUR).toISOString();
    expect(extended).toMatchObject({ status: 200, body: { ok: true, id: first.id, expires_at: expected } });
    const refused = await own(first, 'POST :id/extend', { ttl: '100h' });
    expect(refused).toMatchObject({ status: 400, body: { ok: false, error: 'ttl_too_long' } });
    expect(inTheFuture(refused.body.details.latest_expires_at ?? '') / HOUR).toBeCloseTo(72, 1);
    expect((await own(first, 'GET :id')).body.expires_at).toBe(expected);
  });

  it('pause cuts access and resume gives it back with the data', async () => {
    expect(await own(first, 'POST :id/pause')).toMatchObject({ status: 200, body: { status: 'paused' } });
    expect((await psql(first.connection_url, 'select n from t')).code).not.toBe(0);
    expect(await own(first, 'POST :id/pause')).toMatchObject({ status: 409, body: { error: 'already_paused' } });
    expect(await own(first, 'POST :id/resume')).toMatchObject({ status: 200, body: { status: 'active' } });
    expect((await psql(first.connection_url, 'select n from t')).stdout).toBe('42');
    expect(await own(first, 'POST :id/resume')).toMatchObject({ status: 409, body: { error: 'not_paused' } });
  });

  it('rotating gives new credentials beside the former ones', async () => {
    const rotated = await own(first, 'POST :id/rotate-credentials');
    expect(rotated).toMatchObject({ status: 200, body: { ok: true } });
    expect(rotated.body.connection_url).not.toBe(first.connection_url);
    expect(inTheFuture(rotated.body.previous_valid_until) / HOUR).toBeCloseTo(1, 1);
    for (const url of [first.connection_url, rotated.body.connection_url]) expect((await psql(url, 'select n from t')).stdout).toBe('42');
    expect((await own(first, 'GET :id/credentials')).body.connection_url).toBe(rotated.body.connection_url);
  });

  it('PATCH changes name and labels', async () => {
    const changed = await own(first, 'PATCH :id', { name: 'orders', labels: { app: 'shop' } });
    expect(changed).toMatchObject({ status: 200, body: { item: { id: first.id, name: 'orders', labels: { app: 'shop' } } } });
    expect(await own(first, 'PATCH :id', { name: '!' })).toMatchObject({ status: 400, body: { error: 'invalid_name' } });
    expect((await own(first, 'GET :id')).body).toMatchObject({ name: 'orders' });
  });

  it('delete leaves no database and no role, and can be repeated', async () => {
    const objectName = await stack.objectNameOf(first.id);
    expect(await stack.objectsNamed(objectName)).toEqual([
      `database ${objectName}`,
      `role ${objectName}`,
      `role ${objectName}_1`,
      `role ${objectName}_2`,
    ]);
    const began = Date.now();
    expect(await own(first, 'DELETE :id')).toMatchObject({
      status: 200,
      body: { ok: true, status: 'deleting', message: expect.any(String) },
    });
    await until('its objects are gone', async () => (await stack.objectsNamed(objectName)).length === 0);
    measured.push(`delete, until nothing is left: ${Date.now() - began} ms`);
    await until('its row says so', async () => (await statusOf(first)) === 'deleted');
    expect(await own(first, 'DELETE :id')).toMatchObject({ status: 200, body: { ok: true, status: 'deleting' } });
    expect((await eventsOf(first)).at(-1)).toMatchObject({ type: 'resource.deleted', status: 'deleted' });
  });

  it('an Idempotency-Key is one database, then 410', async () => {
    const headers = { 'idempotency-key': `system-${crypto.randomUUID()}` };
    const resource = await create({ name: 'once' }, headers);
    const again = await stack.call('POST /db/new', { body: { name: 'once' }, headers });
    expect(again.status).toBe(201);
    expect(again.headers['x-idempotent-replay']).toBe('true');
    expect(again.body).toMatchObject({ id: resource.id, token: resource.token, connection_url: resource.connection_url });
    const other = await stack.call('POST /db/new', { body: { name: 'twice' }, headers });
    expect(other).toMatchObject({ status: 422, body: { error: 'idempotency_key_reuse' } });
    await own(resource, 'DELETE :id');
    await until('it is deleted', async () => (await statusOf(resource)) === 'deleted');
    expect(await stack.call('POST /db/new', { body: { name: 'once' }, headers })).toMatchObject({
      status: 410,
      body: { error: 'resource_inactive' },
    });
  });

  it('dry_run makes nothing', async () => {
    const rows = () =>
      stack.platform<{ count: string }>('SELECT (SELECT count(*) FROM resources) + (SELECT count(*) FROM idempotency_keys) AS count');
    const before = await rows();
    const answer = await stack.call('POST /db/new', {
      body: { name: 'nothing', dry_run: true },
      headers: { 'idempotency-key': 'dry-run-dry-run-1' },
    });
    expect(answer).toMatchObject({ status: 200, body: { ok: true, dry_run: true, tier: 'anonymous', limits: { storage_mb: 10 } } });
    expect(answer.body).not.toHaveProperty('id');
    expect(await rows()).toEqual(before);
  });

  it('an api key sees its team’s resources and no others', async () => {
    const stranger = await create({ name: 'anonymous one' });
    const resource = await create({ name: 'team one', env: 'staging', labels: { app: 'shop' } }, team());
    for (const field of ['upgrade_jwt', 'claim_url', 'upgrade']) expect(resource).not.toHaveProperty(field);
    const listed = await stack.call('GET /api/v1/resources?env=staging&kind=postgres&status=active&label=app%3Dshop', { headers: team() });
    expect(listed).toMatchObject({
      status: 200,
      body: { ok: true, total: 1, items: [{ id: resource.id, name: 'team one', env: 'staging' }] },
    });
    expect(listed.text).not.toContain('connection_url');
    const all = await stack.call('GET /api/v1/resources', { headers: team() });
    expect(all.body.items.map((item) => item.id)).toEqual([resource.id]);
    expect((await stack.call(`GET /api/v1/resources/${stranger.id}`, { headers: team() })).status).toBe(404);
    expect((await stack.call(`DELETE /api/v1/resources/${resource.id}`)).status).not.toBe(200);
    expect((await stack.call(`DELETE /api/v1/resources/${resource.id}`, { headers: team() })).status).toBe(200);
  });
});

describe('what it says of itself', () => {
  const ALWAYS = {
    'x-request-id': /^[0-9a-f]{32}$/,
    traceparent: /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/,
    'x-content-type-options': /^nosniff$/,
    'referrer-policy': /./,
    'x-frame-options': /./,
    'cross-origin-resource-policy': /^same-origin$/,
    'x-ratelimit-limit': /^\d+$/,
    'x-ratelimit-remaining': /^\d+$/,
    'x-ratelimit-reset': /^\d+$/,
    ratelimit: /./,
    'ratelimit-policy': /./,
  };

  it.each([
    ['GET /livez', 200, undefined],
    ['POST /db/new', 400, 'name_required'],
    ['GET /api/v1/resources?api_key=x', 400, 'credentials_in_query'],
    ['GET /api/v1/resources', 401, 'unauthorized'],
    ['GET /nowhere', 404, 'not_found'],
    ['GET /api/v1/resources/00000000-0000-4000-8000-000000000000', 404, 'not_found'],
    ['DELETE /livez', 405, 'method_not_allowed'],
  ])('%s is %i with every header', async (route, status, error) => {
    const body = route.startsWith('POST') ? {} : undefined;
    const answer = await stack.call(route, { body, headers: status === 404 ? team() : {} });
    expect(answer.status).toBe(status);
    for (const [name, pattern] of Object.entries(ALWAYS))
      expect([name, answer.headers[name]]).toEqual([name, expect.stringMatching(pattern)]);
    if (error === undefined) return;
    expect(answer.body).toMatchObject({ ok: false, error, message: expect.any(String), retry_after_seconds: null });
    expect(answer.body.request_id).toBe(answer.headers['x-request-id']);
    if (status === 405) expect(answer.headers.allow).toBe('GET, HEAD');
    if (status === 401) expect(answer.headers['www-authenticate']).toContain('Bearer realm="leasehold"');
  });

  it('a bad credential is refused, never taken for none', async () => {
    const answer = await stack.call('POST /db/new', { body: { name: 'a' }, headers: { authorization: 'Bearer lh_wrong' } });
    expect(answer).toMatchObject({ status: 401, body: { error: 'unauthorized', error_code: expect.any(String) } });
  });

  it('status --json lists the processes', async () => {
    const { code, stdout } = await stack.cli('status', '--json');
    expect(code).toBe(0);
    const { processes } = JSON.parse(stdout);
    const names = processes.map((process: { name: string }) => process.name);
    expect(names).toEqual(expect.arrayContaining(['api', 'postgres-platform', 'postgres-tenants', 'temporal', 'worker']));
    // What is missing of the others has said so at the start.
    for (const name of ['host-local', 'receiver', 'nats', 'redis-platform', 'seaweedfs'])
      expect([name, names.includes(name)]).toEqual([name, !new RegExp(`^${name} (is not there|does not start)`, 'm').test(stack.output)]);
    for (const process of processes) {
      expect(process).toEqual({
        name: expect.any(String),
        pid: expect.any(Number),
        // A host worker has no address of its own.
        port: process.name === 'host-local' ? null : expect.any(Number),
        url: process.name === 'host-local' ? null : expect.any(String),
        uptime_s: expect.any(Number),
        restarts: 0,
      });
    }
    for (const secret of [stack.secrets.postgresPlatformApp, stack.secrets.postgresTenantsAdmin]) expect(stdout).not.toContain(secret);
  });

  it('a second start on the same home is refused', async () => {
    const { code, stderr } = await stack.cli('start');
    expect(code).toBe(1);
    expect(stderr).toBe(`leasehold: already running (pid ${stack.supervisorPid})\n`);
  });

  it('healthz names build and schema', async () => {
    const { status, headers, body } = await stack.call('GET /healthz');
    expect(status).toBe(200);
    expect(headers['cache-control']).toContain('no-store');
    expect(body).toMatchObject({
      ok: true,
      service: expect.any(String),
      commit_id: expect.any(String),
      build_time: expect.any(String),
      version: expect.any(String),
      migration_version: expect.any(String),
      migration_status: 'current',
      now: expect.any(String),
      uptime_seconds: expect.any(Number),
    });
  });

  it('readyz and metrics know the warm pool', async () => {
    const size = 8;
    const { body } = await until(
      'readyz knows of a full pool',
      async () => {
        const answer = await stack.call('GET /readyz');
        const backends = answer.body.checks.find((check) => check.name === 'backends');
        return backends?.detail?.pool_ready?.['postgres-tenants'] === size && answer.body.overall === 'ok' ? answer : null;
      },
      { everyMs: 500 },
    );
    expect(body.overall).toBe('ok');
    const ready = `leasehold_pool_items{backend="postgres-tenants",state="ready"} ${size}\n`;
    await until('so does metrics', async () => (await stack.call('GET /metrics')).text.includes(ready));
    const began = Date.now();
    expect((await eventsOf(await create({ name: 'from the pool' }))).at(-1)?.data).toEqual({ from_pool: true });
    measured.push(`create from the pool, with its events read: ${Date.now() - began} ms`);
  });

  it.each(['/openapi.json', '/docs', '/llms.txt', '/.well-known/security.txt', '/api/v1/capabilities', '/api/v1/buildinfo'])(
    'GET %s answers',
    async (path) => {
      expect((await stack.call(`GET ${path}`)).status).toBe(200);
    },
  );
});

describe('operators', () => {
  let resource: Body;
  beforeAll(async () => {
    resource = await create({ name: 'watched' });
  });

  const temporalJson = async (...args: string[]) => {
    const { code, stdout, stderr } = await stack.temporal(...args, '--workflow-id', `resource/${resource.id}`, '-o', 'json');
    if (code !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  };
  const signal = async (name: string, input?: string) => {
    const { code, stderr } = await stack.temporal(
      ...['workflow', 'signal', '--workflow-id', `resource/${resource.id}`, '--name', name],
      ...(input === undefined ? [] : ['--input', input]),
    );
    expect(stderr).toBe('');
    expect(code).toBe(0);
  };

  it('suspend and unsuspend through the admin route; the tenant cannot lift it', async () => {
    const admin = (verb: string, body?: object, headers = operator()) =>
      stack.call(`POST /api/v1/admin/resources/${resource.id}/${verb}`, { body, headers });
    expect((await admin('suspend', { reason: 'abuse' }, team())).status).toBe(403);
    expect(await admin('suspend', { reason: 'abuse report 7' })).toMatchObject({ status: 200, body: { ok: true, status: 'suspended' } });
    expect((await own(resource, 'GET :id')).body).toMatchObject({ status: 'suspended', suspended_reason: 'abuse report 7' });
    expect(await answersOne(resource.connection_url)).toBe(false);
    for (const [verb, body] of [['resume'], ['extend', { ttl: '1h' }], ['pause']] as const) {
      expect(await own(resource, `POST :id/${verb}`, body)).toMatchObject({ status: 409, body: { error: 'resource_suspended' } });
    }
    expect(await admin('unsuspend')).toMatchObject({ status: 200, body: { status: 'active' } });
    expect(await answersOne(resource.connection_url)).toBe(true);
    expect((await admin('unsuspend')).status).toBe(409);
  });

  it('a signal extends, up to the plan', async () => {
    const before = (await own(resource, 'GET :id')).body.expires_at;
    await signal('extend', '"2h"');
    const expected = new Date(new Date(before).getTime() + 2 * HOUR).toISOString();
    await until('it is extended', async () => (await own(resource, 'GET :id')).body.expires_at === expected);
    await signal('extend', '"500h"');
    const refusal = await until('it is refused', async () =>
      (await eventsOf(resource)).find((event) => event.type === 'resource.command_refused'),
    );
    expect(refusal.data).toMatchObject({ command: 'extend', code: 'ttl_too_long' });
    expect((await own(resource, 'GET :id')).body.expires_at).toBe(expected);
  });

  it('a signal suspends and another one resumes', async () => {
    await signal('suspend', '"by hand"');
    await until('it is suspended', async () => (await statusOf(resource)) === 'suspended');
    expect(await answersOne(resource.connection_url)).toBe(false);
    await signal('resume');
    await until('it is active', async () => (await statusOf(resource)) === 'active');
    expect(await answersOne(resource.connection_url)).toBe(true);
  });

  it('Temporal shows summary, details, handlers, search attributes and what the timer is for', async () => {
    // The row is written by an activity; the workflow says so in its next task.
    const shown = await until('it says that it is active', async () => {
      const told = await temporalJson('workflow', 'describe');
      const { data } = told.workflowExecutionInfo.searchAttributes.indexedFields.Status;
      return Buffer.from(data, 'base64').toString('utf8') === '"active"' && told;
    });
    expect(shown.executionConfig.userMetadata.summary).toBe('postgres "watched" · anonymous · 24h');
    const attributes = shown.workflowExecutionInfo.searchAttributes.indexedFields as Record<string, { data: string }>;
    const attribute = (name: string) => JSON.parse(Buffer.from(attributes[name]?.data ?? '', 'base64').toString('utf8') || 'null');
    const { expires_at } = (await own(resource, 'GET :id')).body;
    expect(
      Object.fromEntries(['Kind', 'Status', 'TeamId', 'Tier', 'ExpiresAt', 'BackendName'].map((name) => [name, attribute(name)])),
    ).toEqual({
      Kind: 'postgres',
      Status: 'active',
      TeamId: 'anonymous',
      Tier: 'anonymous',
      ExpiresAt: expires_at,
      BackendName: 'postgres-tenants',
    });

    const [metadata] = (await temporalJson('workflow', 'query', '--type', '__temporal_workflow_metadata')).queryResult;
    const described_ = (kind: string) =>
      Object.fromEntries(
        metadata.definition[kind].map((handler: { name: string; description: string }) => [handler.name, handler.description]),
      );
    expect(described_('signalDefinitions')).toMatchObject({
      extend: expect.stringContaining('2h'),
      suspend: expect.any(String),
      resume: expect.any(String),
      delete: expect.any(String),
    });
    expect(Object.keys(described_('updateDefinitions'))).toEqual(expect.arrayContaining(['ready', 'extend', 'pause', 'resume', 'rotate']));
    expect(Object.keys(described_('queryDefinitions'))).toContain('state');
    expect(metadata.currentDetails).toContain('| status | active |');
    expect(metadata.currentDetails).toContain(`| expires | ${expires_at} |`);
    expect(metadata.currentDetails).toContain('| next | warn 50s at ');

    const { events } = await temporalJson('workflow', 'show');
    const timers = events.filter((event: { eventType: string }) => event.eventType === 'EVENT_TYPE_TIMER_STARTED');
    expect(Buffer.from(timers.at(-1).userMetadata.summary.data, 'base64').toString('utf8')).toBe('"warn 50s"');
  });

  it('finds resources by what they are', async () => {
    // Status is a word of the query language too: it needs backticks.
    const query = `Kind = "postgres" AND \`Status\` = "active" AND TeamId = "anonymous" AND Tier = "anonymous" AND BackendName = "postgres-tenants"`;
    await until('the list holds it', async () => {
      const { stdout } = await stack.temporal('workflow', 'list', '--query', query, '-o', 'json');
      return stdout.includes(resource.id);
    });
  });

  const chromium = findChromium();
  (chromium ? it : it.skip)(`the Temporal UI shows it${chromium ? '' : ' (skipped: no chromium)'}`, async () => {
    const { ui_url: url } = (await described(resource)).body.lifecycle;
    const file = join(tmpdir(), 'leasehold-temporal-ui.png');
    const text = await photograph({ chromium: chromium ?? '', url, file, wanted: 'Event History' });
    expect(text).toContain(`resource/${resource.id}`);
    expect(text.toUpperCase()).toContain('RUNNING');
    expect(readFileSync(file).subarray(1, 4).toString('latin1')).toBe('PNG');
  });
});

describe('a lease of 55 seconds, its worker killed once', () => {
  it('warns three times and is gone on time', async () => {
    const resource = await create({ name: 'short', ttl: '55s' });
    const objectName = await stack.objectNameOf(resource.id);
    const endsAt = new Date(resource.expires_at).getTime();
    expect(resource.limits.expires_in).toBe('55s');
    const warnings = async () => (await eventsOf(resource)).filter((event) => event.type === 'resource.expiring');

    await until('the first warning', async () => (await warnings()).length === 1, { everyMs: 200 });
    stack.killHard('worker');
    await until('the second warning', async () => (await warnings()).length === 2, { everyMs: 200 });
    expect(await answersOne(resource.connection_url)).toBe(true);
    await until('the third warning', async () => (await warnings()).length === 3, { everyMs: 200 });
    expect(await answersOne(resource.connection_url)).toBe(true);

    await sleep(endsAt - Date.now());
    await until('database and roles are gone', async () => (await stack.objectsNamed(objectName)).length === 0, { everyMs: 20 });
    const lateMs = Date.now() - endsAt;
    measured.push(`gone ${lateMs} ms after the end of the lease`);
    const fired = await warnings();
    expect(fired.map((event) => event.data.rung)).toEqual(['50s', '30s', '10s']);
    const lateness = fired.map((event, index) => new Date(event.occurred_at).getTime() - (endsAt - (50 - 20 * index) * 1000));
    measured.push(`warnings late by ${lateness.join(', ')} ms`);
    expect(lateMs).toBeLessThan(stretched(3_000));
    expect(Math.min(...lateness)).toBeGreaterThanOrEqual(0);
    await until('the row is closed', async () => (await statusOf(resource)) === 'deleted');
    expect((await eventsOf(resource)).map((event) => event.type).slice(-3)).toEqual([
      'resource.expired',
      'resource.deleting',
      'resource.deleted',
    ]);
  });
});

describe('what is written down', () => {
  const linesOf = (name: string): Record<string, unknown>[] =>
    readFileSync(join(stack.home, 'logs', `${name}.log`), 'utf8')
      .split('\n')
      // What is behind the last line break is a line that is still being written.
      .slice(0, -1)
      .map((line) => JSON.parse(line));

  it('logs of api and worker are JSON and lead from a request to its resource', async () => {
    const requestId = `req-${crypto.randomUUID()}`;
    const resource = await create({ name: 'traced' }, { 'x-request-id': requestId });
    const linesOfRequest = (name: string) =>
      until(`its lines in the log of the ${name}`, async () => {
        const found = linesOf(name).filter((line) => line.request_id === requestId);
        return found.length > 0 && found;
      });
    const inApi = await linesOfRequest('api');
    expect(inApi).toMatchObject([{ process: 'api', level: 'info', method: 'POST', route: '/db/new', status: 201 }]);
    expect(inApi).toMatchObject([{ resource_id: resource.id, workflow_id: `resource/${resource.id}` }]);
    for (const line of await linesOfRequest('worker'))
      expect(line).toMatchObject({ process: 'worker', resource_id: resource.id, workflow_id: `resource/${resource.id}` });
    expect((await own(resource, 'GET :id')).headers['x-request-id']).not.toBe(requestId);
  });

  it('the trace command finds one request in every part', async () => {
    const requestId = `req-${crypto.randomUUID()}`;
    const resource = await create({ name: 'followed' }, { 'x-request-id': requestId });
    const traced = await until(
      'the request in every part',
      async () => {
        const { stdout } = await stack.cli('trace', requestId, '--json');
        const { traced: parts } = JSON.parse(stdout) as { traced: { place: string; found: string[]; unreachable?: string }[] };
        // The relay publishes a moment later, and only where a broker of events runs.
        const awaited = parts.filter(({ place, unreachable }) => place !== 'other logs' && unreachable === undefined);
        return awaited.every(({ found }) => found.length > 0) && parts;
      },
      { everyMs: 500 },
    );
    const foundAt = Object.fromEntries(traced.map(({ place, found }) => [place, found.join('\n')]));
    expect(foundAt['api log']).toContain('POST /db/new 201');
    expect(foundAt['worker log']).toContain('worker.log');
    expect(foundAt.trace).toMatch(/^[0-9a-f]{32}$/);
    expect(foundAt.workflow).toMatch(new RegExp(`^resource/${resource.id} RUNNING http.*/workflows/resource%2F${resource.id}/`));
    expect(foundAt['outbox row']).toContain('resource.active');
    expect(foundAt['audit row']).toContain('resource.create success');
    const unknown = await stack.cli('trace', 'no-such-request');
    expect(unknown.code).toBe(1);
    expect(unknown.stdout).toMatch(/^audit row +not found$/m);
  });

  it('no secret is in Temporal, in the logs, or in events, outbox and audit', async () => {
    const marker = `marker-${crypto.randomUUID().slice(0, 8)}`;
    const resource = await create({ name: marker });
    await own(resource, 'POST :id/rotate-credentials');
    await own(resource, 'POST :id/extend', { ttl: '1h' });
    await stack.call(`POST /api/v1/admin/resources/${resource.id}/suspend`, { body: { reason: 'looked at' }, headers: operator() });
    await own(resource, 'DELETE :id');
    await until('it is deleted', async () => (await statusOf(resource)) === 'deleted');
    expect(readdirSync(join(stack.home, 'temporal'))).toContain('temporal.db-wal');
    const { found, controls } = await findSecrets(stack, {
      workflowId: `resource/${resource.id}`,
      inPayload: marker,
      resourceId: resource.id,
    });
    expect(controls).toEqual({ workflowIdInTemporal: true, payloadInTemporal: true, resourceIdInLogs: true, resourceIdInTables: true });
    expect(stack.told.size).toBeGreaterThan(20);
    expect(found).toEqual([]);
  });
});

describe('the end', () => {
  it('stop ends everything and keeps the data', async () => {
    const began = Date.now();
    const { code, stdout } = await stack.cli('stop');
    measured.push(`stop: ${((Date.now() - began) / 1000).toFixed(1)} s`);
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'stopped; data is kept\n' });
    expect((await stack.ended()).code).toBe(0);
    expect(processesOf(stack.home)).toEqual([]);
    expect(JSON.parse((await stack.cli('status', '--json')).stdout)).toEqual({ processes: [] });
  });
});
