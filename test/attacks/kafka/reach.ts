// What belongs to the neighbour, to nobody, or to the cluster.
import {
  alterUserScramCredentialsV0,
  ConfigResourceTypes,
  createDelegationTokenV3,
  createTopicsV7,
  deleteTopicsV6,
  describeUserScramCredentialsV0,
  fetchV15,
  joinGroupV9,
} from '@platformatic/kafka';
import { grantsOf } from '../../../activities/queue/kafka/acls';
import { quotaEntry } from '../../../activities/queue/kafka/quotas';
import { scramUpsertion } from '../../../activities/queue/kafka/scram';
import type { Attack } from '../attack';
import { beginTransaction, commit, mustRefuse, NOT_ALLOWED, type Outcome, produce, type World } from './world';

export function reachAttacks(world: World): Attack[] {
  return [...topics(world), ...names(world), ...groups(world), ...cluster(world)];
}

function topics({ attacker, victim }: World): Attack[] {
  const refuses = (name: string, trying: () => Promise<unknown>, answers?: readonly string[]): Attack => ({
    name,
    run: () => mustRefuse(trying(), 'it was done', answers),
  });
  const read = async (topicId: string) => {
    const partition = { partition: 0, currentLeaderEpoch: -1, fetchOffset: 0n, lastFetchedEpoch: -1, partitionMaxBytes: 65_536 };
    return fetchV15.api.async(attacker.connection, 50, 1, 65_536, 0, 0, -1, [{ topicId, partitions: [partition] }], [], '');
  };
  return [
    {
      name: 'one’s own topic can be read and written',
      run: () => works(async () => [await read(attacker.topicId), await produce(attacker, attacker.topic)]),
    },
    refuses('a message into the neighbour’s topic', () => produce(attacker, victim.topic)),
    refuses('the neighbour’s messages, by the topic’s id', () => read(victim.topicId)),
    refuses('the neighbour’s topic described', () => attacker.client.metadata({ topics: [victim.topic] })),
    refuses('the neighbour’s topic’s settings', () =>
      attacker.client.describeConfigs({ resources: [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: victim.topic }] }),
    ),
    refuses('the neighbour’s topic deleted', () => attacker.client.deleteTopics({ topics: [victim.topic] })),
    refuses(
      'the neighbour’s topic deleted by its id',
      () => deleteTopicsV6.api.async(attacker.connection, [{ name: null as unknown as string, topicId: victim.topicId }], 5_000),
      [...NOT_ALLOWED, 'UNKNOWN_TOPIC_ID'],
    ),
    refuses('the neighbour’s messages deleted', () =>
      attacker.client.deleteRecords({ topics: [{ name: victim.topic, partitions: [{ partition: 0, offset: 1n }] }] }),
    ),
    {
      name: 'a list of topics',
      run: async () => {
        const seen = await attacker.client.listTopics({ includeInternals: true });
        const foreign = seen.filter((name) => !name.startsWith(attacker.place.prefix));
        if (!seen.includes(attacker.topic)) throw new Error('it does not show one’s own');
        return foreign.length === 0 ? 'refused' : { breached: `it shows ${foreign[0]}` };
      },
    },
  ];
}

async function works(run: () => Promise<unknown>): Promise<Outcome> {
  await run();
  return 'refused';
}

/** A topic beside the prefix: what only begins alike is another's, or nobody's. */
function names({ attacker, victim }: World): Attack[] {
  const makes = (what: string, name: string): Attack => ({
    name: `a topic ${what}`,
    run: () => mustRefuse(createTopicsV7.api.async(attacker.connection, [aTopic(name)], 5_000, false), `${name} was made`),
  });
  const own = attacker.request.objectName;
  return [
    makes('under the neighbour’s prefix', `${victim.place.prefix}mine`),
    makes('under no prefix', 'orders'),
    makes('under one’s own name without its dot', own),
    makes('under a name that one’s own begins', `${own}x.orders`),
    makes('under a part of one’s own name', `${own.slice(0, 20)}.orders`),
    makes('of the cluster’s own', '__transaction_state'),
    {
      name: 'a topic of nobody, made by writing to it',
      run: () =>
        mustRefuse(attacker.client.metadata({ topics: [`${victim.place.prefix}by-writing`], autocreateTopics: true }), 'it was made'),
    },
  ];
}

function aTopic(name: string) {
  return { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] };
}

