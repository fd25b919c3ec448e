// What a request under a key is to become, given the newest attempt under that key. Pure.
import { isInactive, isTerminal } from '../../shared/resourcestatus';
import { ApiError } from '../errors';
import type { RunState } from '../lifecycle/port';
import type { IdempotencyRecord } from '../projection/store';
import type { IdempotencyKey } from './key';

export type Decision =
  /** Nothing like it yet, or what was there ended failed or rejected: a new attempt. */
  | { action: 'attempt'; generation: number }
  /** The same request: its resource, or its still running start. */
  | { action: 'replay'; generation: number; resourceId: string }
  /** No row says how the attempt stands: its workflow must be asked. */
  | { action: 'ask_workflow'; generation: number; resourceId: string };

/** @throws ApiError idempotency_key_reuse, resource_inactive */
export function decide(key: Exclude<IdempotencyKey, { type: 'none' }>, newest: IdempotencyRecord | null): Decision {
  if (newest === null) return { action: 'attempt', generation: 1 };
  const { generation, resourceId, status } = newest;
  const next: Decision = { action: 'attempt', generation: generation + 1 };
  if (key.type === 'fingerprint' && !newest.recent) return next;
  if (newest.requestHash !== key.requestHash) {
    throw new ApiError({
      code: 'idempotency_key_reuse',
      message: 'This Idempotency-Key was sent before with another request. Send a new key, or the same body to the same address.',
      details: { field: 'Idempotency-Key' },
    });
  }
  if (status === null) return { action: 'ask_workflow', generation, resourceId };
  if (status === 'failed') return next;
  if (isTerminal(status) || isInactive(status)) {
    // Nobody said that this is the same request as the one whose resource was deleted.
    if (key.type === 'fingerprint') return next;
    throw new ApiError({
      code: 'resource_inactive',
      message: `The resource of this Idempotency-Key is ${status}. Send a new key to make another.`,
      details: { resource_id: resourceId, status },
    });
  }
  return { action: 'replay', generation, resourceId };
}

/** An attempt without a row: running or never started is this request; closed was rejected, so the next one is due. */
export function decideByRun(
  asked: Extract<Decision, { action: 'ask_workflow' }>,
  run: RunState,
): Exclude<Decision, { action: 'ask_workflow' }> {
  if (run === 'closed') return { action: 'attempt', generation: asked.generation + 1 };
  return { action: 'replay', generation: asked.generation, resourceId: asked.resourceId };
}
