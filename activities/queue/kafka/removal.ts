// Until nothing of a tenant is left on a cluster, whoever made it and whatever was under way.
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Admin,
  type Connection,
  describeGroupsV5,
  FindCoordinatorKeyTypes,
  type FindCoordinatorKeyTypeValue,
  initProducerIdV4,
  leaveGroupV5,
  listTransactionsV1,
  type TransactionState,
} from '@platformatic/kafka';
import type { CallSignal } from '../../../shared/queueprovider';
import { ProviderUnavailable } from '../../errors';
import { EVERY_RIGHT, flatAcls } from './acls';
import { isAnswer, type KafkaCluster, scramUsers } from './cluster';
import { ownerOf } from './names';
import { deleteUsers, KafkaTenant } from './tenant';

const ABSENT_LOOK_MS = 40;
const MAX_LOOKS = 50;
const FENCE_TIMEOUT_MS = 1_000;
const UNDER_WAY = ['Ongoing', 'PrepareCommit', 'PrepareAbort'] as unknown as TransactionState[];

/** Names on the cluster, by what they name. */
export interface KafkaLeft {
  users: string[];
  quotas: string[];
  topics: string[];
  groups: string[];
  /** Resource patterns and users that a right is about. */
  rights: string[];
}

/** Everything, or what one tenant owns of it. */
export async function whatIsThere(cluster: KafkaCluster, belongs: (owner: string) => boolean): Promise<KafkaLeft> {
  const [users, quotas, topics, groups, rights] = await Promise.all([
    scramUsers(cluster),
    cluster.ask((client) => client.describeClientQuotas({ components: [{ entityType: 'user', matchType: 2 }] })),
    cluster.ask((client) => client.listTopics()),
    cluster.ask(groupNames),
    cluster.ask((client) => client.describeAcls({ filter: EVERY_RIGHT })),
  ]);
  const owned = (names: readonly string[]) =>
    names.filter((name) => {
      const owner = ownerOf(name);
      return owner !== null && belongs(owner);
    });
  return {
    users: owned(users),
    quotas: owned(quotas.flatMap(({ entity }) => entity.flatMap(({ entityName }) => entityName ?? []))),
    topics: owned(topics),
    groups: owned(groups),
    rights: owned(flatAcls(rights).flatMap(({ resourceName, principal }) => [resourceName, principal.replace(/^User:/, '')])),
  };
}

async function groupNames(client: Admin): Promise<string[]> {
  return [...(await client.listGroups({ types: [] })).keys()];
}

/**
 * The rights go first: from then on nothing of the tenant's can be made, whatever connection it holds. What was under way then shows at the
 * next look, so absent is what was absent at two.
 */
export async function removeTenant(cluster: KafkaCluster, objectName: string, call: CallSignal | undefined): Promise<void> {
  const tenant = new KafkaTenant(cluster, objectName, call?.signal);
  let absentLooks = 0;
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    call?.signal?.throwIfAborted();
    await tenant.takeAllRights();
    const left = await whatIsThere(cluster, (owner) => owner === objectName);
    absentLooks = Object.values(left).every((names) => names.length === 0) ? absentLooks + 1 : 0;
    if (absentLooks === 2) return;
    if (absentLooks === 0) await removeWhat(cluster, tenant, left, call);
    await sleep(ABSENT_LOOK_MS, undefined, { signal: call?.signal });
  }
  throw new ProviderUnavailable(`what ${objectName} has on the cluster does not go`);
}

async function removeWhat(cluster: KafkaCluster, tenant: KafkaTenant, left: KafkaLeft, call: CallSignal | undefined): Promise<void> {
  await deleteUsers(cluster, [...new Set([...left.users, ...left.quotas])]);
  await endTransactions(cluster, tenant.objectName);
  call?.signal?.throwIfAborted();
  for (const group of left.groups) await deleteGroup(cluster, group);
  call?.signal?.throwIfAborted();
  for (const topic of left.topics) await cluster.ask((client) => client.deleteTopics({ topics: [topic] }).catch(unlessGone));
  await tenant.forgetMarks();
}

/** Its members are sent away first: they would stay until their sessions time out, and a group with members cannot be deleted. */
async function deleteGroup(cluster: KafkaCluster, group: string): Promise<void> {
  await atCoordinator(cluster, FindCoordinatorKeyTypes.GROUP, group, (connection) => sendAway(connection, group).catch(unlessGone));
  await cluster.ask((client) => client.deleteGroups({ groups: [group] }).catch(unlessGone));
}

/**
 * By the protocol itself: the client's own ways to describe a group, and to remove members that it is not told, decode what members told each
 * other. Those bytes are the tenant's, and an error in decoding them is thrown where nobody can catch it.
 */
async function sendAway(connection: Connection, group: string): Promise<void> {
  const { groups } = await describeGroupsV5.api.async(connection, [group], false);
  const members = groups.flatMap((described) => described.members.map(({ memberId }) => ({ memberId })));
  if (members.length > 0) await leaveGroupV5.api.async(connection, group, members);
}

function unlessGone(error: unknown): void {
  const isGone = ['GROUP_ID_NOT_FOUND', 'UNKNOWN_MEMBER_ID', 'UNKNOWN_TOPIC_OR_PARTITION'].some((answer) => isAnswer(error, answer));
  // Somebody joined in between: the next look finds the group again.
  if (!isGone && !isAnswer(error, 'NON_EMPTY_GROUP')) throw error;
}

/** A new producer of the same id ends the old one's transaction. Ids themselves cannot be deleted: the cluster forgets them in its time. */
async function endTransactions(cluster: KafkaCluster, objectName: string): Promise<void> {
  const answers = await cluster.everyBroker((connection) => listTransactionsV1.api.async(connection, UNDER_WAY, [], -1n, null));
  const ids = answers.flatMap(({ transactionStates }) => transactionStates.map(({ transactionalId }) => transactionalId));
  for (const id of ids.filter((name) => ownerOf(name) === objectName)) await fence(cluster, id);
}

async function fence(cluster: KafkaCluster, transactionalId: string): Promise<void> {
  await atCoordinator(cluster, FindCoordinatorKeyTypes.TRANSACTION, transactionalId, async (connection) => {
    try {
      await initProducerIdV4.api.async(connection, transactionalId, FENCE_TIMEOUT_MS, -1n, -1);
    } catch (error) {
      // It is being ended already.
      if (!isAnswer(error, 'CONCURRENT_TRANSACTIONS')) throw error;
    }
  });
}

async function atCoordinator(
  cluster: KafkaCluster,
  keyType: FindCoordinatorKeyTypeValue,
  key: string,
  work: (connection: Connection) => Promise<void>,
): Promise<void> {
  const [coordinator] = await cluster.ask((client) => client.findCoordinator({ keyType, keys: [key] }));
  await cluster.everyBroker(async (connection, nodeId) => {
    if (nodeId === coordinator?.nodeId) await work(connection);
  });
}
