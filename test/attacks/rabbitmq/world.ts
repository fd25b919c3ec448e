// Two tenants of one RabbitMQ, each with a connection and a queue; the attacker knows everything about the victim but its password.
import type { ChannelModel, ConfirmChannel } from 'amqplib';
import type { ProvisionRequest } from '../../../activities/backend';
import { type RabbitmqHarness, startRabbitmqBackend } from '../../providers/rabbitmq/backend-harness';
import { mayHaveRabbitmq } from '../../providers/rabbitmq/server';
import { hangUp, logIn, onChannel, publishKept, QUEUE } from '../../providers/rabbitmq/session';

export type Outcome = 'refused' | { breached: string };

/** As harness makes them. */
export const CONNECTIONS = 5;
export const SECRET = 'of the victim';

export interface Tenant {
  request: ProvisionRequest;
  login: { username: string; password: string };
  url: string;
}

export interface World {
  harness: RabbitmqHarness;
  attacker: Tenant;
  victim: Tenant;
  /** The attacker's own, anew where an attack has cost it. */
  connection(): Promise<ChannelModel>;
  /** A tenant of an attack's own. */
  made(): Promise<Tenant>;
  close(): Promise<void>;
}

export async function openWorld(): Promise<World> {
  if (!mayHaveRabbitmq()) throw new Error('no RabbitMQ here: npm run stack fetch rabbitmq');
  const harness = await startRabbitmqBackend();
  const made = async (): Promise<Tenant> => {
    const request = harness.newRequest(CONNECTIONS);
    await harness.backend.provision(request);
    return { request, login: harness.loginOf(request), url: harness.urlOf(request) };
  };
  const [attacker, victim] = [await made(), await made()];
  const seeding = await logIn(victim.url);
  await onChannel(seeding, (channel) => publishKept(channel, QUEUE, Buffer.from(SECRET)));
  await hangUp(seeding);
  const held: { connection?: ChannelModel } = {};
  const open = async () => {
    const connection = await logIn(attacker.url);
    held.connection = connection;
    connection.on('close', () => {
      if (held.connection === connection) held.connection = undefined;
    });
    return connection;
  };
  return {
    harness,
    attacker,
    victim,
    made,
    connection: async () => held.connection ?? open(),
    async close() {
      if (held.connection) await hangUp(held.connection);
      await harness.close();
    },
  };
}

/** Refused for the reason that it should be; any other proves nothing. */
export async function mustRefuse(attempt: Promise<unknown>, reason: RegExp, breached: string): Promise<Outcome> {
  try {
    await attempt;
  } catch (error) {
    if (reason.test(String(error))) return 'refused';
    throw error;
  }
  return { breached };
}

export const NO = {
  login: /ACCESS_REFUSED|ACCESS-REFUSED/,
  // Past the password, before the vhost is opened; the driver tells no more than that.
  vhost: /Expected ConnectionOpenOk; got <ConnectionClose/,
  limit: /Expected ConnectionOpenOk; got <ConnectionClose|NOT_ALLOWED|NOT-ALLOWED/,
  permission: /ACCESS_REFUSED|ACCESS-REFUSED/,
  absent: /NOT_FOUND|NOT-FOUND/,
  ended: /clos|ended|reset|EPIPE|CONNECTION_FORCED|CONNECTION-FORCED/i,
} as const;

export async function mustNotLogIn(url: string, reason: RegExp = NO.login): Promise<Outcome> {
  const attempt = logIn(url).then(hangUp);
  return mustRefuse(attempt, reason, 'it is let in');
}

/** The attacker's, on a channel of its own. */
export async function asAttacker<T>(world: World, work: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
  return onChannel(await world.connection(), work);
}

/** The victim's own look. */
export async function victimIsIntact({ victim }: World): Promise<Outcome> {
  const connection = await logIn(victim.url);
  try {
    const { messageCount } = await onChannel(connection, async (channel) => channel.checkQueue(QUEUE));
    const message = await onChannel(connection, async (channel) => channel.get(QUEUE));
    if (messageCount === 1 && message !== false && message.content.toString() === SECRET) return 'refused';
    return { breached: `the victim’s queue holds ${messageCount} messages` };
  } finally {
    await hangUp(connection);
  }
}

/** An open connection is of no use any more. */
export async function isEnded(connection: ChannelModel): Promise<boolean> {
  return onChannel(connection, (channel) => publishKept(channel, QUEUE, Buffer.from('late'))).then(
    () => false,
    () => true,
  );
}
