// One request is one trace: api, Temporal client, workflow, activities, backend; on real servers, through the real exporter.
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { createKindActivities } from '../../activities/kind-activities';
import { createCredentialReader, createFence } from '../../activities/platform';
import { createPostgresBackend } from '../../activities/postgres';
import { createApp } from '../../api/app';
import { loadConfig } from '../../api/config';
import { type WiredApi, wireApi } from '../../api/wiring';
import { Environment } from '../../shared/config';
import { Keyring } from '../../shared/crypto';
import { createLogger } from '../../shared/logctx';
import { activityTracing, startTelemetry } from '../../shared/telemetry';
import { activityContext } from '../../stack/worker/context';
import { tracingSinks } from '../../stack/worker/tracing';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { createLifecycle, type Lifecycle, TEST_KEYRING } from '../harness/lifecycle';
import { eventually, rowOf } from '../harness/rows';
import { temporalAddress, tenantsAdminUrl } from '../harness/servers';
import { type CollectedSpan, type Collector, startCollector } from './collector';

const lines: Record<string, unknown>[] = [];
const stream = new Writable({
  write(chunk, _encoding, done) {
    for (const line of String(chunk).trimEnd().split('\n')) lines.push(JSON.parse(line));
    done();
  },
});
const logger = createLogger({ process: 'test', stream });
const CALLER = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };

let collector: Collector;
let database: TestDatabase;
let lifecycle: Lifecycle;
let api: WiredApi;
let created: request.Response;
let extended: request.Response;
let deleted: request.Response;
let password: string;

beforeAll(async () => {
  collector = await startCollector();
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = collector.url;
  const telemetry = startTelemetry({ env: process.env, name: 'test', logger });
  database = await createTestDatabase();
  const keyring = Keyring.parse(TEST_KEYRING);
  const { pool, installationId } = database;
  const backend = createPostgresBackend({
    adminUrlOf: tenantsAdminUrl,
    installationId,
    fence: createFence(pool),
    readCredential: createCredentialReader({ pool, keyring }),
  });
  lifecycle = await createLifecycle({ database, backend });
  await lifecycle.startWorkers({
    wrap: (activities) => ({ ...activities, ...createKindActivities(backend) }),
    interceptors: { activity: [...activityTracing(), activityContext] },
    sinks: tracingSinks,
  });
  const environment = new Environment({
    LEASEHOLD_DATABASE_URL: database.appUrl,
    LEASEHOLD_TEMPORAL_ADDRESS: temporalAddress(),
    LEASEHOLD_TEMPORAL_NAMESPACE: lifecycle.namespace,
    LEASEHOLD_KEYRING: TEST_KEYRING,
    LEASEHOLD_JWT_KEYS: TEST_KEYRING,
    LEASEHOLD_POSTGRES_TENANTS_ADMIN_URL: tenantsAdminUrl(),
  });
  api = wireApi(loadConfig(environment), environment, logger);
  const app = createApp(api.deps);
  created = await request(app)
    .post('/db/new')
    .set('traceparent', `00-${CALLER.traceId}-${CALLER.spanId}-01`)
    .set('X-Request-ID', 'traced-create')
    .send({ name: 'traced' });
  const token = created.body.token as string;
  password = new URL(created.body.connection_url as string).password;
  const path = `/api/v1/resources/${created.body.id}`;
  extended = await request(app)
    .post(`${path}/extend`)
    .set('X-Resource-Token', token)
    .set('X-Request-ID', 'traced-extend')
    .send({ ttl: '1h' });
  deleted = await request(app).delete(path).set('X-Resource-Token', token).set('X-Request-ID', 'traced-delete');
  await eventually(
    () => rowOf(database, created.body.id as string),
    ({ status }) => status === 'deleted',
  );
  await api.close();
  await lifecycle.close();
  await backend.close();
  await telemetry.shutdown();
});
afterAll(async () => {
  delete process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
  await database?.drop();
  await collector?.close();
});

