import { describe, test } from '@jest/globals';
import { describeBackendContract } from '../../contract/backend.contract';
import { kafkaIsHere, startKafkaHarness } from './harness';

// Kafka knows no limit of connections for a user, and a tenant without a topic holds no byte.
if (kafkaIsHere()) describeBackendContract('queue (kafka)', startKafkaHarness, { connectionLimit: false, emptyHasBytes: false });
else describe('queue (kafka) keeps the backend contract', () => test.skip('skipped: no server', () => {}));
