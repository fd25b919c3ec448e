import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { boundsFor, type StreamBytes } from './bounds';

const stream = fc.record<StreamBytes>({
  name: fc.uuid(),
  maxBytes: fc.oneof(fc.constant(-1), fc.integer({ min: 1, max: 1_000_000_000 })),
  bytes: fc.integer({ min: 0, max: 1_000_000_000 }),
});
const streams = fc.uniqueArray(stream, { selector: ({ name }) => name, maxLength: 12 });
const storage = fc.oneof(fc.constant(-1), fc.integer({ min: 0, max: 2_000_000_000 }));

describe('what streams may hold in an account', () => {
  it('keeps each bound, and gives the others more than they hold', () => {
    fc.assert(
      fc.property(streams, storage, (all, storageBytes) => {
        const bounds = boundsFor(all, storageBytes);
        for (const { name, maxBytes, bytes } of all) {
          if (maxBytes < 0) expect(bounds.get(name)).toBeGreaterThan(bytes);
          else expect(bounds.get(name)).toBe(maxBytes);
        }
      }),
    );
  });

  it('shares no more than the plan has, where the plan has room for all', () => {
    const all = [
      { name: 'a', maxBytes: 1_000_000, bytes: 10 },
      { name: 'b', maxBytes: -1, bytes: 1_000 },
      { name: 'c', maxBytes: -1, bytes: 0 },
    ];
    const sum = [...boundsFor(all, 10_000_000).values()].reduce((total, bound) => total + bound, 0);
    expect(sum).toBeLessThanOrEqual(10_000_000);
    expect(sum).toBeGreaterThan(9_999_990);
  });
});
