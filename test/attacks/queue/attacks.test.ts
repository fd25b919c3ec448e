import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { natsIsHere } from '../../contract/queue-harness';
import type { Attack } from '../attack';
import { queueAttacks } from './attacks';

const ATTACK_MS = 20_000;

if (!natsIsHere()) describe('attacks on queues', () => test.skip('skipped: no server', () => {}));
else {
  describe('attacks on queues', () => {
    let attacks: Attack[] = [];
    let close = async () => {};

    beforeAll(async () => {
      const opened = await queueAttacks.open();
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
      expect(attacks.length).toBeGreaterThan(40);
    });
  });
}
