// The sweep's public face.
import type { ResourceKind } from '../../shared/resourcetype';

export const SWEEP_WORKFLOW_TYPE = 'sweep';
/** The schedule's id; a run adds its time to it. */
export const SWEEP_SCHEDULE_ID = 'sweep';

export interface SweepInput {
  /** `hostName`: the host that the backend's objects are on; null or absent = the kind's own worker looks. */
  backends: { name: string; kind: ResourceKind; hostName?: string | null }[];
  /** Between the two sweeps that must agree that an object is nobody's. */
  orphanMinimumAgeMs: number;
  /** Younger rows may still be waiting for their workflow. Default 1 min. */
  rowMinimumAgeMs?: number;
  /** An operator's word that many unknown objects on a backend are leaks indeed. Default false. */
  removeHeld?: boolean;
}

/** What a run answers, for whoever reads it in the UI. */
export interface SweepReport {
  backends: BackendReport[];
  /** Null when the rows could not be read or Temporal not be asked. */
  rows: { checked: number; restarted: number } | null;
}

export interface BackendReport {
  name: string;
  /** False = it could not be listed this time. */
  swept: boolean;
  listed: number;
  orphans: number;
  removed: number;
  held: number;
}
