import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decideRefill, type PoolItem, type PoolPlan, type PoolSituation } from './pool-plan';

const GIVE_UP_MS = 600_000;

const item = (index: number): fc.Arbitrary<PoolItem> =>
  fc
    .record({
      state: fc.constantFrom<PoolItem['state'][]>('creating', 'ready', 'claimed', 'destroying'),
      kind: fc.constantFrom('postgres', 'vector'),
      template: fc.constantFrom('a', 'b'),
      serverVersion: fc.constantFrom('16', '17'),
      ageMs: fc.integer({ min: 0, max: 2 * GIVE_UP_MS }),
      claim: fc.constantFrom<('live' | 'terminal' | 'lost')[]>('live', 'terminal', 'lost'),
    })
    .map((facts) => ({ ...facts, objectName: `item-${index}`, claim: facts.state === 'claimed' ? facts.claim : null }));

const situation: fc.Arbitrary<PoolSituation> = fc
  .nat({ max: 12 })
  .chain((count) => fc.tuple(...Array.from({ length: count }, (_, index) => item(index))))
  .chain((items) =>
    fc.record({
      wish: fc.record({ kind: fc.constant('postgres'), template: fc.constant('a'), target: fc.nat({ max: 8 }), refill: fc.boolean() }),
      backend: fc.record({ ready: fc.boolean(), drained: fc.boolean(), serverVersion: fc.constantFrom(null, '16', '17') }),
      items: fc.constant(items),
      giveUpAfterMs: fc.constant(GIVE_UP_MS),
    }),
  );

/** The world after a plan was carried out without a fault. */
function carriedOut(before: PoolSituation, plan: PoolPlan): PoolSituation {
  const gone = new Set([...plan.destroy, ...plan.forget]);
  const finished = new Set(plan.finish);
  const kept = before.items
    .filter((each) => !gone.has(each.objectName))
    .map((each): PoolItem => (finished.has(each.objectName) ? { ...each, state: 'ready' } : each));
  const made = Array.from(
    { length: plan.make },
    (_, index): PoolItem => ({
      objectName: `new-${index}`,
      state: 'ready',
      kind: before.wish.kind,
      template: before.wish.template,
      serverVersion: before.backend.serverVersion ?? '',
      ageMs: 0,
      claim: null,
    }),
  );
  return { ...before, items: [...kept, ...made] };
}

describe('decideRefill', () => {
  it('reaches the target in one go where the backend lets it, and then rests', () => {
    fc.assert(
      fc.property(situation, (before) => {
        const after = carriedOut(before, decideRefill(before));
        const { wish, backend } = before;
        const able = wish.refill && backend.ready && !backend.drained && backend.serverVersion !== null;
        const plan = decideRefill(after);
        expect(plan).toMatchObject({ make: 0, finish: [], destroy: [], forget: [] });
        if (able) expect(plan.ready).toBe(wish.target);
        expect(plan.ready).toBeLessThanOrEqual(wish.target);
      }),
    );
  });

  it('never touches what a living resource has claimed', () => {
    fc.assert(
      fc.property(situation, (before) => {
        const plan = decideRefill(before);
        const claimed = before.items.filter((each) => each.claim === 'live').map((each) => each.objectName);
        expect([...plan.destroy, ...plan.forget, ...plan.finish].filter((name) => claimed.includes(name))).toEqual([]);
      }),
    );
  });

  it('leaves no item on a drained backend and makes none there', () => {
    fc.assert(
      fc.property(situation, (before) => {
        const drained = { ...before, backend: { ...before.backend, drained: true } };
        const plan = decideRefill(drained);
        expect(plan.make + plan.finish.length).toBe(0);
        expect(carriedOut(drained, plan).items.every((each) => each.claim === 'live')).toBe(true);
      }),
    );
  });

  it('keeps only what a claim could take', () => {
    fc.assert(
      fc.property(situation, (before) => {
        const { wish, backend } = before;
        for (const each of carriedOut(before, decideRefill(before)).items) {
          if (each.state !== 'ready') continue;
          expect([each.kind, each.template]).toEqual([wish.kind, wish.template]);
          if (backend.serverVersion !== null) expect(each.serverVersion).toBe(backend.serverVersion);
        }
      }),
    );
  });
});
