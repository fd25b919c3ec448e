// A queue on Kafka, used as its users do: by bootstrap server, user and password. The topic is made by the first message.
import { type ClusterTopicMetadata, type Connection, fetchV15, Producer, type SASLOptions, stringSerializers } from '@platformatic/kafka';
import { tidied } from '../../activities/queue/kafka/tidy';
import { CONNECT_MS, type Granted, type KindDriver, required, type Session } from './types';

const FETCH_BYTES = 1024 * 1024;
const FETCH_WAIT_MS = 50;

type Client = Producer<string, string, string, string>;

export interface KafkaSession extends Omit<Session, 'read'> {
  /** Everything that is kept, in order. */
  readAll: () => Promise<string[]>;
}

export interface KafkaPlace {
  bootstrapServers: string;
  prefix: string;
  username: string;
  password: string;
  /** With TLS, trusting what the system trusts. */
  tls?: boolean;
}

/** Connects; rejects when the server refuses, or does not let this user at its own prefix. Nothing is tried again. */
export async function openKafka(place: KafkaPlace): Promise<KafkaSession> {
  const topic = `${place.prefix}kept`;
  const client = tidied(new Producer({ ...clientOptions(place), serializers: stringSerializers }));
  const session: KafkaSession = {
    ping: async () => void (await topicOf(client, topic)),
    async write(value) {
      await made(client, topic);
      await client.send({ messages: [{ topic, key: '', value }] });
    },
    readAll: () => fetchAll(client, topic),
    close: () => client.close(),
  };
  try {
    await session.ping();
    return session;
  } catch (error) {
    await client.close();
    throw error;
  }
}

export const kafkaDriver: KindDriver = {
  kind: 'queue',
  driver: '@platformatic/kafka',
  async open(granted) {
    const { readAll, ...session } = await openKafka(placeOf(granted));
    return { ...session, read: async () => (await readAll()).at(-1) ?? '' };
  },
};

function placeOf({ connection_url, subject_prefix, credentials }: Granted): KafkaPlace {
  return {
    bootstrapServers: connection_url,
    prefix: required(subject_prefix, 'subject_prefix'),
    username: required(credentials?.username, 'credentials.username'),
    password: required(credentials?.password, 'credentials.password'),
    tls: credentials?.security_protocol === 'SASL_SSL',
  };
}

export function clientOptions({ bootstrapServers, username, password, tls = false }: KafkaPlace) {
  const sasl: SASLOptions = { mechanism: 'SCRAM-SHA-512', username, password };
  return {
    clientId: 'tenant',
    bootstrapBrokers: bootstrapServers.split(','),
    connectTimeout: CONNECT_MS,
    requestTimeout: CONNECT_MS,
    retries: 0,
    sasl,
    ...(tls ? { tls: {}, tlsServerName: true } : {}),
  };
}

/** Null: there is no such topic yet. */
async function topicOf(client: Client, topic: string): Promise<ClusterTopicMetadata | null> {
  try {
    const { topics } = await client.metadata({ topics: [topic], forceUpdate: true });
    return topics.get(topic) ?? null;
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('Unknown topic')) return null;
    throw error;
  }
}

/** The first asking makes it, and answers that it is not there. */
async function made(client: Client, topic: string): Promise<void> {
  for (const deadline = Date.now() + CONNECT_MS; (await topicOf(client, topic)) === null; ) {
    if (Date.now() > deadline) throw new Error(`${topic} is not made`);
    await client.metadata({ topics: [topic], forceUpdate: true, autocreateTopics: true }).catch((error: unknown) => {
      if (!(error instanceof Error && error.message.startsWith('Unknown topic'))) throw error;
    });
  }
}

async function fetchAll(client: Client, topic: string): Promise<string[]> {
  const found = await topicOf(client, topic);
  const [partition] = found?.partitions ?? [];
  if (found === null || partition === undefined) return [];
  const connections = (await client.connectToBrokers([partition.leader])) as Map<number, Connection>;
  const connection = required(connections.get(partition.leader), 'leader of the partition');
  const values: string[] = [];
  for (let fetchOffset = 0n, end = 1n; fetchOffset < end; ) {
    const request = { partition: 0, currentLeaderEpoch: -1, fetchOffset, lastFetchedEpoch: -1, partitionMaxBytes: FETCH_BYTES };
    const topics = [{ topicId: found.id, partitions: [request] }];
    const { responses } = await fetchV15.api.async(connection, FETCH_WAIT_MS, 1, FETCH_BYTES, 0, 0, -1, topics, [], '');
    const [answer] = responses.flatMap(({ partitions }) => partitions);
    if (answer === undefined) break;
    end = answer.highWatermark;
    for (const { firstOffset, lastOffsetDelta, records } of answer.records ?? []) {
      values.push(...records.map(({ value }) => value?.toString() ?? ''));
      fetchOffset = firstOffset + BigInt(lastOffsetDelta) + 1n;
    }
  }
  return values;
}
