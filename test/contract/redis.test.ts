import { describe, jest, test } from '@jest/globals';
import { describeBackendContract } from './backend.contract';
import { redisServerPath, startRedisHarness } from './redis-harness';

jest.setTimeout(60_000);

// Neither caps connections: no plan limits them.
const MODES = { own: { connectionLimit: false }, shared: { connectionLimit: false, emptyHasBytes: false } } as const;

for (const mode of ['own', 'shared'] as const) {
  if (redisServerPath()) describeBackendContract(`redis (${mode})`, () => startRedisHarness(mode), MODES[mode]);
  else describe(`redis (${mode}) keeps the backend contract`, () => test.skip('skipped: no server', () => undefined));
}
