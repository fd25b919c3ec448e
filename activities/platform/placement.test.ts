import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { type Candidate, choosePlacement } from './placement';

const candidate = fc.record<Candidate>({
  name: fc.uuid(),
  region: fc.constantFrom('eu', 'us'),
  engine: fc.constantFrom(null, 'nats', 'kafka'),
  hostName: fc.constantFrom(null, 'a', 'b'),
  capacity: fc.integer({ min: 0, max: 50 }),
  held: fc.integer({ min: 0, max: 60 }),
  weight: fc.integer({ min: 0, max: 5 }),
  drained: fc.boolean(),
  ready: fc.boolean(),
});
const candidates = fc.uniqueArray(candidate, { selector: ({ name }) => name, maxLength: 8 });
const wanted = fc.record(
  {
    engine: fc.constantFrom('nats' as const, 'kafka' as const),
    region: fc.constantFrom('eu', 'us'),
    headroom: fc.integer({ min: 0, max: 5 }),
  },
  { requiredKeys: ['headroom'] },
);
const one = (changes: Partial<Candidate> = {}): Candidate => ({
  name: 'one',
  region: 'eu',
  engine: null,
  hostName: null,
  capacity: 10,
  held: 0,
  weight: 1,
  drained: false,
  ready: true,
  ...changes,
});

describe('placement', () => {
  it('never chooses one that is drained, not ready, full, weightless, or not what was asked for', () => {
    fc.assert(
      fc.property(candidates, wanted, (all, want) => {
        const chosen = choosePlacement(all, want);
        if (chosen === null) return;
        expect(chosen).toMatchObject({ ready: true, drained: false });
        expect(chosen.capacity - chosen.held).toBeGreaterThan(want.headroom);
        expect(chosen.weight).toBeGreaterThan(0);
        if (want.region !== undefined) expect(chosen.region).toBe(want.region);
        if (want.engine !== undefined) expect(chosen.engine).toBe(want.engine);
      }),
    );
  });

  it('finds a place wherever there is one, in whatever order they are listed', () => {
    fc.assert(
      fc.property(candidates, wanted, (all, want) => {
        const fits = (each: Candidate) => choosePlacement([each], want) !== null;
        const usual = (each: Candidate) => each.engine === null || each.engine === 'nats';
        const hasRoom = (each: Candidate) => choosePlacement([each], { ...want, headroom: 0 }) !== null;
        const asked = want.engine === undefined && all.some((each) => usual(each) && hasRoom(each)) ? all.filter(usual) : all;
        expect(choosePlacement(all, want) === null).toBe(!asked.some(fits));
        expect(choosePlacement([...all].reverse(), want)).toEqual(choosePlacement(all, want));
      }),
      // A full usual one beside another that has room is rare among them.
      { numRuns: 1_000 },
    );
  });

  it('fills equal ones evenly', () => {
    const held = new Map([
      ['a', 0],
      ['b', 0],
      ['c', 0],
    ]);
    for (let placed = 0; placed < 30; placed += 1) {
      const all = [...held].map(([name, count]) => one({ name, held: count, capacity: 100 }));
      const { name } = choosePlacement(all, { headroom: 0 }) ?? one();
      held.set(name, (held.get(name) ?? 0) + 1);
    }
    expect([...held.values()]).toEqual([10, 10, 10]);
  });

  it('prefers the heavier, then the emptier host', () => {
    expect(choosePlacement([one({ name: 'light' }), one({ name: 'heavy', weight: 2 })], { headroom: 0 })?.name).toBe('heavy');
    const hosts = [
      one({ name: 'redis-a', hostName: 'a' }),
      one({ name: 'redis-b', hostName: 'b' }),
      one({ name: 'full-a', hostName: 'a', held: 10 }),
    ];
    expect(choosePlacement(hosts, { headroom: 0 })?.name).toBe('redis-b');
  });

  it('gives a queue without an engine the usual one, and any where that is not to be had', () => {
    const kafka = one({ name: 'kafka', engine: 'kafka', weight: 5 });
    expect(choosePlacement([kafka, one({ name: 'nats', engine: 'nats' })], { headroom: 0 })?.name).toBe('nats');
    expect(choosePlacement([kafka], { headroom: 0 })?.name).toBe('kafka');
    expect(choosePlacement([kafka], { headroom: 0, engine: 'nats' })).toBeNull();
    const full = one({ name: 'nats', engine: 'nats', held: 10 });
    expect(choosePlacement([kafka, full], { headroom: 0 })?.name).toBe('kafka');
    expect(choosePlacement([kafka, full], { headroom: 0, engine: 'nats' })).toBeNull();
    // What is left of the usual one is given first, by whoever may take the last slots.
    expect(choosePlacement([kafka, { ...full, held: 8 }], { headroom: 2 })).toBeNull();
    expect(choosePlacement([kafka, { ...full, held: 8 }], { headroom: 0 })?.name).toBe('nats');
  });
});
