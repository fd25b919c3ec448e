import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { afterWarning, arm, type Ladder, nextLadderStep } from './ladder';

const HOUR = 3_600_000;
const RUNGS = [6 * HOUR, 2 * HOUR, HOUR];

/** Walks the ladder as the workflow does, waking at the times given by `wakeDelayMs`. */
function walk(ladder: Ladder, rungsMs: number[], fromMs: number, wakeDelayMs: (wake: number) => number = () => 0) {
  const fired: { atMs: number; what: string }[] = [];
  let nowMs = fromMs;
  let current = ladder;
  for (let wake = 0; wake < 100; wake += 1) {
    const step = nextLadderStep(current, rungsMs, nowMs);
    if (step.type === 'none') return fired;
    if (step.type === 'expire') return [...fired, { atMs: nowMs, what: 'expire' }];
    if (step.type === 'warn') {
      fired.push({ atMs: nowMs, what: step.label });
      current = afterWarning(current, step.rungMs);
    } else {
      expect(step.untilMs).toBeGreaterThan(nowMs);
      nowMs = step.untilMs + wakeDelayMs(wake);
    }
  }
  throw new Error('the ladder does not end');
}

describe('the expiry ladder', () => {
  it('warns at 18 h, 22 h and 23 h of a day, then expires', () => {
    expect(walk(arm(24 * HOUR, 0), RUNGS, 0)).toEqual([
      { atMs: 18 * HOUR, what: '6h' },
      { atMs: 22 * HOUR, what: '2h' },
      { atMs: 23 * HOUR, what: '1h' },
      { atMs: 24 * HOUR, what: 'expire' },
    ]);
  });

  it('skips the rungs that a short life never had', () => {
    expect(walk(arm(HOUR / 2, 0), RUNGS, 0).map((step) => step.what)).toEqual(['expire']);
    expect(walk(arm(2 * HOUR, 0), RUNGS, 0).map((step) => step.what)).toEqual(['1h', 'expire']);
  });

  it('fires only the most urgent rung after a late wake-up', () => {
    expect(walk(arm(24 * HOUR, 0), RUNGS, 0, (wake) => (wake === 0 ? 4.5 * HOUR : 0)).map((step) => step.what)).toEqual([
      '2h',
      '1h',
      'expire',
    ]);
  });

  it('does nothing for what never expires', () => {
    expect(nextLadderStep(arm(null, 5), RUNGS, 9)).toEqual({ type: 'none' });
  });

  it('fires each rung once an expiry, in order, never early, whatever the rungs, the life and the delays', () => {
    const rungs = fc.uniqueArray(fc.integer({ min: 1, max: 100_000 }), { maxLength: 6 });
    fc.assert(
      fc.property(rungs, fc.integer({ min: 1, max: 200_000 }), fc.array(fc.nat(50_000), { maxLength: 10 }), (rungsMs, ttlMs, delays) => {
        const fired = walk(arm(ttlMs, 0), rungsMs, 0, (wake) => delays[wake] ?? 0);
        expect(fired.at(-1)?.what).toBe('expire');
        expect(fired.at(-1)?.atMs).toBeGreaterThanOrEqual(ttlMs);
        const warnings = fired.slice(0, -1);
        expect(warnings.length).toBeLessThanOrEqual(rungsMs.filter((rungMs) => rungMs < ttlMs).length);
        const times = warnings.map((warning) => warning.atMs);
        expect([...times].sort((a, b) => a - b)).toEqual(times);
        if (delays.every((delay) => delay === 0)) {
          expect(times).toEqual(
            rungsMs
              .filter((rungMs) => rungMs < ttlMs)
              .map((rungMs) => ttlMs - rungMs)
              .sort((a, b) => a - b),
          );
        }
      }),
    );
  });

  it('arms every rung anew when extended at any point', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 24 * HOUR - 1 }), fc.integer({ min: 1, max: 48 * HOUR }), (atMs, byMs) => {
        const expiresAtMs = 24 * HOUR + byMs;
        const fired = walk(arm(expiresAtMs, atMs), RUNGS, atMs);
        const leftMs = expiresAtMs - atMs;
        expect(fired.map((step) => step.atMs)).toEqual([
          ...RUNGS.filter((rungMs) => rungMs < leftMs).map((rungMs) => expiresAtMs - rungMs),
          expiresAtMs,
        ]);
      }),
    );
  });
});
