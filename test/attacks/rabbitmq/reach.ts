// Getting at what is another's, or the server's own.
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { hangUp, logIn, onChannel, publish, publishKept, QUEUE } from '../../providers/rabbitmq/session';
import type { Attack } from '../attack';
import { asAttacker, mustNotLogIn, mustRefuse, NO, type Outcome, victimIsIntact, type World } from './world';

export function reachAttacks(world: World): Attack[] {
  return [...logins(world), ...names(world), ...exchanges(world), ...management(world)];
}

function logins({ attacker, victim, harness: { server } }: World): Attack[] {
  const { login } = attacker;
  const refuses = (name: string, url: string, reason: RegExp = NO.login): Attack => ({ name, run: () => mustNotLogIn(url, reason) });
  const { objectName } = attacker.request;
  return [
    refuses('the neighbour’s vhost with one’s own credentials', server.urlOf(login, victim.request.objectName), NO.vhost),
    refuses('the server’s own vhost', server.urlOf(login, '/'), NO.vhost),
    refuses('the neighbour’s user with one’s own password', server.urlOf({ ...victim.login, password: login.password }, objectName)),
    refuses('a wrong password', server.urlOf({ ...login, password: 'wrong' }, objectName)),
    refuses('an empty password', server.urlOf({ ...login, password: '' }, objectName)),
    refuses('guest', server.urlOf({ username: 'guest', password: 'guest' }, objectName)),
    refuses('guest, of the neighbour', server.urlOf({ username: 'guest', password: 'guest' }, victim.request.objectName)),
    refuses('the platform’s user without its password', server.urlOf({ username: 'leasehold', password: 'leasehold' }, objectName)),
    refuses('a version that was never issued', server.urlOf({ ...login, username: `${objectName}_2` }, objectName)),
    { name: 'no credentials at all, by the mechanism ANONYMOUS', run: () => withMechanism(server.admin.amqp, 'ANONYMOUS') },
    { name: 'by the mechanism EXTERNAL', run: () => withMechanism(server.admin.amqp, 'EXTERNAL') },
  ];
}

function names(world: World): Attack[] {
  const { attacker } = world;
  return [
    {
      name: 'a message into the neighbour’s queue over the default exchange',
      run: async () => {
        await asAttacker(world, async (channel) => {
          const returned = new Promise((resolve) => channel.once('return', resolve));
          channel.publish('', QUEUE, Buffer.from('foreign'), { mandatory: true });
          await Promise.race([returned, channel.waitForConfirms().then(() => sleep(200))]);
        });
        return victimIsIntact(world);
      },
    },
    {
      name: 'the neighbour’s queue by its name: read and purged',
      run: async () => {
        const seen = await asAttacker(world, async (channel) => {
          await channel.assertQueue(QUEUE, { durable: true });
          const message = await channel.get(QUEUE);
          await channel.purgeQueue(QUEUE);
          await channel.deleteQueue(QUEUE);
          return message;
        });
        return seen === false ? victimIsIntact(world) : { breached: 'it is read' };
      },
    },
    {
      name: 'a message in the neighbour’s name',
      run: () => {
        const attempt = asAttacker(world, async (channel) => {
          channel.publish('', 'nowhere', Buffer.from('x'), { userId: world.victim.login.username });
          await channel.waitForConfirms();
        });
        return mustRefuse(attempt, /PRECONDITION/, 'the server vouches for it');
      },
    },
    { name: 'an answer to the neighbour’s request, by a forged address', run: () => forgedReply(world) },
    {
      name: 'whether the neighbour’s address for answers is alive, by a forged one',
      run: () =>
        mustRefuse(
          asAttacker(world, async (channel) => channel.checkQueue(`amq.rabbitmq.reply-to.${Buffer.from('forged').toString('base64')}`)),
          NO.absent,
          'it is told',
        ),
    },
    {
      name: 'the neighbour’s exclusive queue',
      run: async () => {
        const theirs = await logIn(world.victim.url);
        await onChannel(theirs, (channel) => channel.assertQueue('mine alone', { exclusive: true }));
        const attempt = asAttacker(world, (channel) => channel.checkQueue('mine alone'));
        const outcome = await mustRefuse(attempt, NO.absent, `${attacker.request.objectName} sees it`);
        await hangUp(theirs);
        return outcome;
      },
    },
  ];
}

