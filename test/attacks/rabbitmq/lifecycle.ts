// Staying in: with an old connection held open, or with credentials that ended.
import { setTimeout as sleep } from 'node:timers/promises';
import type { ChannelModel } from 'amqplib';
import { hangUp, logIn, onChannel, publish, publishKept, QUEUE } from '../../providers/rabbitmq/session';
import type { Attack } from '../attack';
import { isEnded, mustNotLogIn, mustRefuse, NO, type Outcome, type Tenant, type World } from './world';

const OUT = new RegExp(`${NO.login.source}|${NO.vhost.source}`);

export function lifecycleAttacks(world: World): Attack[] {
  const { backend } = world.harness;
  const attack = (name: string, run: (tenant: Tenant, held: ChannelModel) => Promise<Outcome>): Attack => ({
    name,
    run: async () => {
      const tenant = await world.made();
      const held = await logIn(tenant.url);
      await onChannel(held, (channel) => publishKept(channel, QUEUE, Buffer.from('kept')));
      try {
        return await run(tenant, held);
      } finally {
        await hangUp(held);
        await backend.deprovision(tenant.request);
      }
    },
  });
  const out = async (tenant: Tenant, held: ChannelModel): Promise<Outcome> => {
    if (!(await isEnded(held))) return { breached: 'the old connection lives' };
    return mustNotLogIn(tenant.url, OUT);
  };
  const rotated = async ({ request }: Tenant) => {
    await backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
    await backend.retireCredential({ ...request, credentialVersion: 2, retireVersion: 1 });
  };
  return [
    attack('suspended, with a connection held open', async (tenant, held) => {
      await backend.cut(tenant.request);
      return out(tenant, held);
    }),
    attack('suspended, a moment after it has connected', async (tenant, held) => {
      const [late] = await Promise.all([logIn(tenant.url).catch(() => null), backend.cut(tenant.request)]);
      if (late !== null && !(await isEnded(late))) return { breached: 'the new connection lives' };
      return out(tenant, held);
    }),
    attack('suspended, while it connects without pause', (tenant) => hammered(tenant, () => backend.cut(tenant.request))),
    attack('suspended, with a consumer that has stopped reading', (tenant, held) => deaf(world, tenant, held)),
    attack('suspended, while it publishes', async (tenant, held) => {
      let isCut = false;
      let late = 0;
      const publishing = onChannel(held, async (channel) => {
        for (;;) {
          // One that was sent before may be confirmed before as well, and be heard of afterwards.
          const isLate = isCut;
          await publish(channel, '', QUEUE, Buffer.from('more'));
          if (isLate) late += 1;
        }
      }).catch(() => {});
      await backend.cut(tenant.request);
      isCut = true;
      await Promise.race([publishing, sleep(2_000)]);
      if (late > 0) return { breached: `${late} were taken after the cut` };
      return out(tenant, held);
    }),
    attack('rotated and retired, with a connection held open', async (tenant, held) => {
      await rotated(tenant);
      return out(tenant, held);
    }),
    attack('rotated and retired, then suspended and resumed', async (tenant, held) => {
      await rotated(tenant);
      await backend.cut(tenant.request);
      await backend.restore({ ...tenant.request, credentialVersion: 2 });
      return out(tenant, held);
    }),
    attack('deleted, with a connection held open that publishes', async (tenant, held) => {
      await backend.deprovision(tenant.request);
      return out(tenant, held);
    }),
    attack('deleted, while it connects without pause', (tenant) => hammered(tenant, () => backend.deprovision(tenant.request))),
    attack('deleted, while it makes queues without pause: its folder', async (tenant, held) => {
      const making = onChannel(held, async (channel) => {
        for (let index = 0; ; index = (index + 1) % 5) {
          await publishKept(channel, `n${index}`, Buffer.alloc(1_000));
          await channel.deleteQueue(`n${index}`);
        }
      }).catch(() => {});
      await sleep(50);
      await backend.deprovision(tenant.request);
      await making;
      // Those of attacker and victim; what is deleted last goes a moment later.
      const count = () => world.harness.server.vhostFolders().length;
      for (const endsAtMs = Date.now() + 15_000; count() !== 2 && Date.now() < endsAtMs; ) await sleep(50);
      const folders = count();
      return folders === 2 ? 'refused' : { breached: `${folders} vhosts are on disk` };
    }),
    attack('deleted and made again under the same name: the old messages', async (tenant) => {
      await backend.deprovision(tenant.request);
      await backend.provision(tenant.request);
      const again = await logIn(tenant.url);
      const attempt = onChannel(again, (channel) => channel.checkQueue(QUEUE));
      const outcome = await mustRefuse(attempt, NO.absent, 'they came back');
      await hangUp(again);
      return outcome;
    }),
    ...readOnlyAttacks(world, attack),
  ];
}

