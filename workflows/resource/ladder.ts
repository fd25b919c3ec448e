// The expiry ladder as a pure function over absolute times: no timers, no state but its arguments.
import { rungLabel } from '../../shared/plans/types';

export interface Ladder {
  expiresAtMs: number | null;
  /** The time to live that is already announced; a rung at or above it has had its turn. */
  coveredMs: number | null;
}

export type LadderStep =
  | { type: 'none' }
  | { type: 'sleep'; untilMs: number; next: string }
  | { type: 'warn'; rungMs: number; label: string }
  | { type: 'expire' };

/** Create and extend arm the ladder: every rung below the new time to live fires once. */
export function arm(expiresAtMs: number | null, nowMs: number): Ladder {
  return { expiresAtMs, coveredMs: expiresAtMs === null ? null : expiresAtMs - nowMs };
}

/** What is due now, or how long to sleep. A late wake-up gets the most urgent rung only. */
export function nextLadderStep(ladder: Ladder, rungsMs: readonly number[], nowMs: number): LadderStep {
  const { expiresAtMs } = ladder;
  if (expiresAtMs === null) return { type: 'none' };
  if (nowMs >= expiresAtMs) return { type: 'expire' };
  const coveredMs = ladder.coveredMs ?? Number.POSITIVE_INFINITY;
  const open = rungsMs.filter((rungMs) => rungMs < coveredMs).sort((a, b) => a - b);
  const due = open.find((rungMs) => expiresAtMs - rungMs <= nowMs);
  if (due !== undefined) return { type: 'warn', rungMs: due, label: rungLabel(due) };
  const nextRung = open.at(-1);
  if (nextRung === undefined) return { type: 'sleep', untilMs: expiresAtMs, next: 'expire' };
  return { type: 'sleep', untilMs: expiresAtMs - nextRung, next: `warn ${rungLabel(nextRung)}` };
}

/** The ladder once a rung has fired: that rung and all above it are behind us. */
export function afterWarning(ladder: Ladder, rungMs: number): Ladder {
  return { ...ladder, coveredMs: rungMs };
}
