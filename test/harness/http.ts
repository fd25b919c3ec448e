// A client without connection reuse: a connection of the api that was killed must not fail the request after it.
import { type IncomingHttpHeaders, request } from 'node:http';

/** What answers hold, as far as tests look at it. */
export interface Body {
  ok: boolean;
  error: string;
  error_code: string;
  message: string;
  request_id: string;
  retry_after_seconds: number | null;
  agent_action?: string;
  details: Record<string, string>;
  id: string;
  token: string;
  name: string;
  connection_url: string;
  status: string;
  tier: string;
  env: string;
  limits: Record<string, number | string>;
  labels: Record<string, string>;
  note: string;
  upgrade: string;
  claim_url: string;
  upgrade_jwt: string;
  warning?: string;
  ignored_fields?: string[];
  expires_at: string;
  paused_at: string | null;
  suspended_reason: string | null;
  previous_valid_until: string;
  resource_url: string;
  events_url: string;
  dry_run: boolean;
  quota: Record<string, unknown>;
  item: Body;
  items: Body[];
  total: number;
  type: string;
  data: Record<string, string | number | null>;
  occurred_at: string;
  lifecycle: {
    workflow_id: string;
    run_id: string;
    next_step: string;
    next_step_at: string;
    pending: unknown[];
    history_length: number;
    ui_url: string;
  };
  overall: string;
  checks: { name: string; critical: boolean; status: string; detail?: { pool_ready?: Record<string, number> } }[];
}

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Body;
  text: string;
}

export interface CallOptions {
  body?: unknown;
  headers?: Record<string, string>;
  timeoutMs?: number;
}

/** @param route `POST /db/new`; no method = GET */
export function call(baseUrl: string, route: string, { body, headers, timeoutMs = 30_000 }: CallOptions = {}): Promise<Answer> {
  const [path = '', method = 'GET'] = route.split(' ').reverse();
  const payload = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const outgoing = request(`${baseUrl}${path}`, {
      method,
      agent: false,
      signal: AbortSignal.timeout(timeoutMs),
      headers: {
        ...(payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) }),
        ...headers,
      },
    });
    outgoing.once('error', reject);
    outgoing.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      response.once('error', reject);
      response.once('close', () => (response.complete ? undefined : reject(new Error('the answer was cut off'))));
      response.once('end', () => {
        const isJson = response.headers['content-type']?.includes('json');
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: isJson ? JSON.parse(text) : {}, text });
      });
    });
    outgoing.end(payload);
  });
}
