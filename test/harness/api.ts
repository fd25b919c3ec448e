// The real api over the test's own database, listening on a port of its own.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import { createApp } from '../../api/app';
import { loadConfig } from '../../api/config';
import { attachSockets } from '../../api/http/upgrade';
import { type WiredApi, wireApi } from '../../api/wiring';
import { Environment } from '../../shared/config';
import { createLogger } from '../../shared/logctx';
import type { TestDatabase } from './database';
import { TEST_KEYRING } from './lifecycle';
import { temporalAddress } from './servers';

export interface RunningApi {
  url: string;
  api: WiredApi;
  logged: string[];
  stop: () => Promise<void>;
}

export async function startApi(
  database: Pick<TestDatabase, 'appUrl' | 'backendName'>,
  options: { namespace?: string; env?: Record<string, string> } = {},
): Promise<RunningApi> {
  const env = new Environment({
    LEASEHOLD_DATABASE_URL: database.appUrl,
    LEASEHOLD_TEMPORAL_ADDRESS: temporalAddress(),
    LEASEHOLD_TEMPORAL_NAMESPACE: options.namespace ?? 'leasehold',
    LEASEHOLD_KEYRING: TEST_KEYRING,
    LEASEHOLD_JWT_KEYS: TEST_KEYRING,
    LEASEHOLD_POSTGRES_TENANTS_ADMIN_URL: 'postgres://tenants.test:5432/postgres',
    ...options.env,
  });
  const logged: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      logged.push(String(chunk));
      done();
    },
  });
  const api = wireApi(loadConfig(env), env, createLogger({ process: 'api', level: 'info', stream }));
  const app = createApp(api.deps);
  const server = createServer(app);
  attachSockets(server, app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    api,
    logged,
    async stop() {
      api.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await api.close();
    },
  };
}
