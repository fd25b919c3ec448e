import {
  describeQueueProviderContract,
  NOTHING_MINTED,
  type QueueProviderHarness,
  skipQueueProviderContract,
} from '../../contract/queueprovider.contract';
import { kafkaIsHere, kafkaProvider, kafkaSession, startKafkaServer } from './harness';

/** The tenant's side is what the field's own driver makes of server, user and password, and nothing else. */
async function startKafka(): Promise<QueueProviderHarness> {
  const server = await startKafkaServer();
  const provider = kafkaProvider(server);
  return {
    provider,
    backendName: 'test',
    async open({ objectName }, { username, password }) {
      const session = await kafkaSession({ bootstrapServers: server.bootstrapServers, prefix: `${objectName}.`, username, password });
      return { publish: session.write, read: session.read, close: session.close };
    },
    async close() {
      await provider.close().finally(server.destroy);
    },
  };
}

if (kafkaIsHere())
  describeQueueProviderContract('kafka', { cut: 'server', storage: 'watchdog', connections: 'none', readOnly: 'server' }, startKafka, {
    cannot: { 'what is minted differs by version and never holds the password': NOTHING_MINTED },
  });
else skipQueueProviderContract('kafka', 'no server');
