// The meter's public face.
import type { ResourceKind } from '../../shared/resourcetype';

export const USAGE_WORKFLOW_TYPE = 'measureUsage';
/** The schedule's id; a run adds its time to it. */
export const USAGE_SCHEDULE_ID = 'usage';

export interface MeasureUsageInput {
  backends: { name: string; kind: ResourceKind; hostName?: string | null }[];
  /** In percent of a resource's storage limit; from plans.yaml. */
  thresholds: { readOnlyAtPercent: number; suspendAtPercent: number; liftBelowPercent: number };
}

/** What a run answers, for whoever reads it in the UI; null = the backend could not be measured this time. */
export type UsageReport = Record<string, { measured: number; reported: number } | null>;
