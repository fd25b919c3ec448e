// What is left on servers of the other queues, asked by their own protocols: every name that begins as this installation's do.
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { EVERY_RIGHT } from '../activities/queue/kafka/acls';
import { KafkaCluster, scramUsers } from '../activities/queue/kafka/cluster';
import { isLeftProbeUser } from '../activities/queue/kafka/probe-users';
import { parseKafkaAdminUrl, parseRabbitmqAdminUrl } from '../shared/queueprovider';

interface Place {
  url: string;
  prefix: string;
}

type Names = Readonly<Record<string, readonly string[]>>;

/** Names are what is ours by its prefix; each is said with what it is. */
function ours(names: Names, prefix: string): string[] {
  return Object.entries(names).flatMap(([what, all]) => all.filter((name) => name.startsWith(prefix)).map((name) => `${what} ${name}`));
}

export async function onRabbitmq({ url, prefix }: Place): Promise<string[]> {
  const { management, username, password } = parseRabbitmqAdminUrl(url);
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const asked = async <Entry>(path: string): Promise<Entry[]> => {
    const answer = await fetch(`${management}/api/${path}`, { headers: { authorization } });
    if (!answer.ok) throw new Error(`RabbitMQ answered ${answer.status} to ${path}`);
    return (await answer.json()) as Entry[];
  };
  const [vhosts, users, connections] = await Promise.all([
    asked<{ name: string }>('vhosts'),
    asked<{ name: string }>('users'),
    asked<{ user: string }>('connections'),
  ]);
  const names = (entries: { name: string }[]) => entries.map(({ name }) => name);
  return ours({ vhost: names(vhosts), user: names(users), 'connection of': connections.map(({ user }) => user ?? '') }, prefix);
}

export async function onKafka({ url, prefix }: Place): Promise<string[]> {
  const cluster = new KafkaCluster('inventory', parseKafkaAdminUrl(url));
  try {
    const [users, topics, groups, rights, quotas] = await Promise.all([
      scramUsers(cluster),
      cluster.ask((client) => client.listTopics()),
      cluster.ask(async (client) => [...(await client.listGroups({ types: [] })).keys()]),
      cluster.ask((client) => client.describeAcls({ filter: EVERY_RIGHT })),
      cluster.ask((client) => client.describeClientQuotas({ components: [{ entityType: 'user', matchType: 2 }] })),
    ]);
    const holders = rights.flatMap(({ acls }) => acls.map(({ principal }) => principal.replace(/^User:/, '')));
    const limited = quotas.flatMap(({ entity }) => entity.flatMap(({ entityName }) => entityName ?? []));
    const about = rights.map(({ resourceName }) => resourceName);
    const names = { user: users, topic: topics, group: groups, 'right of': holders, 'right to': about, 'quota of': limited };
    // The start-up probe's, of whatever installation: their names hold none.
    const left = users.filter((user) => isLeftProbeUser(user)).map((user) => `user ${user}`);
    return [...ours(names, prefix), ...left];
  } finally {
    await cluster.close();
  }
}

/** What a bucket's stream and its subjects are called before the bucket's own name. */
const BUCKET = /^(?:KV_|OBJ_|\$KV\.|\$O\.)/;
const REGISTER = 'leasehold-tenants';

/** Streams, buckets, and whatever is called otherwise but takes a tenant's subjects; and who is in the register, with a stream or without. */
export async function onOpenNats({ url, prefix }: Place): Promise<string[]> {
  const { protocol, host, username, password } = new URL(url);
  const connection = await connect({
    servers: `${protocol}//${host}`,
    reconnect: false,
    timeout: 30_000,
    ...(username === '' ? {} : { user: decodeURIComponent(username), pass: decodeURIComponent(password) }),
    ...(protocol === 'tls:' ? { tls: {} } : {}),
  });
  try {
    const { streams } = await jetstreamManager(connection, { timeout: 30_000 });
    const names: string[] = [];
    const subjects: string[] = [];
    for await (const { config } of streams.list()) {
      names.push(config.name);
      subjects.push(...(config.subjects ?? []));
    }
    const register = names.includes(REGISTER) ? (await streams.info(REGISTER, { subjects_filter: '>' })).state.subjects : undefined;
    const tenants = Object.keys(register ?? {}).map((subject) => subject.slice(subject.lastIndexOf('.') + 1));
    const withoutKind = (all: string[]) => all.map((name) => name.replace(BUCKET, ''));
    return ours({ stream: withoutKind(names), 'stream of': withoutKind(subjects), tenant: tenants }, prefix);
  } finally {
    await connection.close();
  }
}
