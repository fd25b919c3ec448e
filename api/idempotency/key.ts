// Which request is the same request. Pure: the key, the hash and the resource id that follow from what the caller sent.
import { createHash } from 'node:crypto';
import { v4 as uuidv4, v5 as uuidv5 } from 'uuid';
import type { ResourceKind } from '../../shared/resourcetype';
import { scopeOf, type TenantCaller } from '../auth/caller';
import { ApiError } from '../errors';

/** Fixed for ever: every resource id that follows from a key hangs on it. */
const RESOURCE_NAMESPACE = '7f1d3c2e-5b0a-4e0f-9c55-2b8f6c1d9a40';
const PRINTABLE = /^[\x20-\x7e]{1,255}$/;
export const ANONYMOUS_MINIMUM = 16;

export type KeySource = 'explicit' | 'fingerprint' | 'miss';

/** `none`: nothing says which earlier request this could be, so it is a new one. */
export type IdempotencyKey =
  | { type: 'explicit'; scope: string; key: string; requestHash: string }
  | { type: 'fingerprint'; scope: string; key: string; requestHash: string }
  | { type: 'none'; warning?: string };

/** JSON with its keys sorted, so that the same body has one text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${entries.map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member)}`).join(',')}}`;
}

export function requestHash(kind: ResourceKind, body: unknown): string {
  return createHash('sha256')
    .update(`${kind}\n${canonicalJson(body)}`)
    .digest('hex');
}

/** @throws ApiError invalid_idempotency_key */
export function explicitKey(header: (name: string) => string | undefined): string | undefined {
  const [first, second] = [header('idempotency-key'), header('x-idempotency-key')];
  if (first !== undefined && second !== undefined && first !== second) {
    throw new ApiError({
      code: 'invalid_idempotency_key',
      message: 'Idempotency-Key and X-Idempotency-Key differ. Send one of them.',
      details: { field: 'Idempotency-Key' },
    });
  }
  const key = first ?? second;
  if (key !== undefined && !PRINTABLE.test(key)) {
    throw new ApiError({
      code: 'invalid_idempotency_key',
      message: 'Idempotency-Key must be 1 to 255 characters of printable ASCII.',
      details: { field: 'Idempotency-Key' },
    });
  }
  return key;
}

export function readIdempotencyKey(request: {
  caller: TenantCaller;
  kind: ResourceKind;
  body: unknown;
  header: (name: string) => string | undefined;
}): IdempotencyKey {
  const key = explicitKey(request.header);
  const scope = scopeOf(request.caller);
  const hash = requestHash(request.kind, request.body);
  if (request.caller.type === 'anonymous') {
    if (key === undefined) return { type: 'none' };
    if (key.length < ANONYMOUS_MINIMUM) {
      return {
        type: 'none',
        warning: `The Idempotency-Key was ignored: without an api key it must have at least ${ANONYMOUS_MINIMUM} characters, so that nobody else on your network guesses it.`,
      };
    }
  }
  // The prefix keeps a client's key from meeting a fingerprint.
  if (key !== undefined) return { type: 'explicit', scope, key: `key:${key}`, requestHash: hash };
  return { type: 'fingerprint', scope, key: `fp:${hash}`, requestHash: hash };
}

export function resourceIdFor(key: { scope: string; key: string }, generation: number): string {
  return uuidv5(`${key.scope}\n${key.key}\n${generation}`, RESOURCE_NAMESPACE);
}

export function randomResourceId(): string {
  return uuidv4();
}

/** A command under a key is one command; without one, each request is its own. */
export function commandIdFor(request: { resourceId: string; command: string; header: (name: string) => string | undefined }): string {
  const key = explicitKey(request.header);
  if (key === undefined) return uuidv4();
  return createHash('sha256').update(`${request.resourceId}\n${request.command}\n${key}`).digest('hex');
}
