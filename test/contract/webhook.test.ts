// Webhook inboxes, with the ring in Postgres and with it in Redis.
import { test } from '@jest/globals';
import { canHaveRedis, startTestRedis } from '../harness/redis';
import { describeBackendContract } from './backend.contract';
import { startWebhookHarness } from './webhook-harness';

// A sender has no connection that could be counted: requests at once and by the minute are limited instead.
const FEATURES = { connectionLimit: false };

describeBackendContract('webhook with the ring in Postgres', () => startWebhookHarness(), FEATURES);

const withRedis = async () => {
  const redis = await startTestRedis();
  const harness = await startWebhookHarness({ redisUrl: redis.url });
  const close = async () => {
    await harness.close();
    await redis.stop();
  };
  return { ...harness, close };
};

if (canHaveRedis()) describeBackendContract('webhook with the ring in Redis', withRedis, FEATURES);
else test.skip('webhook with the ring in Redis: skipped: no server', () => undefined);
