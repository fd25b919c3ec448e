// What a measured size means for a resource: a pure decision with hysteresis, so that nothing flaps at a threshold.
import type { QuotaAction } from '../../shared/resourcetype';

/** The reason under which the meter suspends, and the only one that it lifts. */
export const QUOTA_SUSPENSION = 'quota';

/** In percent of the limit. */
export interface QuotaThresholds {
  /** Above it, writes stop. Default 100. */
  readOnlyAtPercent: number;
  /** Above it, access is cut: what stops writes softly can be switched off by the tenant. Default 120. */
  suspendAtPercent: number;
  /** Below it, both are undone. Default 90. */
  liftBelowPercent: number;
}

export interface QuotaState {
  bytes: number;
  /** In MiB; null, absent or negative = unlimited. */
  limitMb: number | null | undefined;
  readOnlyByQuota: boolean;
  suspendedReason: string | null;
  /** Since midnight UTC; null or absent = not counted. */
  commandsToday?: number | null;
  /** Null, absent or negative = unlimited. */
  commandsPerDay?: number | null;
  thresholds: QuotaThresholds;
}

const BYTES_PER_MB = 1024 * 1024;

/**
 * What is due, or null. Between `liftBelowPercent` and `readOnlyAtPercent` everything stays as it is.
 * A suspension with any other reason than the quota's is never touched; `lift` then undoes the read-only alone.
 */
export function decideQuota(state: QuotaState): QuotaAction | null {
  const { bytes, limitMb, readOnlyByQuota, suspendedReason, thresholds } = state;
  const restricted = readOnlyByQuota || suspendedReason === QUOTA_SUSPENSION;
  if (isOverCommands(state)) return suspendedReason === null ? 'suspend' : null;
  if (limitMb === null || limitMb === undefined || limitMb < 0) return restricted ? 'lift' : null;
  const percentOfLimit = (percent: number): number => (limitMb * BYTES_PER_MB * percent) / 100;
  if (bytes > percentOfLimit(thresholds.suspendAtPercent) && suspendedReason === null) return 'suspend';
  if (bytes > percentOfLimit(thresholds.readOnlyAtPercent))
    return readOnlyByQuota || suspendedReason === QUOTA_SUSPENSION ? null : 'read_only';
  if (bytes < percentOfLimit(thresholds.liftBelowPercent)) return restricted ? 'lift' : null;
  return null;
}

/** There is nothing to slow down softly: the day's last command was the last. The next day lifts it. */
function isOverCommands({ commandsToday, commandsPerDay }: QuotaState): boolean {
  if (commandsToday == null || commandsPerDay == null || commandsPerDay < 0) return false;
  return commandsToday > commandsPerDay;
}

/** The same finding of the same minute is one command, however often it is signalled. */
export function quotaCommandId(finding: { resourceId: string; action: QuotaAction; measuredAtMs: number }): string {
  return `quota:${finding.resourceId}:${finding.action}:${Math.floor(finding.measuredAtMs / 60_000)}`;
}
