// The span of an HTTP request, the root of its trace here. Its ids are those of the `traceparent` that the answer carries.
import { context, ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api';
import { withIds } from './chosen-ids';
import { tracingIsOn } from './start';
import { formatTraceparent, parseTraceparent } from './traceparent';

export interface RequestSpan {
  /** As the answer should carry it: with the sampler's decision. */
  readonly traceparent: string;
  run<T>(fn: () => T): T;
  /** `route` is the pattern that matched, never the path: a path may hold a token. */
  end(outcome: { method: string; route: string; status: number; requestId: string; userId?: string; aborted: boolean }): void;
}

/**
 * Null when nothing is traced.
 * @param traceparent of this request, made by us
 * @param parentSpanId the caller's span, when it sent one
 */
export function startRequestSpan(request: { traceparent: string; parentSpanId: string | null; method: string }): RequestSpan | null {
  const own = tracingIsOn() ? parseTraceparent(request.traceparent) : null;
  if (own === null) return null;
  const { traceId, spanId, traceFlags } = own;
  const parent =
    request.parentSpanId === null
      ? ROOT_CONTEXT
      : trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId: request.parentSpanId, traceFlags, isRemote: true });
  const options = { kind: SpanKind.SERVER, attributes: { 'http.request.method': request.method } };
  const span = withIds({ traceId, spanId }, () => trace.getTracer('leasehold').startSpan(request.method, options, parent));
  const active = trace.setSpan(ROOT_CONTEXT, span);
  const sampled = (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;
  return {
    traceparent: formatTraceparent({ ...own, traceFlags: sampled ? TraceFlags.SAMPLED : TraceFlags.NONE }),
    run: (fn) => context.with(active, fn),
    end({ method, route, status, requestId, userId, aborted }) {
      span.updateName(`${method} ${route}`);
      span.setAttributes({
        'http.route': route,
        'http.response.status_code': status,
        'leasehold.request_id': requestId,
        ...(userId === undefined ? {} : { 'user.id': userId }),
        ...(aborted ? { 'leasehold.aborted': true } : {}),
      });
      if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    },
  };
}
