import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decideQuota, QUOTA_SUSPENSION, type QuotaState, quotaCommandId } from './quota';

const thresholds = { readOnlyAtPercent: 100, suspendAtPercent: 120, liftBelowPercent: 90 };
const MB = 1024 * 1024;
type Facts = Pick<QuotaState, 'readOnlyByQuota' | 'suspendedReason'>;

const facts: fc.Arbitrary<Facts> = fc.record({
  readOnlyByQuota: fc.boolean(),
  suspendedReason: fc.constantFrom(null, QUOTA_SUSPENSION, 'abuse'),
});
const limitMb = fc.integer({ min: 1, max: 1_000_000 });
const percent = fc.integer({ min: 0, max: 300 });

function stateAt(at: { percent: number; limitMb: number | null }, known: Facts): QuotaState {
  return { bytes: ((at.limitMb ?? 1) * MB * at.percent) / 100, limitMb: at.limitMb, thresholds, ...known };
}

/** What the resource's workflow does with the answer. */
function applied(known: Facts, action: ReturnType<typeof decideQuota>): Facts {
  switch (action) {
    case null:
      return known;
    case 'read_only':
      return { ...known, readOnlyByQuota: true };
    case 'suspend':
      return { ...known, suspendedReason: known.suspendedReason ?? QUOTA_SUSPENSION };
    case 'lift':
      return { readOnlyByQuota: false, suspendedReason: known.suspendedReason === QUOTA_SUSPENSION ? null : known.suspendedReason };
  }
}

describe('decideQuota', () => {
  it.each([
    [90, null],
    [100, null],
    [101, 'read_only'],
    [120, 'read_only'],
    [121, 'suspend'],
  ])('at %i %% of the limit an untouched resource gets %s', (at, action) => {
    expect(decideQuota(stateAt({ percent: at, limitMb: 10 }, { readOnlyByQuota: false, suspendedReason: null }))).toBe(action);
  });

  it('settles: the same size twice asks for nothing the second time', () => {
    fc.assert(
      fc.property(facts, limitMb, percent, (known, limit, at) => {
        const first = decideQuota(stateAt({ percent: at, limitMb: limit }, known));
        expect(decideQuota(stateAt({ percent: at, limitMb: limit }, applied(known, first)))).toBeNull();
      }),
    );
  });

  it('does not flap: between lift and read-only nothing ever changes', () => {
    fc.assert(
      fc.property(facts, limitMb, fc.integer({ min: 90, max: 100 }), (known, limit, at) => {
        expect(decideQuota(stateAt({ percent: at, limitMb: limit }, known))).toBeNull();
      }),
    );
  });

  it('never ends or replaces a suspension that is not its own', () => {
    fc.assert(
      fc.property(fc.boolean(), limitMb, fc.array(percent), (readOnlyByQuota, limit, course) => {
        let known: Facts = { readOnlyByQuota, suspendedReason: 'abuse' };
        for (const at of course) {
          const action = decideQuota(stateAt({ percent: at, limitMb: limit }, known));
          expect(action).not.toBe('suspend');
          known = applied(known, action);
          expect(known.suspendedReason).toBe('abuse');
        }
      }),
    );
  });

  it('leaves nothing of its own behind below the lift, and nobody unrestrained above the limit', () => {
    fc.assert(
      fc.property(facts, limitMb, fc.array(percent), (start, limit, course) => {
        let known = start;
        for (const at of course) {
          known = applied(known, decideQuota(stateAt({ percent: at, limitMb: limit }, known)));
          const own = known.readOnlyByQuota || known.suspendedReason === QUOTA_SUSPENSION;
          if (at < 90) expect(own).toBe(false);
          if (at > 100) expect(own).toBe(true);
          if (at > 120) expect(known.suspendedReason).not.toBeNull();
        }
      }),
    );
  });

  it('restrains nobody without a limit, and frees whoever lost theirs', () => {
    fc.assert(
      fc.property(facts, percent, fc.constantFrom(null, undefined, -1), (known, at, limit) => {
        const own = known.readOnlyByQuota || known.suspendedReason === QUOTA_SUSPENSION;
        expect(decideQuota({ bytes: at * MB, limitMb: limit, thresholds, ...known })).toBe(own ? 'lift' : null);
      }),
    );
  });
});

describe('quotaCommandId', () => {
  it('is one per resource, action and minute', () => {
    const id = (measuredAtMs: number) => quotaCommandId({ resourceId: 'r', action: 'lift', measuredAtMs });
    expect(id(60_000)).toBe(id(119_999));
    expect(id(60_000)).not.toBe(id(120_000));
  });
});

describe('commands a day', () => {
  const thresholds = { readOnlyAtPercent: 100, suspendAtPercent: 120, liftBelowPercent: 90 };
  const state = (
    commandsToday: number | null,
    suspendedReason: string | null = null,
    commandsPerDay: number | null = 1000,
  ): QuotaState => ({
    bytes: 0,
    limitMb: null,
    readOnlyByQuota: false,
    suspendedReason,
    commandsToday,
    commandsPerDay,
    thresholds,
  });

  it('suspend above the limit, once, and are lifted by the next day', () => {
    expect(decideQuota(state(1000))).toBeNull();
    expect(decideQuota(state(1001))).toBe('suspend');
    expect(decideQuota(state(1001, QUOTA_SUSPENSION))).toBeNull();
    expect(decideQuota(state(0, QUOTA_SUSPENSION))).toBe('lift');
  });

  it('restrain nobody where they are not counted or not limited, and never touch another suspension', () => {
    expect(decideQuota(state(null))).toBeNull();
    expect(decideQuota(state(1_000_000, null, null))).toBeNull();
    expect(decideQuota(state(1_000_000, null, -1))).toBeNull();
    expect(decideQuota(state(1001, 'abuse'))).toBeNull();
    expect(decideQuota(state(0, 'abuse'))).toBeNull();
  });
});
