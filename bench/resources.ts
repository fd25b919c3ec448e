// Resources as a caller makes and changes them: over HTTP, with the token that the answer holds.
import { setTimeout as sleep } from 'node:timers/promises';
import { type ResourceKind, ROUTE_SEGMENT } from '../shared/resourcetype';
import type { Granted } from './drivers';

export class Refused extends Error {
  override name = 'Refused';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly retryAfterSeconds: number,
  ) {
    super(message);
  }
}

export interface ResourceClient {
  /** Waits until the resource is active when the api answers before. */
  create: (kind: ResourceKind, name: string, more?: object) => Promise<Granted>;
  credentials: (granted: Granted) => Promise<Granted>;
  pause: (granted: Granted) => Promise<void>;
  resume: (granted: Granted) => Promise<void>;
  /** The answer with the new credentials in it. */
  rotate: (granted: Granted) => Promise<Granted>;
  remove: (granted: Granted) => Promise<void>;
  /** Resolves once the row says so. */
  becomes: (granted: Granted, status: string, timeoutMs?: number) => Promise<void>;
  statusOf: (granted: Granted) => Promise<string>;
}

const ACTIVE_MS = 60_000;
const GONE_MS = 60_000;

/** @param headers e.g. a bearer; without one the caller is anonymous */
export function resourceClient(apiUrl: string, headers: Record<string, string> = {}): ResourceClient {
  async function call(method: string, path: string, options: { body?: object; token?: string } = {}): Promise<Record<string, unknown>> {
    const answer = await fetch(`${apiUrl}${path}`, {
      method,
      headers: {
        ...headers,
        ...(options.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(options.token === undefined || headers.authorization !== undefined ? {} : { 'x-resource-token': options.token }),
      },
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal: AbortSignal.timeout(60_000),
    });
    const body = (await answer.json()) as Record<string, unknown>;
    if (answer.ok) return body;
    const told = `${method} ${path} answered ${answer.status} ${String(body.error)}: ${String(body.message)}`;
    throw new Refused(answer.status, String(body.error), told, Number(body.retry_after_seconds ?? 0));
  }

  const own = (granted: Granted, method: string, path = '', body?: object) =>
    call(method, `/api/v1/resources/${granted.id}${path}`, { token: granted.token, body });
  const statusOf = async (granted: Granted) => String((await own(granted, 'GET')).status);
  const becomes: ResourceClient['becomes'] = async (granted, status, timeoutMs = GONE_MS) => {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const now = await statusOf(granted);
      if (now === status) return;
      if (now === 'failed' || Date.now() > deadline) throw new Error(`${granted.id} is ${now}, not ${status}`);
      await sleep(50);
    }
  };
  const credentials: ResourceClient['credentials'] = async (granted) => ({ ...granted, ...(await own(granted, 'GET', '/credentials')) });

  return {
    async create(kind, name, more = {}) {
      const made = (await call('POST', `/${ROUTE_SEGMENT[kind]}/new`, { body: { name, ...more } })) as unknown as Granted;
      if (made.status === 'active') return made;
      // No worker came to it yet, so it has no token: whoever has a key asks again.
      if (!made.token) throw new Refused(503, 'pending', `${made.id} is not reserved yet`, 1);
      await becomes(made, 'active', ACTIVE_MS);
      return await credentials(made);
    },
    credentials,
    async pause(granted) {
      await own(granted, 'POST', '/pause', {});
      await becomes(granted, 'paused');
    },
    async resume(granted) {
      await own(granted, 'POST', '/resume', {});
      await becomes(granted, 'active');
    },
    async rotate(granted) {
      await own(granted, 'POST', '/rotate-credentials', {});
      return await credentials(granted);
    },
    async remove(granted) {
      await own(granted, 'DELETE');
    },
    becomes,
    statusOf,
  };
}
