// A queue on RabbitMQ, used as its users do: by its url alone.
import { type ChannelModel, type ConfirmChannel, connect } from 'amqplib';
import { CONNECT_MS, type KindDriver } from './types';

const QUEUE = 'kept';

export const rabbitmqDriver: KindDriver = {
  kind: 'queue',
  driver: 'amqplib',
  async open({ connection_url }) {
    const connection = await connect(connection_url, { timeout: CONNECT_MS });
    // Without a listener an ended connection would end the process.
    connection.on('error', () => undefined);
    return {
      ping: () => onChannel(connection, async () => undefined),
      write: (value) =>
        onChannel(connection, async (channel) => {
          await channel.assertQueue(QUEUE, { durable: true });
          channel.sendToQueue(QUEUE, Buffer.from(value), { persistent: true });
          await channel.waitForConfirms();
        }),
      read: () => onChannel(connection, lastOf),
      async close() {
        // Ended already: that is what is wanted.
        await connection.close().catch(() => undefined);
      },
    };
  },
};

/** A channel of its own for each work: whatever is refused closes it. */
async function onChannel<T>(connection: ChannelModel, work: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => undefined);
  try {
    return await work(channel);
  } finally {
    await Promise.resolve()
      .then(() => channel.close())
      .catch(() => undefined);
  }
}

/** Without an acknowledgement everything waits there still. */
async function lastOf(channel: ConfirmChannel): Promise<string> {
  await channel.assertQueue(QUEUE, { durable: true });
  for (let last = ''; ; ) {
    const message = await channel.get(QUEUE);
    if (message === false) return last;
    last = message.content.toString('utf8');
  }
}
