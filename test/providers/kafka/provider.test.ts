import { describeQueueProviderContract, type QueueProviderHarness, skipQueueProviderContract } from '../../contract/queueprovider.contract';
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
      await provider.close();
      await server.destroy();
    },
  };
}

if (kafkaIsHere())
  describeQueueProviderContract('kafka', { cut: 'server', storage: 'watchdog', connections: 'none', readOnly: 'server' }, startKafka);
else skipQueueProviderContract('kafka', 'no server');
