// What the client library leaves behind: a connection that the server ended keeps its timer for the next login, and with it the process.
import type { Connection } from '@platformatic/kafka';

interface Connecting {
  on(event: 'client:broker:connect', listener: (payload: { connection: Connection }) => void): unknown;
}

/** To be called before the client connects. */
export function tidied<Client extends Connecting>(client: Client): Client {
  client.on('client:broker:connect', ({ connection }) => {
    // Closing what is closed clears its timer; an error without a listener would end the process.
    const close = () => void connection.close().catch(() => {});
    connection.once('close', close);
    connection.on('error', close);
  });
  return client;
}
