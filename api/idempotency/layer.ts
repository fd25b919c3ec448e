// One request under a key is one request: its answer is kept and handed out again. For every route that is not idempotent by its own ids.
import { createHash } from 'node:crypto';
import { hashToken } from '../../shared/crypto';
import { type Caller, scopeOf } from '../auth/caller';
import { ApiError } from '../errors';
import type { Reply, Route } from '../http/route';
import { ANONYMOUS_MINIMUM, canonicalJson, explicitKey } from './key';
import type { IdempotentRequest, IdempotentRequests } from './requests';

/** Operators share no scope with any team. */
function layerScopeOf(caller: Caller): string {
  return caller.type === 'operator' ? `operator:${caller.userId ?? 'key'}` : scopeOf(caller);
}

/** A kept answer may hold what only this credential may see, so another one's request is another request. */
function authorityOf(caller: Caller): string {
  if (caller.type !== 'team') return caller.type;
  // An api key never gets what was answered to a person: that may be another key.
  const kind = caller.credential.type === 'api_key' ? 'key' : 'person';
  return `${kind} ${caller.userId ?? ''} ${caller.role} ${[...caller.scopes].sort().join(',')}`;
}

export interface LayeredRequest {
  route: Pick<Route, 'method' | 'path'>;
  caller: Caller;
  /** The address as it was called, query included. */
  url: string;
  body: unknown;
  header: (name: string) => string | undefined;
}

/**
 * What is kept about a request; null when it carries no key.
 * @throws ApiError invalid_idempotency_key
 */
export function idempotentRequest({ route, caller, url, body, header }: LayeredRequest): IdempotentRequest | null {
  const key = explicitKey(header);
  if (key === undefined) return null;
  // A short one could be another's on the same address.
  if (caller.type === 'anonymous' && key.length < ANONYMOUS_MINIMUM) return null;
  const token = header('x-resource-token');
  const parts = [route.method, url, canonicalJson(body ?? null), authorityOf(caller), token === undefined ? '' : hashToken(token)];
  return {
    scope: layerScopeOf(caller),
    key,
    route: `${route.method} ${route.path}`,
    requestHash: createHash('sha256').update(parts.join('\n')).digest('hex'),
  };
}

/** Only what is final is kept: an accepted command is looked at anew, and what was refused may be allowed by now. */
function isFinal({ status, handled }: Reply): boolean {
  return handled !== true && status >= 200 && status < 300 && status !== 202;
}

export function replayed(reply: Reply): Reply {
  return { ...reply, headers: { ...reply.headers, 'X-Idempotent-Replay': 'true' } };
}

/**
 * Does the work at most once at a time, and not again once it was answered.
 * @throws ApiError idempotency_key_reuse, temporarily_unavailable, and what the work throws
 */
export async function once(requests: IdempotentRequests, request: IdempotentRequest, work: () => Promise<Reply>): Promise<Reply> {
  const claim = await requests.claim(request);
  if (claim.outcome === 'done') return replayed(claim.reply);
  if (claim.outcome === 'reused') {
    throw new ApiError({
      code: 'idempotency_key_reuse',
      message: 'This Idempotency-Key was sent before with another request. Send a new key, or the same body to the same address.',
      details: { field: 'Idempotency-Key' },
    });
  }
  if (claim.outcome === 'busy') {
    throw new ApiError({
      code: 'temporarily_unavailable',
      message: 'The first request under this Idempotency-Key is still under way. Repeat it.',
      retryAfterSeconds: 1,
    });
  }
  const { lease } = claim;
  let reply: Reply;
  try {
    reply = await work();
  } catch (error) {
    await lease.open();
    throw error;
  }
  if (!isFinal(reply)) {
    await lease.open();
    return reply;
  }
  if (await lease.finish(reply)) return reply;
  // Too late: another attempt has taken over, and its answer is the one that everybody gets.
  const winner = await requests.claim(request);
  if (winner.outcome === 'done') return replayed(winner.reply);
  if (winner.outcome === 'claimed') await winner.lease.open();
  return reply;
}
