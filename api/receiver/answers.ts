// What the receiver answers: JSON that no browser runs or shows as a page, whatever was sent.
import type { ServerResponse } from 'node:http';
import { type ErrorCode, httpStatusOf } from '../../shared/errors';
import { agentActionFor } from '../agentactions';
import { type RequestContext, securityHeaders } from '../http/context';

export interface Answering {
  context: RequestContext;
  /** For links in errors. */
  urls: { baseUrl: string; upgradeUrl: string };
  headers: Record<string, string>;
}

export interface Refusal {
  code: ErrorCode;
  message: string;
  retryAfterSeconds?: number;
}

/** What is left of a refused body is thrown away for so long: closing at once would lose the answer on its way. */
const LINGER_MS = 2_000;

export function sendJson(response: ServerResponse, answering: Answering, status: number, body: unknown): void {
  if (response.headersSent || response.destroyed) return;
  const text = JSON.stringify(body);
  response.writeHead(status, {
    ...securityHeaders(answering.context),
    ...answering.headers,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(response.req.method === 'HEAD' ? undefined : text);
}

export function sendRefusal(response: ServerResponse, answering: Answering, refusal: Refusal): void {
  const status = httpStatusOf(refusal.code);
  const retryAfter = refusal.retryAfterSeconds ?? (status === 429 || status >= 502 ? 5 : null);
  const headers = {
    ...answering.headers,
    ...(retryAfter === null ? {} : { 'Retry-After': String(retryAfter) }),
  };
  sendJson(response, { ...answering, headers }, status, refusalBody(answering, refusal, retryAfter));
  const { req: request } = response;
  request.resume();
  if (!request.complete) setTimeout(() => request.complete || request.socket.destroy(), LINGER_MS).unref();
}

export function refusalBody({ context, urls }: Pick<Answering, 'context' | 'urls'>, refusal: Refusal, retryAfterSeconds: number | null) {
  return {
    ok: false,
    error: refusal.code,
    message: refusal.message,
    request_id: context.requestId,
    retry_after_seconds: retryAfterSeconds,
    agent_action: agentActionFor(refusal.code, urls),
  };
}
