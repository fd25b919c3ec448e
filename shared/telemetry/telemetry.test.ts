import { afterEach, describe, expect, it } from '@jest/globals';
import { SpanStatusCode, trace } from '@opentelemetry/api';
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base';
import fc from 'fast-check';
import { startRequestSpan } from './request';
import { SanitizingExporter } from './sanitizing-exporter';
import { startTelemetry, tracingWanted } from './start';
import { formatTraceparent, parseTraceparent } from './traceparent';

describe('tracing', () => {
  it('is on by an endpoint alone, and off by the standard switches', () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };
    expect(tracingWanted({})).toBe(false);
    expect(tracingWanted({ OTEL_SERVICE_NAME: 'x' })).toBe(false);
    expect(tracingWanted(endpoint)).toBe(true);
    expect(tracingWanted({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector:4318/v1/traces' })).toBe(true);
    expect(tracingWanted({ ...endpoint, OTEL_SDK_DISABLED: 'True' })).toBe(false);
    expect(tracingWanted({ ...endpoint, OTEL_TRACES_EXPORTER: 'none' })).toBe(false);
  });

  it('makes no span and loads no SDK while it is off', async () => {
    const logger = { info: () => undefined, warn: () => undefined };
    const telemetry = startTelemetry({ env: {}, name: 'api', logger });
    const request = { traceparent: `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`, parentSpanId: null, method: 'GET' };
    expect(startRequestSpan(request)).toBeNull();
    expect(trace.getTracer('any').startSpan('any').isRecording()).toBe(false);
    await telemetry.shutdown();
  });
});

describe('traceparent', () => {
  const hex = (length: number) => fc.stringMatching(new RegExp(`^[0-9a-f]{${length}}$`)).filter((text) => !/^0+$/.test(text));

  it('reads what it writes', () => {
    fc.assert(
      fc.property(hex(32), hex(16), fc.integer({ min: 0, max: 255 }), (traceId, spanId, traceFlags) => {
        expect(parseTraceparent(formatTraceparent({ traceId, spanId, traceFlags }))).toEqual({
          traceId,
          spanId,
          traceFlags,
          isRemote: true,
        });
      }),
    );
  });

  it.each(['', 'x', `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`, `00-${'1'.repeat(32)}-${'0'.repeat(16)}-01`, `00-${'g'.repeat(32)}-1-01`])(
    'refuses %p',
    (text) => {
      expect(parseTraceparent(text)).toBeNull();
    },
  );
});

describe('the exporter', () => {
  const kept = new InMemorySpanExporter();
  const tracer = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(new SanitizingExporter(kept))] }).getTracer('test');
  afterEach(() => kept.reset());

  const secret = fc.string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-_.~%!*'), minLength: 8, maxLength: 40 });
  const inText = (value: string) =>
    fc.oneof(
      fc.constantFrom('postgres', 'redis', 'mongodb', 'nats', 'amqp').map((scheme) => `cannot reach ${scheme}://user:${value}@host:1/db`),
      fc.constant(`header was Bearer ${value}`),
      fc.constant(`ALTER ROLE x PASSWORD '${value}'`),
      fc.constant(`seen eyJhbGciOiJIUzI1NiJ9.${value.replace(/[^a-z0-9_-]/g, '')}aa.${value.replace(/[^a-z0-9_-]/g, '')}`),
      fc.constant(`POST /webhook/receive/${value.replace(/[^a-z0-9_-]/g, '')}z`),
    );
  const secretKey = fc.constantFrom(
    'password',
    'db.password',
    'http.request.header.authorization',
    'api_key',
    'creds',
    'nats_jwt',
    'connection_url',
  );

  it('lets no secret out of a name, an attribute, an event, an exception, a link or a status', () => {
    fc.assert(
      fc.property(
        secret.chain((value) => fc.tuple(fc.constant(value), inText(value), secretKey, fc.array(inText(value), { maxLength: 3 }))),
        ([value, text, key, list]) => {
          kept.reset();
          const spanContext = { traceId: '1'.repeat(32), spanId: '2'.repeat(16), traceFlags: 1 };
          const span = tracer.startSpan(text, {
            attributes: { plain: text, [key]: value, list },
            links: [{ context: spanContext, attributes: { [key]: value } }],
          });
          span.addEvent(text, { inner: text, [key]: value });
          span.recordException(new Error(text, { cause: new Error(`why ${text}`) }));
          span.setStatus({ code: SpanStatusCode.ERROR, message: text });
          span.end();
          const [sent] = kept.getFinishedSpans();
          const seen = JSON.stringify([sent?.name, sent?.attributes, sent?.events, sent?.links, sent?.status]);
          const bare = value.replace(/[^a-z0-9_-]/g, '');
          expect(seen).not.toContain(value);
          if (bare.length >= 8) expect(seen).not.toContain(bare);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('leaves the rest of a span as it was', () => {
    const span = tracer.startSpan('POST /db/new', {
      attributes: { 'user.id': 'f'.repeat(64), 'http.response.status_code': 201, ok: true },
    });
    span.setAttribute('sizes', [1, 2]);
    span.end();
    const [sent] = kept.getFinishedSpans();
    expect(sent?.name).toBe('POST /db/new');
    expect(sent?.spanContext()).toEqual(span.spanContext());
    expect(sent?.attributes).toEqual({ 'user.id': 'f'.repeat(64), 'http.response.status_code': 201, ok: true, sizes: [1, 2] });
    expect(sent?.duration).toBeDefined();
  });
});
