// The pool workflow's public face: its id, its argument and its signals.
import { defineSignal } from '@temporalio/workflow';
import type { ResourceKind } from '../../shared/resourcetype';

export const POOL_WORKFLOW_TYPE = 'refillPool';

/** One workflow per backend: that makes it the only creator there. */
export function poolWorkflowId(backendName: string): string {
  return `pool/${backendName}`;
}

export interface RefillPoolInput {
  backendName: string;
  kind: ResourceKind;
  /** The host that items are made on; null or absent = the kind's own worker makes them. */
  hostName?: string | null;
  /** What items are made from; items of another template are destroyed. */
  template: string;
  /** Items that shall be ready to claim. */
  target: number;
  /** False = make nothing, only clear away what is obsolete (benchmarks). Default true. */
  refill?: boolean;
}

/** An item was claimed: look now. Best effort, since a timer looks as well. */
export const refillSignal = defineSignal('refill');
/** New settings for a pool that runs already; sent at every worker start. */
export const configurePoolSignal = defineSignal<[RefillPoolInput]>('configure');
