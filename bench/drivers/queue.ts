import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { CONNECT_MS, type KindDriver, required, type Session } from './types';

const STREAM = 'kept';
const STREAM_BYTES = 1024 * 1024;

export const queueDriver: KindDriver = {
  kind: 'queue',
  driver: '@nats-io/transport-node',
  async open({ connection_url, credentials, subject_prefix = '' }) {
    const creds = required(credentials?.creds_file, 'credentials.creds_file');
    const connection = await connect({
      servers: connection_url,
      authenticator: credsAuthenticator(new TextEncoder().encode(creds)),
      timeout: CONNECT_MS,
      reconnect: false,
    });
    connection.closed().catch(() => undefined);
    return sessionOf(connection, subject_prefix);
  },
};

/** A server without credentials: one keeps to one's own prefix because one is told so. */
export const natsOpenDriver: KindDriver = {
  kind: 'queue',
  driver: '@nats-io/transport-node',
  async open({ connection_url, subject_prefix = '' }) {
    const connection = await connect({ servers: connection_url, timeout: CONNECT_MS, reconnect: false });
    connection.closed().catch(() => undefined);
    return sessionOf(connection, subject_prefix);
  },
};

/** An account that was moved from a server without credentials has the names from there. */
function sessionOf(connection: NatsConnection, prefix: string): Session {
  const stream = prefix === '' ? STREAM : `${prefix.replace(/\.$/, '')}_${STREAM}`;
  const subject = `${prefix}kept`;
  return {
    async ping() {
      if (connection.isClosed()) throw new Error('the connection is closed');
      await connection.flush();
    },
    async write(value) {
      const manager = await jetstreamManager(connection);
      await manager.streams.add({ name: stream, subjects: [subject], max_bytes: STREAM_BYTES });
      await jetstream(connection).publish(subject, value);
    },
    async read() {
      const manager = await jetstreamManager(connection);
      const message = await manager.streams.getMessage(stream, { last_by_subj: subject });
      return message?.string() ?? '';
    },
    close: () => connection.close(),
  };
}
