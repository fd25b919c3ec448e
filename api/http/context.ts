// What a request carries from its first moment: its id, its trace, and the headers that every answer has.
import { randomBytes } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export interface RequestContext {
  requestId: string;
  traceparent: string;
  /** The caller's span, where it sent one. */
  parentSpanId: string | null;
  startedAt: bigint;
  /** The pattern that matched, never the path itself: a path may hold a token. */
  route: string;
  /** Set once it is known which resource the request is about. */
  resourceId?: string;
  /** A line of this request is in the audit log, or on its way there. */
  audited?: boolean;
  /** For the request's span: the caller's team, or an anonymous caller's network. */
  userId?: string;
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,128}$/;
const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** A client's valid request id is kept; its trace goes on under a span of ours. */
export function openContext(headers: IncomingHttpHeaders): RequestContext {
  const given = headers['x-request-id'];
  const parent = typeof headers.traceparent === 'string' ? TRACEPARENT.exec(headers.traceparent) : null;
  const whole = parent?.[1] && !/^0+$/.test(parent[1]) && !/^0+$/.test(parent[2] ?? '');
  const known = whole ? { traceId: parent[1] ?? '', spanId: parent[2] ?? '', flags: parent[3] ?? '01' } : null;
  const traceId = known?.traceId ?? randomBytes(16).toString('hex');
  return {
    requestId: typeof given === 'string' && REQUEST_ID.test(given) ? given : known ? randomBytes(16).toString('hex') : traceId,
    traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-${known?.flags ?? '01'}`,
    parentSpanId: known?.spanId ?? null,
    startedAt: process.hrtime.bigint(),
    route: 'unmatched',
  };
}

export function securityHeaders(context: RequestContext): Record<string, string> {
  return {
    'X-Request-ID': context.requestId,
    traceparent: context.traceparent,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
    'X-Frame-Options': 'DENY',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    // Answers hold credentials; what may be cached says so itself.
    'Cache-Control': 'no-store',
  };
}
