// Two tenants on one NATS server, and the words in which an attack is told.
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { KeyPair } from '@nats-io/jwt';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { ProvisionRequest } from '../../../activities/backend';
import { Nkey, natsAccountId } from '../../../shared/queueprovider';
import { type QueueHarness, startQueueHarness } from '../../contract/queue-harness';
import type { Attack } from '../attack';

export type Outcome = Awaited<ReturnType<Attack['run']>>;

export interface Tenant {
  request: ProvisionRequest;
  accountId: string;
  jwt: string;
  seed: string;
  connection: NatsConnection;
  streams: JetStreamManager['streams'];
  manager: JetStreamManager;
}

export interface World {
  harness: QueueHarness;
  attacker: Tenant;
  victim: Tenant;
  /** A further resource, made for one attack. */
  made(limits?: ProvisionRequest['limits']): Promise<Tenant>;
  close(): Promise<void>;
}

export const SECRET = 'a secret of the victim';
export const STREAM = 'orders';
const LOOK_MS = 300;

export async function openWorld(): Promise<World> {
  const harness = await startQueueHarness();
  const made: World['made'] = async (limits = { connections: 10, storageMb: 2 }) => {
    const request = { ...harness.newRequest(), limits };
    await harness.backend.provision(request);
    return tenantOf(harness, request);
  };
  const [attacker, victim] = [await made(), await made()];
  await victim.streams.add({ name: STREAM, subjects: ['orders.>'], max_bytes: 1024 * 1024 });
  await jetstream(victim.connection).publish('orders.1', SECRET);
  return {
    harness,
    attacker,
    victim,
    made,
    async close() {
      await Promise.all([attacker.connection.close(), victim.connection.close()]);
      await harness.close();
    },
  };
}

export async function tenantOf(harness: QueueHarness, request: ProvisionRequest, version = 1): Promise<Tenant> {
  const connection = await harness.connect(request, version);
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: 20_000 });
  const { nats_jwt: jwt = '', nats_nkey: seed = '' } = harness.issuedOf(request, version);
  return { request, accountId: natsAccountId(request.objectName), jwt, seed, connection, manager, streams: manager.streams };
}

/** How the server, or the client on its behalf, says no. Any other error proves nothing. */
export const NO = {
  permission: /Permissions Violation/,
  nobodyThere: /no responders|timeout/,
  noStream: /stream not found/,
  login: /Authorization Violation|authentication revoked/i,
  limit: /exceed|maximum|insufficient|to have max bytes/i,
  closed: /closed connection/,
  /** Told by the limit of connections, or hung up on before that was read. */
  connection: /maximum account active connections|ECONNRESET|EPIPE|closed/,
} as const;

/** What must be rejected, and how. `breached` says what it means that it was not. */
export async function mustReject(work: Promise<unknown>, no: RegExp, breached: string): Promise<Outcome> {
  try {
    await work;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return no.test(message) ? 'refused' : { breached: `proves nothing: ${message}` };
  }
  return { breached };
}

export async function all(outcomes: Promise<Outcome>[]): Promise<Outcome> {
  const results = await Promise.all(outcomes);
  return results.find((result) => result !== 'refused') ?? 'refused';
}

/** A log-in with any token, signed by any key. */
export function logIn(url: string, jwt: string, key: KeyPair | null): Promise<NatsConnection> {
  return connect({
    servers: url,
    reconnect: false,
    timeout: 10_000,
    authenticator: (nonce) =>
      key === null
        ? { jwt }
        : { jwt, nkey: key.getPublicKey(), sig: Buffer.from(key.sign(Buffer.from(nonce ?? ''))).toString('base64url') },
  });
}

export async function mustNotLogIn(login: Promise<NatsConnection>, no: RegExp = NO.login): Promise<Outcome> {
  return mustReject(
    login.then((connection) => connection.close()),
    no,
    'the server let it in',
  );
}

/** What a subscription hears while `meanwhile` runs and a little longer. */
export async function heard(connection: NatsConnection, subject: string, meanwhile: () => Promise<unknown>): Promise<string[]> {
  const messages: string[] = [];
  const subscription = connection.subscribe(subject, {
    // A refused subscription is told here, without a message.
    callback: (error, message) => {
      if (error === null) messages.push(`${message.subject} ${message.string()}`);
    },
  });
  await connection.flush().catch(() => {});
  await meanwhile();
  await sleep(LOOK_MS);
  subscription.unsubscribe();
  return messages;
}

/** The victim's stream as the victim sees it; an attack that left no error may have changed it. */
export async function victimIsWhole({ victim }: World): Promise<Outcome> {
  const { state } = await victim.streams.info(STREAM);
  const message = await victim.streams.getMessage(STREAM, { seq: 1 });
  if (state.messages >= 1 && message?.string() === SECRET && state.consumer_count === 0) return 'refused';
  return { breached: 'the victim’s stream was changed' };
}

/** An open connection is of no use any more: closed by the server, within a moment. */
export async function isEnded(connection: NatsConnection): Promise<boolean> {
  const answered = await Promise.race([connection.closed().then(() => false), sleep(10_000, true)]);
  if (!answered) return true;
  return connection.flush().then(
    () => false,
    () => true,
  );
}

/** Speaks the protocol past the library, and answers all that the server said until it was quiet or hung up. */
export function sayRaw(url: string, { jwt, seed }: { jwt: string; seed: string }, words: string): Promise<string> {
  const { hostname: host, port } = new URL(url);
  const user = Nkey.fromSeed('user', seed);
  return new Promise((resolve) => {
    let told = '';
    const socket = createConnection({ host, port: Number(port) });
    const end = () => {
      socket.destroy();
      resolve(told);
    };
    socket.setTimeout(8_000, end);
    socket.once('close', end);
    socket.on('error', end);
    socket.on('data', (chunk) => {
      const isGreeting = told === '';
      told += chunk.toString('utf8');
      if (!isGreeting) return;
      const nonce = /"nonce":"([^"]+)"/.exec(told)?.[1] ?? '';
      const sig = Buffer.from(user.sign(Buffer.from(nonce))).toString('base64url');
      socket.write(`CONNECT ${JSON.stringify({ jwt, sig, verbose: false, protocol: 1 })}\r\n${words}`);
    });
  });
}