function groups({ attacker, victim }: World): Attack[] {
  const refuses = (name: string, trying: () => Promise<unknown>, answers?: readonly string[]): Attack => ({
    name,
    run: () => mustRefuse(trying(), 'it was done', answers),
  });
  const protocols = [{ name: 'range', metadata: Buffer.alloc(8) }];
  return [
    refuses('the neighbour’s group joined', () =>
      joinGroupV9.api.async(attacker.connection, victim.group, 10_000, 10_000, '', null, 'consumer', protocols),
    ),
    refuses('a group of no prefix joined', () =>
      joinGroupV9.api.async(attacker.connection, 'readers', 10_000, 10_000, '', null, 'consumer', protocols),
    ),
    refuses('the neighbour’s offsets read', () => attacker.client.listConsumerGroupOffsets({ groups: [victim.group] })),
    refuses('the neighbour’s offsets moved', () => commit(attacker, victim.group, victim.topic)),
    refuses('the neighbour’s group deleted', () => attacker.client.deleteGroups({ groups: [victim.group] })),
    refuses('the neighbour’s group described', () => attacker.client.describeGroups({ groups: [victim.group] })),
    {
      name: 'a list of groups',
      run: async () => {
        const seen = [...(await attacker.client.listGroups({ types: [] })).keys()];
        if (!seen.includes(attacker.group)) throw new Error('it does not show one’s own');
        const foreign = seen.filter((name) => !name.startsWith(attacker.place.prefix));
        return foreign.length === 0 ? 'refused' : { breached: `it shows ${foreign[0]}` };
      },
    },
    refuses('a transaction under the neighbour’s id', () => beginTransaction(attacker, `${victim.place.prefix}payments`)),
    refuses('a transaction under no prefix', () => beginTransaction(attacker, 'payments')),
  ];
}

function cluster({ attacker, victim }: World): Attack[] {
  const refuses = (name: string, trying: () => Promise<unknown>, answers?: readonly string[]): Attack => ({
    name,
    run: () => mustRefuse(trying(), 'it was done', answers),
  });
  const { username } = attacker.place;
  const setPassword = async (user: string) =>
    alterUserScramCredentialsV0.api.async(attacker.connection, [], [await scramUpsertion(user, 'mine now')]);
  const raise = (name: string, value: string) =>
    attacker.client.incrementalAlterConfigs({
      resources: [
        { resourceType: ConfigResourceTypes.TOPIC, resourceName: attacker.topic, configs: [{ name, value, configOperation: 0 }] },
      ],
    });
  const everyRight = {
    resourceType: 1,
    resourceName: null,
    resourcePatternType: 1,
    principal: null,
    host: null,
    operation: 1,
    permissionType: 1,
  } as const;
  return [
    refuses('a right given to oneself', () =>
      attacker.client.createAcls({
        creations: grantsOf(victim.request.objectName, 1).map((acl) => ({ ...acl, principal: `User:${username}` })),
      }),
    ),
    refuses('all rights deleted', () => attacker.client.deleteAcls({ filters: [everyRight] })),
    refuses('all rights read', () => attacker.client.describeAcls({ filter: everyRight })),
    refuses('the neighbour’s password set', () => setPassword(victim.place.username)),
    refuses('one’s own password set', () => setPassword(username)),
    refuses('the platform’s user made with a password', () => setPassword('leasehold')),
    refuses('a list of users', () => describeUserScramCredentialsV0.api.async(attacker.connection, [])),
    refuses('one’s quota lifted', () => attacker.client.alterClientQuotas({ entries: [quotaEntry(username, { remove: true })] })),
    refuses('quotas read', () => attacker.client.describeClientQuotas({ components: [{ entityType: 'user', matchType: 2 }] })),
    refuses('one’s own topic kept for ever', () => raise('retention.ms', '-1')),
    refuses('one’s own topic kept at any size', () => raise('retention.bytes', '-1')),
    refuses('one’s own topic only compacted', () => raise('cleanup.policy', 'compact')),
    refuses('more partitions for one’s own topic', () =>
      attacker.client.createPartitions({ topics: [{ name: attacker.topic, count: 50, assignments: [] }] }),
    ),
    refuses('a broker’s setting', () =>
      attacker.client.incrementalAlterConfigs({
        resources: [
          {
            resourceType: ConfigResourceTypes.BROKER,
            resourceName: '1',
            configs: [{ name: 'log.retention.ms', value: '1', configOperation: 0 }],
          },
        ],
      }),
    ),
    refuses(
      'a token that outlives the credential',
      () => createDelegationTokenV3.api.async(attacker.connection, null, null, [], 86_400_000n),
      [...NOT_ALLOWED, 'DELEGATION_TOKEN_AUTH_DISABLED', 'DELEGATION_TOKEN_REQUEST_NOT_ALLOWED'],
    ),
    {
      name: 'what the disks hold',
      run: async () => {
        const held = await attacker.client.describeLogDirs({ topics: [{ name: victim.topic, partitions: [0] }] }).catch(() => []);
        const seen = held.flatMap(({ results }) => results.flatMap((result) => result.topics.map(({ name }) => name)));
        return seen.length === 0 ? 'refused' : { breached: `it shows ${seen[0]}` };
      },
    },
  ];
}