/** The victim waits for an answer; the attacker knows all of its address but the random part. */
async function forgedReply(world: World): Promise<Outcome> {
  const theirs = await logIn(world.victim.url);
  try {
    return await onChannel(theirs, async (channel) => {
      const answers: string[] = [];
      await channel.consume('amq.rabbitmq.reply-to', (message) => void answers.push(message?.content.toString() ?? ''), { noAck: true });
      const { queue } = await channel.assertQueue('', { exclusive: true });
      channel.publish('', queue, Buffer.from('request'), { replyTo: 'amq.rabbitmq.reply-to' });
      await channel.waitForConfirms();
      const request = await channel.get(queue, { noAck: true });
      const address = request === false ? '' : String(request.properties.replyTo);
      const key = address.slice(0, address.lastIndexOf('.'));
      await asAttacker(world, async (own) => {
        for (const forged of [`${key}.${Buffer.alloc(16, 7).toString('base64')}`, key])
          await publish(own, '', forged, Buffer.from('forged')).catch(() => {});
      }).catch(() => {});
      await publish(channel, '', address, Buffer.from('true'));
      for (let look = 0; look < 750 && answers.length === 0; look += 1) await sleep(20);
      return answers.join() === 'true' ? 'refused' : { breached: `the victim was answered: ${answers.join()}` };
    });
  } finally {
    await hangUp(theirs);
  }
}

function exchanges(world: World): Attack[] {
  const bound = (exchange: string) =>
    asAttacker(world, async (channel) => {
      const { queue } = await channel.assertQueue('', { exclusive: true });
      await channel.bindQueue(queue, exchange, '#');
    });
  const typed = (type: string): Attack => ({
    name: `an exchange of type ${type}`,
    run: () =>
      mustRefuse(
        asAttacker(world, (channel) => channel.assertExchange('bridge', type)),
        /COMMAND_INVALID|COMMAND-INVALID|unknown exchange type|invalid exchange type/,
        'it is made',
      ),
  });
  return [
    { name: 'the server’s log, over amq.rabbitmq.log', run: () => mustRefuse(bound('amq.rabbitmq.log'), NO.absent, 'it is bound') },
    { name: 'the server’s events, over amq.rabbitmq.event', run: () => mustRefuse(bound('amq.rabbitmq.event'), NO.absent, 'it is bound') },
    {
      name: 'the neighbour’s messages, over amq.rabbitmq.trace',
      run: () =>
        asAttacker(world, async (channel) => {
          const { queue } = await channel.assertQueue('', { exclusive: true });
          await channel.bindQueue(queue, 'amq.rabbitmq.trace', '#');
          const theirs = await logIn(world.victim.url);
          await onChannel(theirs, async (victims) => {
            const own = await victims.assertQueue('', { exclusive: true });
            await publish(victims, '', own.queue, Buffer.from('traced?'));
          });
          await hangUp(theirs);
          const { messageCount } = await channel.checkQueue(queue);
          return messageCount === 0 ? ('refused' as const) : { breached: 'they are traced' };
        }),
    },
    {
      name: 'a message into an internal exchange',
      run: () =>
        mustRefuse(
          asAttacker(world, (channel) => publish(channel, 'amq.rabbitmq.trace', 'publish.x', Buffer.from('x'))),
          NO.permission,
          'it is taken',
        ),
    },
    {
      name: 'a queue named as the server’s own are',
      run: () =>
        mustRefuse(
          asAttacker(world, (channel) => channel.assertQueue('amq.mine')),
          NO.permission,
          'it is made',
        ),
    },
    ...['x-federation-upstream', 'x-event', 'x-modulus-hash'].map(typed),
  ];
}

