// A suite of attacks as one test: each must be refused, and one that proves nothing counts as let through.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import type { Attack, AttackSuite } from './attack';

const ATTACK_MS = 60_000;

/** @param needs false: there is no server to attack */
export function describeAttacks(suite: AttackSuite, options: { atLeast: number; needs?: boolean }): void {
  jest.setTimeout(600_000);
  if (options.needs === false) {
    test.skip(`attacks on ${suite.kind}: skipped: no server`, () => undefined);
    return;
  }
  describe(`attacks on ${suite.kind}`, () => {
    let attacks: Attack[] = [];
    let close = async () => {};

    beforeAll(async () => {
      const opened = await suite.open();
      if ('skipped' in opened) throw new Error(opened.skipped);
      ({ attacks, close } = opened);
    });
    afterAll(() => close());

    test('each is refused', async () => {
      const breaches: string[] = [];
      for (const { name, run } of attacks) {
        const outcome = await Promise.race([
          run().catch((error: unknown) => ({ breached: `proves nothing: ${error}` })),
          sleep(ATTACK_MS, { breached: 'proves nothing: no end' }, { ref: false }),
        ]);
        if (outcome !== 'refused') breaches.push(`${name}: ${outcome.breached}`);
      }
      expect(breaches).toEqual([]);
      expect(attacks.length).toBeGreaterThanOrEqual(options.atLeast);
    });
  });
}
