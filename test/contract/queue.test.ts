import { describe, test } from '@jest/globals';
import { describeBackendContract } from './backend.contract';
import { natsIsHere, startQueueHarness } from './queue-harness';

// An account without a stream holds no byte.
if (natsIsHere()) describeBackendContract('queue (nats)', startQueueHarness, { emptyHasBytes: false, killedMakers: true });
else describe('queue (nats) keeps the backend contract', () => test.skip('skipped: no server', () => {}));
