// More than one has: of connections, channels, queues, bytes and the server's memory.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChannelModel } from 'amqplib';
import { queueLimits, queueShare } from '../../../shared/queueprovider';
import { hangUp, logIn, onChannel, publish } from '../../providers/rabbitmq/session';
import type { Attack } from '../attack';
import { CONNECTIONS, mustRefuse, NO, type Outcome, type Tenant, type World } from './world';

const STORAGE_BYTES = 8 * 1024 * 1024;
const { streams: QUEUES } = queueLimits({});
const SHARE = queueShare({ storageBytes: STORAGE_BYTES, queues: QUEUES });
const BODY = Buffer.alloc(100_000, 1);
const COUNTED_WITHIN_MS = 10_000;

export function limitAttacks(world: World): Attack[] {
  const attack = (name: string, run: (tenant: Tenant, connection: ChannelModel) => Promise<Outcome>): Attack => ({
    name,
    run: async () => {
      const tenant = await world.made();
      const connection = await logIn(tenant.url);
      try {
        return await run(tenant, connection);
      } finally {
        await hangUp(connection);
        await world.harness.backend.deprovision(tenant.request);
      }
    },
  });
  return [
    attack('one connection more', async ({ url }) => {
      const held: ChannelModel[] = [];
      for (let index = 1; index < CONNECTIONS; index += 1) held.push(await logIn(url));
      const outcome = await nobodyMore(url, 'it is let in');
      for (const connection of held) await hangUp(connection);
      return outcome;
    }),
    attack('thirty connections at once, and then one more', async ({ url }) => {
      // Counted a moment after they are let in: some of those that come at once get through, and nobody after them.
      const opened = await Promise.all(Array.from({ length: 30 }, () => logIn(url).catch(() => null)));
      const held = opened.filter((connection) => connection !== null);
      if (held.length === 30) return { breached: 'all are let in' };
      const outcome = await nobodyMore(url, `one more is let in, beside ${held.length}`);
      for (const connection of held) await hangUp(connection);
      return outcome;
    }),
    attack('channels without end', async (_tenant, connection) => {
      const open = async () => {
        for (let index = 0; index <= CONNECTIONS * 10; index += 1) await connection.createChannel();
      };
      return mustRefuse(open(), NO.ended, 'it has more than it should');
    }),
    ...(['durable', 'exclusive', 'autoDelete'] as const).map((kind) =>
      attack(`one queue more, ${kind}`, (_tenant, connection) => {
        const making = onChannel(connection, async (channel) => {
          for (let index = 0; index <= QUEUES; index += 1) await channel.assertQueue(`q${index}`, { [kind]: true });
        });
        return mustRefuse(making, /PRECONDITION|limit/, 'it is made');
      }),
    ),
    ...byteAttacks(attack),
    attack('a message of more than a megabyte', (_tenant, connection) => {
      const sending = onChannel(connection, async (channel) => {
        await channel.assertQueue('large');
        await publish(channel, '', 'large', Buffer.alloc(1024 * 1024 + 1));
      });
      return mustRefuse(sending, /PRECONDITION|larger than/, 'it is taken');
    }),
    attack('a small message with large headers', async (_tenant, connection) => {
      const sending = onChannel(connection, async (channel) => {
        await channel.assertQueue('headers');
        await publish(channel, '', 'headers', Buffer.from('x'), { padding: 'x'.repeat(20_000) });
      });
      return mustRefuse(sending, /frame|FRAME|clos|RangeError/i, 'they are taken');
    }),
    ...['quorum', 'stream'].map((type) =>
      attack(`a queue of type ${type}, whose log outgrows every limit`, (_tenant, connection) => {
        const making = onChannel(connection, (channel) =>
          channel.assertQueue('large', { durable: true, arguments: { 'x-queue-type': type } }),
        );
        return mustRefuse(making, /INTERNAL_ERROR|INTERNAL-ERROR|feature flag|ended|clos/, 'it is made');
      }),
    ),
  ];
}

/** The server counts a connection a moment after it has let it in, so who comes within that moment gets through; after it nobody does. */
async function nobodyMore(url: string, breached: string): Promise<Outcome> {
  for (const endsAtMs = Date.now() + COUNTED_WITHIN_MS; ; ) {
    const outcome = await mustRefuse(logIn(url).then(hangUp), NO.limit, breached);
    if (outcome === 'refused' || Date.now() > endsAtMs) return outcome;
    await sleep(100);
  }
}

type MakeAttack = (name: string, run: (tenant: Tenant, connection: ChannelModel) => Promise<Outcome>) => Attack;

/** Whatever a queue says of itself, it holds no more than its share. */
function byteAttacks(attack: MakeAttack): Attack[] {
  const fills = (name: string, given: Record<string, unknown>, options: { durable?: boolean; isDropping?: boolean } = {}): Attack =>
    attack(name, async (_tenant, connection) =>
      onChannel(connection, async (channel) => {
        await channel.assertQueue('full', { durable: options.durable ?? true, arguments: given });
        let taken = 0;
        for (let index = 0; index < 20; index += 1)
          await publish(channel, '', 'full', BODY).then(
            () => {
              taken += 1;
            },
            () => {},
          );
        const { messageCount } = await channel.checkQueue('full');
        const isOver = messageCount * BODY.length > (SHARE?.maxLengthBytes ?? 0);
        if (isOver || messageCount === 0) return { breached: `it holds ${messageCount} of 20` };
        if (!options.isDropping && taken !== messageCount) return { breached: `${taken} were confirmed, ${messageCount} are there` };
        return 'refused';
      }),
    );
  return [
    fills('more bytes than a queue’s share', {}),
    fills('more bytes, in a queue that is not durable', {}, { durable: false }),
    fills('more bytes, by x-max-length-bytes of the queue’s own', { 'x-max-length-bytes': 1_000_000_000 }),
    fills('more bytes, by x-overflow drop-head', { 'x-overflow': 'drop-head' }, { isDropping: true }),
    fills('more bytes, by x-overflow reject-publish-dlx to itself', {
      'x-overflow': 'reject-publish-dlx',
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': 'full',
    }),
    fills('more bytes, in a queue with priorities', { 'x-max-priority': 10 }),
    attack('more messages than a queue’s share, each empty', async (_tenant, connection) =>
      onChannel(connection, async (channel) => {
        await channel.assertQueue('empty');
        const most = SHARE?.maxLength ?? 0;
        const sent = Array.from({ length: most + 50 }, () => publish(channel, '', 'empty', Buffer.alloc(0)));
        const refused = (await Promise.allSettled(sent)).filter(({ status }) => status === 'rejected').length;
        const { messageCount } = await channel.checkQueue('empty');
        return messageCount <= most && refused >= 50 ? 'refused' : { breached: `it holds ${messageCount}, ${refused} were refused` };
      }),
    ),
  ];
}