const of = (traceId: string): CollectedSpan[] => collector.spans.filter((span) => span.traceId === traceId);
const traceOf = (answer: request.Response): string => String(answer.headers.traceparent).slice(3, 35);
function named(spans: CollectedSpan[], name: string): CollectedSpan {
  const found = spans.filter((span) => span.name === name);
  expect({ name, found: found.length, of: spans.map((span) => span.name) }).toMatchObject({ found: 1 });
  return found[0] as CollectedSpan;
}

describe('a creation', () => {
  it('is one trace, each span under the one that caused it', () => {
    expect(created.status).toBe(201);
    const spans = of(CALLER.traceId);
    const root = named(spans, 'POST /db/new');
    const client = named(spans, 'UpdateWithStartWorkflow:ready');
    const workflow = named(spans, 'StartedWorkflow:resource');
    const reserve = named(spans, 'RunActivity:reserve');
    const provision = named(spans, 'RunActivity:provision');
    const backend = named(spans, 'postgres provision');
    expect(root.parentSpanId).toBe(CALLER.spanId);
    expect(client.parentSpanId).toBe(root.spanId);
    expect(workflow.parentSpanId).toBe(client.spanId);
    expect(reserve.parentSpanId).toBe(workflow.spanId);
    expect(provision.parentSpanId).toBe(workflow.spanId);
    expect(backend.parentSpanId).toBe(provision.spanId);
    expect(named(spans, 'RunActivity:transition').parentSpanId).toBe(workflow.spanId);
    expect(spans.filter((span) => span.error)).toEqual([]);
  });

  it('names caller, route, status and request on its root, and answers with the root as traceparent', () => {
    const root = named(of(CALLER.traceId), 'POST /db/new');
    expect(root.attributes).toMatchObject({
      'http.route': '/db/new',
      'leasehold.request_id': 'traced-create',
      'user.id': expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(String(root.attributes['http.response.status_code'])).toBe('201');
    expect(created.headers.traceparent).toBe(`00-${CALLER.traceId}-${root.spanId}-01`);
    expect(root.service).toBe('leasehold-test');
  });
});

it.each([
  ['extend', () => extended, 'POST /api/v1/resources/:id/extend', 'HandleUpdate:extend', 'RunActivity:transition'],
  ['delete', () => deleted, 'DELETE /api/v1/resources/:id', 'HandleSignal:delete', 'postgres deprovision'],
])('%s is a trace of its own, down to the work it caused', (_name, answer, rootName, workflowName, workName) => {
  expect(answer().status).toBe(200);
  const spans = of(traceOf(answer()));
  const root = named(spans, rootName);
  const workflow = named(spans, workflowName);
  const clientSpan = spans.find(({ spanId }) => spanId === workflow.parentSpanId);
  expect(clientSpan?.parentSpanId).toBe(root.spanId);
  expect(root.parentSpanId).toBeUndefined();
  const work = spans.filter(({ name }) => name === workName);
  expect(work.length).toBeGreaterThan(0);
  for (const span of work) {
    const above = spans.find(({ spanId }) => spanId === span.parentSpanId);
    expect([above?.spanId, above?.parentSpanId]).toContain(workflow.spanId);
  }
});

it('gives every line of a request its trace and span', () => {
  const of = lines.filter((line) => line.request_id === 'traced-create');
  expect(of.length).toBeGreaterThan(0);
  for (const line of of) expect(line).toMatchObject({ trace_id: CALLER.traceId, span_id: expect.stringMatching(/^[0-9a-f]{16}$/) });
});

it('sends no secret', () => {
  expect(collector.raw()).not.toContain(password);
  expect(collector.raw()).not.toContain(created.body.token);
});

it('does not mind a collector that is away', async () => {
  process.env.OTEL_EXPORTER_OTLP_ENDPOINT = 'http://127.0.0.1:9';
  const telemetry = startTelemetry({ env: process.env, name: 'test', logger });
  const { trace } = await import('@opentelemetry/api');
  trace.getTracer('test').startSpan('lost').end();
  await expect(telemetry.shutdown()).resolves.toBeUndefined();
});
