import { describe, expect, it } from '@jest/globals';
import { pauseMs } from './pace';

describe('pauseMs', () => {
  it('looks again at once after work, and ever more seldom while the pool is full', () => {
    const pauses = [pauseMs('full', pauseMs('worked', 30_000))];
    while (pauses.length < 8) pauses.push(pauseMs('full', pauses.at(-1) ?? 0));
    expect(pauses).toEqual([1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
    expect(pauseMs('worked', 30_000)).toBe(0);
  });

  it('tries every five seconds what did not work', () => {
    expect(pauseMs('waiting', 30_000)).toBe(5_000);
  });
});
