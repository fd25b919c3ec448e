// The platform's way into a server that anybody is let into.
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { AuthorizationError, connect, type NatsConnection } from '@nats-io/transport-node';
import { ProviderMisconfigured, ProviderUnavailable, redactUrls } from '../../errors';

const CONNECT_TIMEOUT_MS = 5_000;
const REQUEST_TIMEOUT_MS = 10_000;
const PING_INTERVAL_MS = 10_000;

export interface OpenServer {
  connection: NatsConnection;
  manager: JetStreamManager;
}

/** `nats://[user:password@]host:port`; user and password for a server that keeps its own people out in another way. */
function parseOpenUrl(backendName: string, text: string): { server: string; user?: string; pass?: string } {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || !['nats:', 'tls:'].includes(url.protocol) || url.hostname === '')
    throw new ProviderMisconfigured(`${backendName}: the admin url must be nats://host:port or tls://host:port`);
  const server = `${url.protocol}//${url.hostname}:${url.port || '4222'}`;
  return url.username === '' ? { server } : { server, user: decodeURIComponent(url.username), pass: decodeURIComponent(url.password) };
}

/** It does not reconnect: what a lost connection could not send must not arrive later. */
export async function openOpenServer(backendName: string, adminUrl: string): Promise<OpenServer> {
  const { server, ...login } = parseOpenUrl(backendName, adminUrl);
  try {
    const connection = await connect({
      servers: server,
      name: 'leasehold',
      reconnect: false,
      timeout: CONNECT_TIMEOUT_MS,
      pingInterval: PING_INTERVAL_MS,
      ignoreClusterUpdates: true,
      ...login,
      ...(server.startsWith('tls:') ? { tls: {} } : {}),
    });
    return { connection, manager: await jetstreamManager(connection, { checkAPI: false, timeout: REQUEST_TIMEOUT_MS }) };
  } catch (error) {
    if (error instanceof AuthorizationError)
      throw new ProviderMisconfigured(
        `${backendName}: the server asks for credentials, so it is not an open one: give it auth_mode isolated, or user and password in the admin url`,
      );
    throw new ProviderUnavailable(
      `${backendName}: no connection to ${server}: ${redactUrls(error instanceof Error ? error.message : 'unknown')}`,
    );
  }
}
