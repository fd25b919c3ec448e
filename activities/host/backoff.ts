// When something that died is started again: at once the first time, then ever later, and from the start after it ran well for a while.

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 30_000;
/** Whatever ran this long was not failing at its start. */
export const RAN_WELL_MS = 60_000;

/** `failures` = ends in a row without having run well, this one included. */
export function restartDelayMs(failures: number): number {
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.max(0, Math.min(failures, 30) - 1));
}

/** The ends in a row after one more. */
export function countFailures(before: number, ranMs: number): number {
  return ranMs >= RAN_WELL_MS ? 1 : before + 1;
}
