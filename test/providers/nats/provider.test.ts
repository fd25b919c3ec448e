import { connect, credsAuthenticator } from '@nats-io/transport-node';
import { createNatsProvider } from '../../../activities/queue/nats/provider';
import { canHaveNats, session, startNatsServer } from '../../contract/queue-harness';
import { describeQueueProviderContract, type QueueProviderHarness, skipQueueProviderContract } from '../../contract/queueprovider.contract';

/** The tenant's side is what the field's own driver makes of url and creds file, and nothing else. */
async function startNats(): Promise<QueueProviderHarness> {
  const server = await startNatsServer();
  const provider = createNatsProvider({ adminUrlOf: () => server.adminUrl, logger: { info() {}, warn() {}, error: console.error } });
  return {
    provider,
    backendName: 'test',
    open: async (_tenant, _credential, secrets) => {
      const authenticator = credsAuthenticator(new TextEncoder().encode(secrets.creds_file));
      const connection = await connect({ servers: server.url, authenticator, reconnect: false, timeout: 20_000 });
      const { read, write: publish, close } = session(connection);
      return { read, publish, close };
    },
    async close() {
      await provider.close().finally(server.destroy);
    },
  };
}

if (canHaveNats())
  describeQueueProviderContract('nats', { cut: 'server', storage: 'server', connections: 'server', readOnly: 'server' }, startNats);
else skipQueueProviderContract('nats', 'no server');
