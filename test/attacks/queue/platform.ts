// Getting at the platform's own events, which are on the same server in an account of their own.
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { EVENT_STREAM, EVENT_SUBJECTS } from '../../../shared/events';
import { parseCreds } from '../../../shared/relay/broker';
import { initStreams } from '../../../shared/relay/streams';
import type { Attack } from '../attack';
import { all, heard, mustReject, NO, type Outcome, type World } from './world';

const SUBJECT = 'leasehold.events.v1.postgres.resource.active';
const TOLD = 'what the platform tells';

export function platformAttacks({ harness, attacker }: World): Attack[] {
  const asPlatform = async <T>(work: (platform: NatsConnection) => Promise<T>): Promise<T> => {
    const { jwt, seed } = parseCreds(harness.server.events.creds);
    const platform = await harness.server.logIn({ nats_jwt: jwt, nats_nkey: seed });
    try {
      await initStreams((await jetstreamManager(platform, { checkAPI: false })).streams, { retentionMs: 3_600_000, maxBytes: 1024 * 1024 });
      return await work(platform);
    } finally {
      await platform.close();
    }
  };
  const speak = () => asPlatform((platform) => jetstream(platform).publish(SUBJECT, TOLD));
  const messagesOnStream = () =>
    asPlatform(
      async (platform) => (await (await jetstreamManager(platform, { checkAPI: false })).streams.info(EVENT_STREAM)).state.messages,
    );
  const hears = (subject: string): Attack => ({
    name: `subscription to ${subject} while the platform publishes an event`,
    run: async () => {
      const messages = (await heard(attacker.connection, subject, speak)).filter((message) => message.includes(TOLD));
      return messages.length === 0 ? 'refused' : { breached: `heard ${messages[0]}` };
    },
  });
  const onStream = (name: string, work: () => Promise<unknown>): Attack => ({
    name: `the platform's stream: ${name}`,
    run: async () => {
      await speak();
      return all([mustReject(work(), NO.noStream, `${name} was answered`)]);
    },
  });
  return [
    hears('>'),
    hears(EVENT_SUBJECTS),
    onStream('info', () => attacker.streams.info(EVENT_STREAM)),
    onStream('read a message', () => attacker.streams.getMessage(EVENT_STREAM, { seq: 1 })),
    onStream('make a consumer', () => attacker.manager.consumers.add(EVENT_STREAM, { durable_name: 'thief' })),
    onStream('delete', () => attacker.streams.delete(EVENT_STREAM)),
    {
      name: 'an event in the platform’s name',
      run: async (): Promise<Outcome> => {
        await speak();
        const before = await messagesOnStream();
        attacker.connection.publish(SUBJECT, 'forged');
        await attacker.connection.flush();
        return (await messagesOnStream()) === before ? 'refused' : { breached: 'it is on the platform’s stream' };
      },
    },
    {
      name: 'a mirror of the platform’s stream',
      run: async (): Promise<Outcome> => {
        await speak();
        const name = `mirror-${Date.now()}`;
        try {
          await attacker.streams.add({ name, mirror: { name: EVENT_STREAM }, max_bytes: 64 * 1024 });
        } catch {
          return 'refused';
        }
        const { state } = await attacker.streams.info(name);
        await attacker.streams.delete(name);
        return state.messages === 0 ? 'refused' : { breached: 'it holds the platform’s events' };
      },
    },
  ];
}