function management(world: World): Attack[] {
  const { attacker, victim, harness } = world;
  const { management: base } = harness.server.admin;
  const vhost = encodeURIComponent(victim.request.objectName);
  const own = encodeURIComponent(attacker.request.objectName);
  const asks = (name: string, method: string, path: string, body?: unknown): Attack => ({
    name: `management: ${name}`,
    run: async () => {
      const { username, password } = attacker.login;
      const response = await fetch(`${base}/api${path}`, {
        method,
        headers: {
          authorization: `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`,
          'content-type': 'application/json',
        },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
      await response.text();
      return response.status === 401 ? 'refused' : { breached: `it answers ${response.status}` };
    },
  });
  return [
    asks('who am I', 'GET', '/whoami'),
    asks('the server’s overview', 'GET', '/overview'),
    asks('all definitions, with everybody’s password hashes', 'GET', '/definitions'),
    asks('the neighbour’s queues', 'GET', `/queues/${vhost}`),
    asks('the neighbour’s messages', 'POST', `/queues/${vhost}/${QUEUE}/get`, { count: 1, ackmode: 'ack_requeue_true', encoding: 'auto' }),
    asks('a right in the neighbour’s vhost', 'PUT', `/permissions/${vhost}/${attacker.login.username}`, {
      configure: '.*',
      write: '.*',
      read: '.*',
    }),
    asks('a further user', 'PUT', '/users/further', { password: 'x', tags: 'administrator' }),
    asks('a tag of one’s own', 'PUT', `/users/${attacker.login.username}`, { password: 'x', tags: 'administrator' }),
    asks('more connections', 'PUT', `/vhost-limits/${own}/max-connections`, { value: 1000 }),
    asks('no more limit of bytes, by a policy', 'PUT', `/policies/${own}/leasehold`, {
      pattern: '.*',
      definition: { 'max-length-bytes': 1e12 },
      priority: 100,
    }),
    asks('no operator policy', 'DELETE', `/operator-policies/${own}/leasehold`),
    asks('a shovel out of the neighbour’s vhost', 'PUT', `/parameters/shovel/${vhost}/out`, { value: {} }),
    asks('a trace of the neighbour', 'PUT', `/vhosts/${vhost}`, { tracing: true }),
    asks('the neighbour’s connections, closed', 'DELETE', `/connections/username/${victim.login.username}`),
    {
      name: 'management: without credentials',
      run: async () => {
        const statuses = await Promise.all(
          ['/overview', '/vhosts', '/users'].map(async (path) => (await fetch(`${base}/api${path}`)).status),
        );
        return statuses.every((status) => status === 401) ? 'refused' : { breached: `it answers ${statuses}` };
      },
    },
    {
      name: 'what was kept by the victim, after all that',
      run: async () => {
        await asAttacker(world, (channel) => publishKept(channel, 'own', Buffer.from('alive')));
        return victimIsIntact(world);
      },
    },
  ];
}

/** Past the library: after the greeting a start-ok with that mechanism. Refused is a connection.close or a hang-up. */
function withMechanism(amqp: string, mechanism: string): Promise<Outcome> {
  const { hostname: host, port } = new URL(amqp);
  const short = (text: string) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
  const payload = Buffer.concat([Buffer.from([0, 10, 0, 11, 0, 0, 0, 0]), short(mechanism), Buffer.alloc(4), short('en_US')]);
  const frame = Buffer.concat([Buffer.from([1, 0, 0, 0, 0, 0, payload.length]), payload, Buffer.from([0xce])]);
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port: Number(port) });
    let greeted = false;
    socket.setTimeout(15_000, () => reject(new Error('no answer')));
    socket.on('error', reject);
    socket.once('connect', () => socket.write(Buffer.from('AMQP\0\0\x09\x01', 'latin1')));
    socket.on('close', () => resolve('refused'));
    socket.on('data', (chunk: Buffer) => {
      if (!greeted) {
        greeted = true;
        socket.write(frame);
        return;
      }
      // connection.tune would be 10, 30.
      const isTuned = chunk.readUInt16BE(7) === 10 && chunk.readUInt16BE(9) === 30;
      socket.destroy();
      resolve(isTuned ? { breached: 'it is let in' } : 'refused');
    });
  });
}
