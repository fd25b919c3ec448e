// Finds out, with the database and at need the workflow, which resource a request is about.
import type { LifecyclePort } from '../lifecycle/port';
import type { ResourceStore } from '../projection/store';
import { decide, decideByRun } from './decide';
import { type IdempotencyKey, type KeySource, randomResourceId, resourceIdFor } from './key';

export interface Resolution {
  resourceId: string;
  generation: number;
  replay: boolean;
  source: KeySource;
  /** A new attempt whose key is not written yet. */
  claim: (() => Promise<boolean>) | null;
}

export async function resolve(
  deps: { store: Pick<ResourceStore, 'newestAttempt' | 'claimAttempt'>; lifecycle: Pick<LifecyclePort, 'runState'> },
  key: IdempotencyKey,
): Promise<Resolution> {
  if (key.type === 'none') return { resourceId: randomResourceId(), generation: 1, replay: false, source: 'miss', claim: null };
  const newest = await deps.store.newestAttempt(key.scope, key.key);
  const first = decide(key, newest);
  const decision = first.action === 'ask_workflow' ? decideByRun(first, await deps.lifecycle.runState(first.resourceId)) : first;
  if (decision.action === 'replay') {
    return { resourceId: decision.resourceId, generation: decision.generation, replay: true, source: key.type, claim: null };
  }
  const { generation } = decision;
  const resourceId = resourceIdFor(key, generation);
  const claim = () => deps.store.claimAttempt({ scope: key.scope, key: key.key, requestHash: key.requestHash, generation, resourceId });
  return { resourceId, generation, replay: false, source: key.type === 'explicit' ? 'explicit' : 'miss', claim };
}
