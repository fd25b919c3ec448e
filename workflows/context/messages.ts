// What travels beside every call as a Temporal header, so that logs and traces of all processes can be put together. No secret.

export const CONTEXT_HEADER = 'leasehold-context';
/** Where OpenTelemetry's interceptors for Temporal put and look for the caller's span. */
export const TRACER_HEADER = '_tracer-data';

export interface CallContext {
  request_id?: string;
  trace_id?: string;
  team_id?: string;
  /** The client's span, where the request is traced, and the id that the workflow's own span is to have. */
  traceparent?: string;
  span_id?: string;
}

/** What a workflow tells of one of its spans. The client made its id, so that a replay makes no other. */
export interface WorkflowSpan {
  name: string;
  /** The client's span. */
  traceparent: string;
  spanId: string;
  requestId?: string;
  startedAtMs: number;
  endedAtMs: number;
  /** Null when it went well. */
  error: string | null;
}
