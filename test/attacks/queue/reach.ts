// Getting at the neighbour's messages and at the server's own subjects.
import { jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Attack } from '../attack';
import { all, heard, mustReject, NO, type Outcome, SECRET, STREAM, victimIsWhole, type World } from './world';

const TIMEOUT = { timeout: 1_000 };

export function reachAttacks(world: World): Attack[] {
  return [...listening(world), ...neighboursStream(world), ...system(world), ...detours(world)];
}

function listening({ attacker, victim }: World): Attack[] {
  const speak = async () => {
    victim.connection.publish('greetings', SECRET);
    victim.connection.publish('_INBOX.anything', SECRET);
    await jetstream(victim.connection).publish('orders.2', SECRET);
    await victim.connection.request('nobody', SECRET, TIMEOUT).catch(() => {});
  };
  const hears = (subject: string): Attack => ({
    name: `subscription to ${subject} while the neighbour speaks`,
    run: async () => {
      const messages = (await heard(attacker.connection, subject, speak)).filter((message) => message.includes(SECRET));
      return messages.length === 0 ? 'refused' : { breached: `heard ${messages[0]}` };
    },
  });
  return [hears('>'), hears('orders.>'), hears('_INBOX.>'), hears('$JS.>')];
}

function neighboursStream(world: World): Attack[] {
  const { attacker } = world;
  const onIt = (name: string, work: () => Promise<unknown>): Attack => ({
    name: `the neighbour's stream by name: ${name}`,
    run: async () => all([mustReject(work(), NO.noStream, `${name} was answered`), victimIsWhole(world)]),
  });
  return [
    onIt('info', () => attacker.streams.info(STREAM)),
    onIt('purge', () => attacker.streams.purge(STREAM)),
    onIt('delete', () => attacker.streams.delete(STREAM)),
    onIt('read a message', () => attacker.streams.getMessage(STREAM, { seq: 1 })),
    onIt('make a consumer', () => attacker.manager.consumers.add(STREAM, { durable_name: 'thief' })),
    {
      name: 'list of streams and subjects',
      run: async () => {
        const names: string[] = [];
        for await (const name of attacker.streams.names()) names.push(name);
        return names.includes(STREAM) ? { breached: 'the neighbour’s stream is listed' } : 'refused';
      },
    },
  ];
}

function system(world: World): Attack[] {
  const { attacker, victim, harness } = world;
  const asked = (name: string, subject: string, payload = ''): Attack => ({
    name: `request ${name}`,
    run: async () => {
      const no = subject.startsWith('$SYS') ? NO.permission : NO.nobodyThere;
      const timeout = no === NO.permission ? 20_000 : 1_000;
      return all([mustReject(attacker.connection.request(subject, payload, { timeout }), no, 'the server answered'), victimIsWhole(world)]);
    },
  });
  return [
    {
      name: 'subscription to $SYS.>',
      run: async () => {
        const messages = await heard(attacker.connection, '$SYS.>', async () => {
          await harness.backend.measureAll('test');
          await (await harness.connect(victim.request)).close();
        });
        return messages.length === 0 ? 'refused' : { breached: `heard ${messages[0]}` };
      },
    },
    asked('$SYS.REQ.CLAIMS.UPDATE with its own account', '$SYS.REQ.CLAIMS.UPDATE', attacker.jwt),
    asked('$SYS.REQ.CLAIMS.DELETE', '$SYS.REQ.CLAIMS.DELETE', attacker.jwt),
    asked('$SYS.REQ.CLAIMS.LIST', '$SYS.REQ.CLAIMS.LIST'),
    asked('$SYS.REQ.CLAIMS.PACK', '$SYS.REQ.CLAIMS.PACK'),
    asked('the neighbour’s claims', `$SYS.REQ.ACCOUNT.${victim.accountId}.CLAIMS.LOOKUP`),
    asked('the neighbour’s connections', `$SYS.REQ.ACCOUNT.${victim.accountId}.CONNZ`),
    asked('the neighbour’s streams', `$SYS.REQ.ACCOUNT.${victim.accountId}.JSZ`, '{"streams":true}'),
    asked('the server’s variables', '$SYS.REQ.SERVER.PING.VARZ'),
    asked('the server’s accounts', '$SYS.REQ.SERVER.PING.JSZ', '{"accounts":true}'),
    asked('the server’s subscribers', '$SYS.DEBUG.SUBSCRIBERS', '>'),
    asked('a reload of the server', `$SYS.REQ.SERVER.${attacker.connection.info?.server_id}.RELOAD`),
    asked('the neighbour kicked out', `$SYS.REQ.SERVER.${attacker.connection.info?.server_id}.KICK`, '{"cid":1}'),
    asked('an account purged through JetStream', `$JS.API.ACCOUNT.PURGE.${victim.accountId}`),
    asked('JetStream under the neighbour’s name', `$JS.${victim.accountId}.API.STREAM.NAMES`),
    asked('JetStream of another domain', '$JS.hub.API.STREAM.NAMES'),
  ];
}

