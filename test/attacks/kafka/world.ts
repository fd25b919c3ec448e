// Two tenants of one Kafka, each with a topic, a group and a connection, and what the attacks on them have in common.
import { Admin, type Connection, initProducerIdV4, offsetCommitV9, produceV11 } from '@platformatic/kafka';
import type { ProvisionRequest } from '../../../activities/backend';
import { isAnswer } from '../../../activities/queue/kafka/cluster';
import { tidied } from '../../../activities/queue/kafka/tidy';
import { clientOptions, type KafkaPlace, openKafka } from '../../../bench/drivers/kafka';
import { type KafkaHarness, kafkaIsHere, startKafkaHarness } from '../../providers/kafka/harness';
import type { Attack } from '../attack';

export type Outcome = Awaited<ReturnType<Attack['run']>>;

export interface Tenant {
  request: ProvisionRequest;
  place: KafkaPlace;
  client: Admin;
  /** To the one broker, for requests that no client library would send. */
  connection: Connection;
  topic: string;
  topicId: string;
  group: string;
}

export interface World {
  harness: KafkaHarness;
  attacker: Tenant;
  victim: Tenant;
  made(): Promise<Tenant>;
  close(): Promise<void>;
}

export const NOT_ALLOWED = [
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
] as const;

export async function openWorld(): Promise<World> {
  if (!kafkaIsHere()) throw new Error('no Kafka in the cache: npm run stack -- fetch kafka');
  const harness = await startKafkaHarness();
  const opened: Tenant[] = [];
  const made = async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    const tenant = await tenantOf(harness, request);
    opened.push(tenant);
    return tenant;
  };
  const close = async () => {
    await Promise.all(opened.map(({ client }) => client.close()));
    await harness.close();
  };
  try {
    return { harness, attacker: await made(), victim: await made(), made, close };
  } catch (error) {
    await close();
    throw error;
  }
}

export async function tenantOf(harness: KafkaHarness, request: ProvisionRequest, version = 1): Promise<Tenant> {
  const place = harness.placeOf(request, version);
  const session = await openKafka(place);
  await session.write('kept');
  await session.close();
  const client = adminOf(place);
  const connection = await connectionOf(client);
  const topic = `${place.prefix}kept`;
  const topicId = (await client.metadata({ topics: [topic] })).topics.get(topic)?.id ?? '';
  const group = `${place.prefix}readers`;
  const tenant: Tenant = { request, place, client, connection, topic, topicId, group };
  // The first to ask has the cluster make the topic that offsets are kept in.
  await eventually(() => client.findCoordinator({ keyType: 0, keys: [group] }));
  await eventually(() => commit(tenant, group, topic));
  return tenant;
}

function adminOf(place: KafkaPlace): Admin {
  return tidied(new Admin(clientOptions(place)));
}

async function connectionOf(client: Admin): Promise<Connection> {
  const [connection] = ((await client.connectToBrokers()) as Map<number, Connection>).values();
  if (connection === undefined) throw new Error('the cluster names no broker');
  return connection;
}

/** As a member of no group, which is how offsets are committed by hand. */
export function commit({ connection }: Pick<Tenant, 'connection'>, group: string, topic: string): Promise<unknown> {
  const partition = { partitionIndex: 0, committedOffset: 1n, committedLeaderEpoch: -1, committedMetadata: null };
  return offsetCommitV9.api.async(connection, group, -1, '', null, [{ name: topic, partitions: [partition] }]);
}

export async function produce({ connection }: Pick<Tenant, 'connection'>, topic: string, value = 'more'): Promise<number> {
  const answer = await produceV11.api.async(connection, -1, 5_000, [{ topic, partition: 0, value: Buffer.from(value) }], {
    compression: 'none',
    producerId: -1n,
    producerEpoch: -1,
    firstSequence: -1,
  });
  return typeof answer === 'boolean' ? 0 : answer.throttleTimeMs;
}

export function beginTransaction({ connection }: Pick<Tenant, 'connection'>, id: string | null): Promise<unknown> {
  return initProducerIdV4.api.async(connection, id, 5_000, -1n, -1);
}

/** Refused for the reason that is expected; any other proves nothing. */
export async function mustRefuse(trying: Promise<unknown>, breach: string, answers: readonly string[] = NOT_ALLOWED): Promise<Outcome> {
  try {
    await trying;
  } catch (error) {
    if (answers.some((answer) => isAnswer(error, answer))) return 'refused';
    throw error;
  }
  return { breached: breach };
}

export async function eventually<T>(what: () => Promise<T>): Promise<T> {
  for (const deadline = Date.now() + 40_000; ; ) {
    try {
      return await what();
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
