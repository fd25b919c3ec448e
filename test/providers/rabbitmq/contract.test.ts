// The contracts that every queue provider and every backend keeps, on a real RabbitMQ.
import { createRabbitmqProvider } from '../../../activities/queue/rabbitmq/provider';
import { describeBackendContract } from '../../contract/backend.contract';
import {
  describeQueueProviderContract,
  NOTHING_MINTED,
  type QueueProviderHarness,
  skipQueueProviderContract,
} from '../../contract/queueprovider.contract';
import { startRabbitmqBackend } from './backend-harness';
import { mayHaveRabbitmq, startRabbitmq } from './server';
import { openSession } from './session';

async function startProvider(): Promise<QueueProviderHarness> {
  const server = await startRabbitmq();
  const provider = createRabbitmqProvider({ adminUrlOf: () => server.adminUrl, logger: { info() {}, warn() {}, error: console.error } });
  return {
    provider,
    backendName: 'test',
    open: async ({ objectName }, credential) => {
      const { read, write: publish, close } = await openSession(server.urlOf(credential, objectName));
      return { read, publish, close };
    },
    async close() {
      await provider.close().finally(server.destroy);
    },
  };
}

if (mayHaveRabbitmq()) {
  describeQueueProviderContract(
    'rabbitmq',
    { cut: 'server', storage: 'watchdog', connections: 'server', readOnly: 'server' },
    startProvider,
    {
      cannot: { 'what is minted differs by version and never holds the password': NOTHING_MINTED },
      // What a consumer holds unacknowledged it does not count: rabbitmq.test.ts.
      keeps: ['what is published beyond the storage does not stay', 'limits below what is there let nothing more in'],
    },
  );
  // A vhost without a queue holds no byte.
  describeBackendContract('queue (rabbitmq)', startRabbitmqBackend, { emptyHasBytes: false });
} else skipQueueProviderContract('rabbitmq', 'no server');
