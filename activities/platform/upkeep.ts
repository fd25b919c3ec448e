// What the pool, the sweep and the meter share: their log, their metrics and the names of objects.
import { Counter, type Registry } from 'prom-client';
import { randomBase32 } from '../../shared/crypto';
import type { Logger } from '../../shared/logctx';
import { objectNamePrefix, type ResourceKind } from '../../shared/resourcetype';

/** As much of the logger as upkeep needs. */
export type UpkeepLogger = Pick<Logger, 'info' | 'warn' | 'error'>;

/** A backend as the upkeep workflows address it. */
export interface BackendAddress {
  name: string;
  kind: ResourceKind;
}

/** One object on one backend. */
export interface BackendObject {
  backendName: string;
  objectName: string;
}

/**
 * Asked with the name's lock held, before anything is touched; where it says no, nothing is. A backend that does not
 * ask is still safe to use: the same question was put a moment before the call.
 */
export interface Guarded {
  onlyIf?: () => Promise<boolean>;
}

export interface UpkeepMetrics {
  /** Objects that nobody owned and that the sweep removed: each one is a bug somewhere. */
  leaked: Counter<'backend' | 'reason'>;
  /** Orphans that the sweep saw and left alone, because there were too many to be true. */
  orphansHeld: Counter<'backend'>;
  workflowsRestarted: Counter<string>;
  poolItemsCreated: Counter<'backend'>;
  poolItemsDestroyed: Counter<'backend'>;
  quotaFindings: Counter<'action'>;
}

/** Registers the metrics; once per registry. */
export function createUpkeepMetrics(registry: Registry): UpkeepMetrics {
  const registers = [registry];
  return {
    leaked: new Counter({
      name: 'leasehold_leaked_total',
      help: 'Objects found on a backend that no resource owned, removed by the sweep.',
      labelNames: ['backend', 'reason'],
      registers,
    }),
    orphansHeld: new Counter({
      name: 'leasehold_orphans_held_total',
      help: 'Orphans that a sweep left alone because there were suspiciously many; an operator must look.',
      labelNames: ['backend'],
      registers,
    }),
    workflowsRestarted: new Counter({
      name: 'leasehold_workflows_restarted_total',
      help: 'Resources whose workflow was gone and was started again by the sweep.',
      registers,
    }),
    poolItemsCreated: new Counter({
      name: 'leasehold_pool_items_created_total',
      help: 'Warm items made ready.',
      labelNames: ['backend'],
      registers,
    }),
    poolItemsDestroyed: new Counter({
      name: 'leasehold_pool_items_destroyed_total',
      help: 'Warm items destroyed unclaimed.',
      labelNames: ['backend'],
      registers,
    }),
    quotaFindings: new Counter({
      name: 'leasehold_quota_findings_total',
      help: 'Storage thresholds crossed, by what was due.',
      labelNames: ['action'],
      registers,
    }),
  };
}

/** A name that tells nothing (design, rule 2). */
export function randomObjectName(installationId: string): string {
  return `${objectNamePrefix(installationId)}${randomBase32(24)}`;
}
