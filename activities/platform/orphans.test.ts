import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isTerminal, RESOURCE_STATUSES } from '../../shared/resourcestatus';
import { type NameFacts, orphanReason, planRemovals, type SightedOrphan } from './orphans';
import type { PoolItemState } from './pool-plan';

const facts: fc.Arbitrary<Omit<NameFacts, 'objectName'>> = fc.record({
  resourceStatus: fc.constantFrom(null, ...RESOURCE_STATUSES),
  poolState: fc.constantFrom<(PoolItemState | null)[]>(null, 'creating', 'ready', 'claimed', 'destroying'),
  retired: fc.boolean(),
});

describe('orphanReason', () => {
  it('never gives up what a living resource has', () => {
    fc.assert(
      fc.property(facts, (known) => {
        fc.pre(known.resourceStatus !== null && !isTerminal(known.resourceStatus));
        expect(orphanReason(known)).toBeNull();
      }),
    );
  });

  it('leaves to the pool what no resource has claimed', () => {
    fc.assert(
      fc.property(facts, (known) => {
        fc.pre(known.poolState !== null && known.poolState !== 'claimed');
        expect(orphanReason(known)).toBeNull();
      }),
    );
  });

  it.each([
    [{ resourceStatus: null, poolState: null, retired: false }, 'unknown'],
    [{ resourceStatus: null, poolState: null, retired: true }, 'retired'],
    [{ resourceStatus: 'deleted', poolState: null, retired: true }, 'terminal'],
    [{ resourceStatus: 'failed', poolState: 'claimed', retired: false }, 'terminal'],
    [{ resourceStatus: null, poolState: 'claimed', retired: false }, null],
    [{ resourceStatus: 'deleting', poolState: null, retired: true }, null],
  ] as const)('%j is %s', (known, reason) => {
    expect(orphanReason(known)).toBe(reason);
  });
});

const orphans: fc.Arbitrary<SightedOrphan[]> = fc.array(
  fc.record({
    objectName: fc.string(),
    reason: fc.constantFrom('terminal' as const, 'retired' as const, 'unknown' as const),
    overdue: fc.boolean(),
  }),
  { maxLength: 200 },
);

describe('planRemovals', () => {
  it('acts on nothing that was not an orphan long enough', () => {
    fc.assert(
      fc.property(orphans, fc.nat({ max: 50 }), fc.boolean(), (seen, others, removeHeld) => {
        const { due, held } = planRemovals({ listed: seen.length + others, orphans: seen, removeHeld });
        const overdue = seen.filter((orphan) => orphan.overdue).length;
        expect(due.length).toBeLessThanOrEqual(Math.min(100, overdue - held));
        if (removeHeld) expect(held).toBe(0);
      }),
    );
  });

  const unknown = (count: number): SightedOrphan[] =>
    Array.from({ length: count }, (_, index) => ({ objectName: `n${index}`, reason: 'unknown', overdue: true }));

  it('holds the unknown when they are most of a backend, and only those', () => {
    const seen: SightedOrphan[] = [...unknown(11), { objectName: 'gone', reason: 'terminal', overdue: true }];
    expect(planRemovals({ listed: 20, orphans: seen, removeHeld: false })).toEqual({
      due: [{ objectName: 'gone', reason: 'terminal' }],
      held: 11,
    });
    expect(planRemovals({ listed: 20, orphans: seen, removeHeld: true }).due).toHaveLength(12);
    expect(planRemovals({ listed: 22, orphans: seen, removeHeld: false }).due).toHaveLength(12);
  });

  it('always lets a few go, whatever their share', () => {
    expect(planRemovals({ listed: 10, orphans: unknown(10), removeHeld: false })).toMatchObject({ held: 0 });
  });
});
