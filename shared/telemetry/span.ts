// One span around a piece of work. Without a tracer provider the API gives spans that cost and do nothing.
import { type Attributes, isSpanContextValid, type Span, SpanStatusCode, trace } from '@opentelemetry/api';
import { formatTraceparent } from './traceparent';

const TRACER = 'leasehold';

/** An error that nobody caught, as a span of its own under the one that was open. */
export function recordUncaught(origin: string, error: unknown): void {
  const span = trace.getTracer(TRACER).startSpan(origin);
  fail(span, error);
  span.end();
}

function fail(span: Span, error: unknown): void {
  const thrown = error instanceof Error ? error : new Error(String(error));
  span.recordException(thrown);
  span.setStatus({ code: SpanStatusCode.ERROR, message: thrown.message });
}

/** The span is ended with what became of `fn`; what it throws is recorded and thrown on. */
export async function inSpan<T>(name: string, attributes: Attributes, fn: () => Promise<T>): Promise<T> {
  return await trace.getTracer(TRACER).startActiveSpan(name, { attributes }, async (span) => {
    try {
      return await fn();
    } catch (error) {
      fail(span, error);
      throw error;
    } finally {
      span.end();
    }
  });
}

/** Null outside of any span. */
export function activeTraceparent(): string | null {
  const active = trace.getActiveSpan()?.spanContext();
  return active === undefined || !isSpanContextValid(active) ? null : formatTraceparent(active);
}