/** What the server itself publishes for a tenant is not held back by the tenant's permissions. */
function detours(world: World): Attack[] {
  const { attacker, victim, harness } = world;
  const afterwards = async (name: string): Promise<Outcome> => {
    const names = await harness.backend.list('test');
    const bothThere = [attacker, victim].every(({ request }) => names.includes(request.objectName));
    await attacker.streams.delete(name).catch(() => {});
    return bothThere ? victimIsWhole(world) : { breached: 'an account is gone' };
  };
  const mirrors = (name: string, api: string): Attack => ({
    name,
    run: async () => {
      const external = { api, deliver: `deliver.${victim.accountId}` };
      const mirror = { name: STREAM, external };
      const added = await attacker.streams.add({ name: 'mirror', mirror, max_bytes: 65_536 }).catch(() => null);
      if (added === null) return 'refused';
      await new Promise((resolve) => setTimeout(resolve, 500));
      const { state } = await attacker.streams.info('mirror');
      await attacker.streams.delete('mirror');
      return state.messages === 0 ? 'refused' : { breached: 'the neighbour’s messages were mirrored' };
    },
  });
  return [
    mirrors('a mirror of the neighbour’s stream through its account', `$JS.${victim.accountId}.API`),
    mirrors('a mirror of a stream of that name', '$JS.API'),
    {
      name: 'a stream that republishes into $SYS',
      run: async () => {
        const republish = { src: 'launder', dest: '$SYS.REQ.CLAIMS.DELETE' };
        const added = await attacker.streams
          .add({ name: 'republish', subjects: ['launder'], republish, max_bytes: 65_536 })
          .catch(() => null);
        if (added === null) return 'refused';
        await jetstream(attacker.connection)
          .publish('launder', attacker.jwt, TIMEOUT)
          .catch(() => {});
        return afterwards('republish');
      },
    },
    {
      name: 'a push consumer that delivers into $SYS',
      run: async () => {
        await attacker.streams.add({ name: 'push', subjects: ['push'], max_bytes: 65_536 });
        await jetstream(attacker.connection).publish('push', attacker.jwt);
        const consumer = { durable_name: 'push', deliver_subject: '$SYS.REQ.CLAIMS.UPDATE' };
        await attacker.manager.consumers.add('push', consumer).catch(() => {});
        await quiet(attacker.connection);
        return afterwards('push');
      },
    },
    {
      name: 'a reply subject that is the neighbour’s inbox',
      run: async () => {
        const messages = await heard(victim.connection, '_INBOX.victim.>', async () => {
          attacker.connection.publish('$JS.API.INFO', '', { reply: '_INBOX.victim.1' });
          attacker.connection.publish('_INBOX.victim.2', 'forged');
        });
        return messages.length === 0 ? 'refused' : { breached: 'the neighbour received it' };
      },
    },
  ];
}

async function quiet(connection: NatsConnection): Promise<void> {
  await connection.flush();
  await new Promise((resolve) => setTimeout(resolve, 300));
}
