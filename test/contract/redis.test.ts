import { describe, expect, test } from '@jest/globals';
import type { ProvisionRequest } from '../../activities/backend';
import { sizedTemplate } from '../../activities/templates';
import { describeBackendContract } from './backend.contract';
import { redisServerPath, startRedisHarness } from './redis-harness';

// Neither caps connections: no plan limits them.
const MODES = {
  own: { connectionLimit: false, warmTemplate: ({ limits }: ProvisionRequest) => sizedTemplate('memoryMb', limits) },
  shared: { connectionLimit: false, emptyHasBytes: false },
} as const;

for (const mode of ['own', 'shared'] as const) {
  if (redisServerPath()) describeBackendContract(`redis (${mode})`, () => startRedisHarness(mode), MODES[mode]);
  else describe(`redis (${mode}) keeps the backend contract`, () => test.skip('skipped: no server', () => undefined));
}

const whereServed = redisServerPath() ? describe : describe.skip;
whereServed(`redis, items of the warm pool${redisServerPath() ? '' : ' (skipped: no server)'}`, () => {
  test('answer on their port, and let nobody in', async () => {
    const harness = await startRedisHarness('own');
    try {
      const request = harness.newRequest();
      const { backendName, objectName, resourceId } = request;
      await harness.backend.createWarmItem?.({ backendName, objectName, template: sizedTemplate('memoryMb', request.limits) ?? '' });
      const port = await harness.host?.processes.portFor(objectName);
      const password = harness.passwordOf(resourceId, 1);
      for (const username of [`${objectName}_1`, 'default', 'platform'])
        await expect(harness.client(request, { port, username, password })).rejects.toThrow('WRONGPASS');
      await harness.backend.claimWarm(request);
      expect(harness.detailsOf(resourceId)).toEqual({ port });
      await (await harness.open(request)).close();
    } finally {
      for (const objectName of await harness.backend.list('test')) await harness.backend.destroyOrphan({ backendName: 'test', objectName });
      await harness.close();
    }
  });
});
