// More than the plan gives. Each attack has a resource of its own: what it fills stays filled.
import { type JetStreamManager, jetstream, StorageType } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { QUEUE_DEFAULTS } from '../../../shared/queueprovider';
import type { Attack } from '../attack';
import { mustReject, NO, type Outcome, sayRaw, type Tenant, type World } from './world';

const MB = 1024 * 1024;
const TIMEOUT = { timeout: 20_000 };
/** Four files of 5 MB, and what is written while one is put aside. */
const LOG_BYTES = 26 * MB;

export function limitAttacks(world: World): Attack[] {
  const attack = (name: string, run: (tenant: Tenant) => Promise<Outcome>): Attack => ({
    name: `over the limit: ${name}`,
    run: async () => {
      const tenant = await world.made();
      try {
        return await run(tenant);
      } finally {
        await tenant.connection.close();
        await world.harness.backend.deprovision(tenant.request);
      }
    },
  });
  return [...streams(attack), ...traffic(world, attack)];
}

type MakeAttack = (name: string, run: (tenant: Tenant) => Promise<Outcome>) => Attack;
const stream = (name: string, max_bytes: number) => ({ name, subjects: [name], max_bytes });

function streams(attack: MakeAttack): Attack[] {
  return [
    attack('a stream larger than the plan', ({ streams: own }) => mustReject(own.add(stream('large', 3 * MB)), NO.limit, 'it was made')),
    attack('streams that are together larger than the plan', async ({ streams: own }) => {
      await own.add(stream('one', 1.5 * MB));
      return mustReject(own.add(stream('two', MB)), NO.limit, 'the second was made');
    }),
    attack('a stream without max_bytes', ({ streams: own }) =>
      mustReject(own.add({ name: 'endless', subjects: ['endless'] }), NO.limit, 'it was made'),
    ),
    attack('a stream grown by update', async ({ streams: own }) => {
      await own.add(stream('grows', MB));
      return mustReject(own.update('grows', { max_bytes: 64 * MB }), NO.limit, 'it grew');
    }),
    attack('a stream restored from a made-up snapshot, larger than the plan', async ({ connection }) => {
      const config = { ...stream('restored', 64 * MB), retention: 'limits', storage: 'file', num_replicas: 1, discard: 'old' };
      const state = { messages: 0, bytes: 0, first_seq: 0, last_seq: 0, consumer_count: 0 };
      const answer = await connection.request('$JS.API.STREAM.RESTORE.restored', JSON.stringify({ config, state }), TIMEOUT);
      const { error } = answer.json<{ error?: { description: string } }>();
      return error && NO.limit.test(error.description) ? 'refused' : { breached: answer.string() };
    }),
    attack('a stream in memory', ({ streams: own }) =>
      mustReject(own.add({ ...stream('memory', 1024), storage: StorageType.Memory }), NO.limit, 'it was made'),
    ),
    attack('one stream too many', async ({ streams: own }) => {
      for (let index = 0; index < QUEUE_DEFAULTS.streams; index += 1) await own.add(stream(`s${index}`, 1024));
      return mustReject(own.add(stream('last', 1024)), NO.limit, 'it was made');
    }),
    attack('one consumer too many', async ({ streams: own, manager }) => {
      await own.add(stream('s', 1024));
      const consumer = (index: number): Promise<unknown> => addConsumer(manager, `c${index}`);
      for (let index = 0; index < QUEUE_DEFAULTS.consumersPerStream; index += 1) await consumer(index);
      return mustReject(consumer(QUEUE_DEFAULTS.consumersPerStream), NO.limit, 'it was made');
    }),
  ];
}

function addConsumer(manager: JetStreamManager, name: string): Promise<unknown> {
  return manager.consumers.add('s', { durable_name: name });
}

function traffic(world: World, attack: MakeAttack): Attack[] {
  return [
    attack('more bytes than fit', async ({ streams: own, connection }) => {
      await own.add(stream('full', MB));
      const chunk = new Uint8Array(64 * 1024);
      const client = jetstream(connection);
      for (let sent = 0; sent < 3 * MB; sent += chunk.length) await client.publish('full', chunk, TIMEOUT);
      const { state } = await own.info('full');
      return state.bytes <= MB ? 'refused' : { breached: `${state.bytes} bytes are kept` };
    }),
    attack('one connection too many', async ({ request }) => {
      const open: NatsConnection[] = [];
      try {
        for (let index = 0; index < 9; index += 1) open.push(await world.harness.connect(request));
        return await mustReject(
          world.harness.connect(request).then((connection) => open.push(connection)),
          NO.connection,
          'the eleventh was let in',
        );
      } finally {
        await Promise.all(open.map((connection) => connection.close()));
      }
    }),
    // The library refuses by itself: told past it, the server must.
    attack('a message larger than allowed', async ({ jwt, seed }) => {
      const size = QUEUE_DEFAULTS.messageBytes + 1;
      const answer = await sayRaw(world.harness.server.url, { jwt, seed }, `PUB any ${size}\r\n${'x'.repeat(size)}\r\nPING\r\n`);
      return /-ERR 'Maximum Payload/.test(answer) ? 'refused' : { breached: answer.slice(-100) };
    }),
    attack('refusals without end, each a line in the server’s log', async ({ jwt, seed }) => {
      const subject = `$SYS.${'x'.repeat(4_000)}`;
      await sayRaw(world.harness.server.url, { jwt, seed }, `PUB ${subject} 0\r\n\r\n`.repeat(12_000));
      const bytes = world.harness.server.logBytes();
      // Less than one file proves nothing.
      return bytes > 5 * MB && bytes <= LOG_BYTES ? 'refused' : { breached: `the log has grown to ${bytes} bytes` };
    }),
    attack('subscriptions without end', async ({ connection }) => {
      for (let index = 0; index < 1_100; index += 1) connection.subscribe(`s.${index}`, { callback: () => {} });
      return mustReject(
        connection.flush().then(
          () =>
            new Promise((resolve, reject) => {
              const heardLast = setTimeout(() => reject(new Error('not heard')), 500);
              connection.subscribe('s.last', {
                callback: () => {
                  clearTimeout(heardLast);
                  resolve(null);
                },
              });
              connection.publish('s.last');
            }),
        ),
        /not heard/,
        'the 1101st subscription hears',
      );
    }),
  ];
}
