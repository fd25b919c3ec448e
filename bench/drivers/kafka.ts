// A queue on Kafka, used as its users do: by bootstrap server, user and password. The topic is made by the first message.
import { Consumer, Producer, type SASLOptions, stringSerializers } from '@platformatic/kafka';
import { CONNECT_MS, type Granted, type KindDriver, required, type Session } from './types';

const FETCH_BYTES = 1024 * 1024;
const FETCH_WAIT_MS = 50;

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
  const options = clientOptions(place);
  const producer = new Producer({ ...options, serializers: stringSerializers });
  const consumer = new Consumer({ ...options, groupId: `${place.prefix}readers` });
  const close = async () => {
    await Promise.allSettled([producer.close(), consumer.close(true)]);
  };
  const session: KafkaSession = {
    ping: async () => void (await topicId(producer, topic)),
    async write(value) {
      await made(producer, topic);
      await producer.send({ messages: [{ topic, key: '', value }] });
    },
    async readAll() {
      // What is asked anew is what the server allows now.
      consumer.clearMetadata();
      if ((await topicId(producer, topic)) === null) return [];
      return fetchAll(consumer, topic);
    },
    close,
  };
  try {
    await session.ping();
    return session;
  } catch (error) {
    await close();
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
async function topicId(client: Producer<string, string, string, string>, topic: string): Promise<string | null> {
  try {
    const { topics } = await client.metadata({ topics: [topic], forceUpdate: true });
    return topics.get(topic)?.id ?? null;
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('Unknown topic')) return null;
    throw error;
  }
}

/** The first asking makes it, and answers that it is not there. */
async function made(producer: Producer<string, string, string, string>, topic: string): Promise<void> {
  for (const deadline = Date.now() + CONNECT_MS; (await topicId(producer, topic)) === null; ) {
    if (Date.now() > deadline) throw new Error(`${topic} is not made`);
    await producer.metadata({ topics: [topic], forceUpdate: true, autocreateTopics: true }).catch((error: unknown) => {
      if (!(error instanceof Error && error.message.startsWith('Unknown topic'))) throw error;
    });
  }
}

async function fetchAll(consumer: Consumer, topic: string): Promise<string[]> {
  const { topics } = await consumer.metadata({ topics: [topic] });
  const found = topics.get(topic);
  const [partition] = found?.partitions ?? [];
  if (found === undefined || partition === undefined) return [];
  const values: string[] = [];
  for (let fetchOffset = 0n, end = 1n; fetchOffset < end; ) {
    const request = { partition: 0, currentLeaderEpoch: -1, fetchOffset, lastFetchedEpoch: -1, partitionMaxBytes: FETCH_BYTES };
    const { responses } = await consumer.fetch({
      node: partition.leader,
      minBytes: 1,
      maxBytes: FETCH_BYTES,
      maxWaitTime: FETCH_WAIT_MS,
      topics: [{ topicId: found.id, partitions: [request] }],
    });
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
