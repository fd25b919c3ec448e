// A tenant's client by the field's own driver, and one queue in which it keeps what it is told.
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';

export const QUEUE = 'kept';
const CONNECT_MS = 10_000;

export interface AmqpSession {
  connection: ChannelModel;
  write(value: string, queue?: string): Promise<void>;
  /** Everything that waits in the queue, in order; it waits there still. */
  read(): Promise<string[]>;
  close(): Promise<void>;
}

/** Nothing reconnects: a session that was ended must be seen to be. */
export async function logIn(url: string): Promise<ChannelModel> {
  const connection = await connect(url, { timeout: CONNECT_MS });
  // Without a listener an ended connection would end the process.
  connection.on('error', () => {});
  return connection;
}

export async function openSession(url: string): Promise<AmqpSession> {
  const connection = await logIn(url);
  return {
    connection,
    write: (value, queue = QUEUE) => onChannel(connection, (channel) => publishKept(channel, queue, Buffer.from(value))),
    read: () => onChannel(connection, readAll),
    close: () => hangUp(connection),
  };
}

export async function hangUp(connection: ChannelModel): Promise<void> {
  // Ended already: that is what was wanted.
  await connection.close().catch(() => {});
}

/** A channel of its own for each work: whatever is refused closes it. */
export async function onChannel<T>(connection: ChannelModel, work: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
  const channel = await connection.createConfirmChannel();
  let refusal: unknown;
  const onConnectionError = (error: unknown) => {
    refusal = error;
  };
  // Some refusals end the whole connection.
  connection.once('error', onConnectionError);
  const closed = new Promise<never>((_, reject) => {
    channel.on('error', (error) => {
      refusal = error;
    });
    channel.on('close', () => reject(refusal ?? new Error('the channel was closed')));
  });
  closed.catch(() => {});
  try {
    return await Promise.race([work(channel), closed]);
  } catch (error) {
    throw refusal ?? error;
  } finally {
    connection.off('error', onConnectionError);
    await Promise.resolve()
      .then(() => channel.close())
      .catch(() => {});
  }
}

/** Resolves once the server has it on disk, rejects when it takes it not. */
export async function publishKept(channel: ConfirmChannel, queue: string, body: Buffer): Promise<void> {
  await channel.assertQueue(queue, { durable: true });
  await publish(channel, '', queue, body);
}

export function publish(channel: ConfirmChannel, exchange: string, key: string, body: Buffer, headers = {}): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.publish(exchange, key, body, { persistent: true, headers }, (error: unknown) => (error ? reject(error) : resolve()));
  });
}

async function readAll(channel: ConfirmChannel): Promise<string[]> {
  const values: string[] = [];
  await channel.assertQueue(QUEUE, { durable: true });
  for (;;) {
    const message = await channel.get(QUEUE);
    if (message === false) return values;
    values.push(message.content.toString('utf8'));
  }
}
