// How long the pool waits between two looks: short after a claim, long when nothing happens.

/** `worked` = something was made or destroyed, `full` = nothing to do, `waiting` = not full and not able. */
export type Pace = 'worked' | 'full' | 'waiting';

const SHORTEST_MS = 1_000;
const LONGEST_MS = 30_000;
const WAITING_MS = 5_000;

/** After work the next look follows at once: more may have been claimed meanwhile. Then each pause doubles. */
export function pauseMs(pace: Pace, previousMs: number): number {
  switch (pace) {
    case 'worked':
      return 0;
    case 'waiting':
      return WAITING_MS;
    case 'full':
      return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, previousMs * 2));
  }
}
