import { describe, expect, jest, test } from '@jest/globals';
import { redisServerPath } from '../../contract/redis-harness';
import { redisAttacks, sharedRedisAttacks } from './attacks';

jest.setTimeout(600_000);

describe.each([redisAttacks, sharedRedisAttacks])('attacks on $kind', ({ open }) => {
  const whereThereIsOne = redisServerPath() ? test : test.skip;

  whereThereIsOne(redisServerPath() ? 'each is refused' : 'skipped: no server', async () => {
    const opened = await open();
    if ('skipped' in opened) throw new Error(opened.skipped);
    const breaches: string[] = [];
    try {
      for (const { name, run } of opened.attacks) {
        const outcome = await run().catch((error: unknown) => ({ breached: String(error) }));
        if (outcome !== 'refused') breaches.push(`${name}: ${outcome.breached}`);
      }
      expect(opened.attacks.length).toBeGreaterThanOrEqual(60);
    } finally {
      await opened.close();
    }
    expect(breaches).toEqual([]);
  });
});
