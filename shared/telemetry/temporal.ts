// Tracing through Temporal: the SDK's own interceptors in clients and activities, and spans that are told of.
// The workflow side is ours (workflows/context): docs/decisions/tracing.md says why.
import { type Attributes, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api';
import { OpenTelemetryWorkflowClientInterceptor } from '@temporalio/interceptors-opentelemetry/lib/client';
import { OpenTelemetryActivityInboundInterceptor } from '@temporalio/interceptors-opentelemetry/lib/worker';
import { withIds } from './chosen-ids';
import { tracingIsOn } from './start';
import { parseTraceparent } from './traceparent';

/** A span that was lived elsewhere. Its id was fixed before it began. */
export interface RecordedSpan {
  name: string;
  /** The parent. */
  traceparent: string;
  spanId: string;
  attributes: Attributes;
  startedAtMs: number;
  endedAtMs: number;
  /** Null when it went well. */
  error: string | null;
}

/** First among a client's interceptors, so that those behind it run inside its span. */
export function clientTracing(): OpenTelemetryWorkflowClientInterceptor[] {
  return tracingIsOn() ? [new OpenTelemetryWorkflowClientInterceptor()] : [];
}

type ActivityContext = ConstructorParameters<typeof OpenTelemetryActivityInboundInterceptor>[0];

export function activityTracing(): ((context: ActivityContext) => { inbound: OpenTelemetryActivityInboundInterceptor })[] {
  return tracingIsOn() ? [(context) => ({ inbound: new OpenTelemetryActivityInboundInterceptor(context) })] : [];
}

export function recordSpan(lived: RecordedSpan): void {
  const parent = tracingIsOn() ? parseTraceparent(lived.traceparent) : null;
  if (parent === null) return;
  const { name, spanId, attributes, startedAtMs, endedAtMs, error } = lived;
  const options = { startTime: startedAtMs, attributes };
  const span = withIds({ traceId: parent.traceId, spanId }, () =>
    trace.getTracer('leasehold').startSpan(name, options, trace.setSpanContext(ROOT_CONTEXT, parent)),
  );
  if (error !== null) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
  span.end(endedAtMs);
}