type MakeAttack = (name: string, run: (tenant: Tenant, held: ChannelModel) => Promise<Outcome>) => Attack;

function readOnlyAttacks({ harness: { backend } }: World, attack: MakeAttack): Attack[] {
  const refused = async (tenant: Tenant, exchange: string, key: string): Promise<Outcome> => {
    const reader = await logIn(tenant.url);
    try {
      const sending = onChannel(reader, (channel) => publish(channel, exchange, key, Buffer.from('more')));
      const outcome = await mustRefuse(sending, NO.permission, 'it is taken');
      const message = await onChannel(reader, (channel) => channel.get(QUEUE));
      return message !== false && message.content.toString() === 'kept' ? outcome : { breached: 'what was there cannot be read' };
    } finally {
      await hangUp(reader);
    }
  };
  return [
    attack('read-only: a message', async (tenant) => {
      await backend.setReadOnly({ ...tenant.request, readOnly: true });
      return refused(tenant, '', QUEUE);
    }),
    attack('read-only: a message over an exchange that was bound before', async (tenant, held) => {
      await onChannel(held, (channel) => channel.bindQueue(QUEUE, 'amq.fanout', ''));
      await backend.setReadOnly({ ...tenant.request, readOnly: true });
      return refused(tenant, 'amq.fanout', '');
    }),
    attack('read-only: a message on a channel that was opened before and has published', async (tenant, held) => {
      const channel = await held.createConfirmChannel();
      channel.on('error', () => {});
      await publish(channel, '', QUEUE, Buffer.from('before'));
      await backend.setReadOnly({ ...tenant.request, readOnly: true });
      return mustRefuse(
        Promise.resolve().then(() => publish(channel, '', QUEUE, Buffer.from('more'))),
        NO.ended,
        'it is taken',
      );
    }),
  ];
}

/** New connections as fast as they come, while the access is taken away: none may be of use afterwards. */
async function hammered(tenant: Tenant, takeAway: () => Promise<void>): Promise<Outcome> {
  let over = false;
  const opened: ChannelModel[] = [];
  const knock = async () => {
    while (!over) {
      const connection = await logIn(tenant.url).catch(() => null);
      if (connection !== null) opened.push(connection);
    }
  };
  const knocking = [knock(), knock(), knock()];
  await sleep(100);
  await takeAway();
  over = true;
  await Promise.all(knocking);
  for (const connection of opened) if (!(await isEnded(connection))) return { breached: 'a connection came through' };
  return 'refused';
}

/** The server's words do not get through to it; it must not be able to keep the platform from ending it, nor to go on afterwards. */
async function deaf(world: World, tenant: Tenant, held: ChannelModel): Promise<Outcome> {
  const { backend } = world.harness;
  const deafened = await logIn(tenant.url);
  const channel = await deafened.createChannel();
  channel.on('error', () => {});
  await onChannel(held, async (own) => {
    for (let index = 0; index < 4; index += 1) await publishKept(own, QUEUE, Buffer.alloc(150_000));
  });
  // No public name for it: the driver's own socket.
  const { stream } = (deafened as unknown as { connection: { stream: { pause(): void; resume(): void } } }).connection;
  for (let index = 0; index < 20; index += 1) channel.consume(QUEUE, () => {}).catch(() => {});
  stream.pause();
  await sleep(200);
  await backend.cut(tenant.request);
  stream.resume();
  const outcome = (await isEnded(deafened)) ? await mustNotLogIn(tenant.url, OUT) : { breached: 'it lives' };
  await hangUp(deafened);
  return outcome;
}
