// Whether a cluster keeps tenants apart, found out as one of them: what it says of its own settings is not asked for what matters.
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Admin,
  AuthenticationError,
  alterUserScramCredentialsV0,
  createTopicsV7,
  type SASLCustomAuthenticator,
  saslScramSha,
} from '@platformatic/kafka';
import type { KafkaAdmin } from '../../../shared/queueprovider';
import type { KindLogger } from '../../backend';
import { ProviderMisconfigured } from '../../errors';
import { connectedBrokers, isAnswer, type KafkaCluster, type KafkaLogin, openAdmin } from './cluster';
import { newProbeUser, removeLeftProbeUsers } from './probe-users';
import { finalizedFeatures, releaseOf } from './protocol';
import { scramUpsertion } from './scram';
import { deleteUsers } from './tenant';

const LOG_IN_WITHIN_MS = 5_000;
const LOOK_MS = 50;
/** No tenant's: nobody may make it. */
const STRANGE_TOPIC = 'leasehold-probe';
/** Would be a tenant's, and is refused by a policy for its size alone. */
const TENANT_TOPIC = `lh${'a'.repeat(8)}_${'a'.repeat(24)}.probe`;
const TOO_MANY_PARTITIONS = 1_000;

/** @throws ProviderMisconfigured for a cluster that is too old */
export async function releaseOfCluster(backendName: string, cluster: KafkaCluster): Promise<string> {
  const release = releaseOf(await cluster.anyBroker((connection) => finalizedFeatures.async(connection)));
  if (release === null)
    throw new ProviderMisconfigured(
      `${backendName}: the cluster is older than Kafka 3.9 (or not in KRaft mode): upgrade it and its metadata.version`,
    );
  return release;
}

export async function probeCluster(backendName: string, cluster: KafkaCluster, logger: KindLogger): Promise<void> {
  await releaseOfCluster(backendName, cluster);
  await strangerIsRefused(backendName, cluster.admin);
  const { sessionMs } = await powerlessIsRefused(backendName, cluster);
  if (sessionMs === 0)
    logger.warn('connections of deleted users stay open, without a right: set connections.max.reauth.ms', { backend: backendName });
  if (!(await partitionsAreBounded(cluster)))
    logger.warn('one tenant can make topics of thousands of partitions: set create.topic.policy.class.name', { backend: backendName });
}

/** Where tenants connect, without a password. */
async function strangerIsRefused(backendName: string, admin: KafkaAdmin): Promise<void> {
  const stranger = openAdmin(tenantsPlace(admin));
  try {
    await stranger.listTopics();
  } catch {
    return;
  } finally {
    await stranger.close().catch(() => {});
  }
  throw new ProviderMisconfigured(`${backendName}: whoever connects is let in: give tenants a listener with SASL_SSL (or SASL_PLAINTEXT)`);
}

/** A user that has a password and no right. That it logs in proves SCRAM-SHA-512. */
async function powerlessIsRefused(backendName: string, cluster: KafkaCluster): Promise<{ sessionMs: number }> {
  await removeLeftProbeUsers(cluster);
  const username = newProbeUser();
  const password = randomBytes(24).toString('hex');
  const upsertion = await scramUpsertion(username, password);
  await cluster.anyBroker((connection) => alterUserScramCredentialsV0.api.async(connection, [], [upsertion]));
  let sessionMs = 0;
  const authenticate = toldLifetime((ms) => {
    sessionMs = ms;
  });
  const login: KafkaLogin = { ...tenantsPlace(cluster.admin), sasl: { mechanism: 'SCRAM-SHA-512', username, password, authenticate } };
  try {
    const powerless = await loggedIn(backendName, login);
    try {
      await mayNot(backendName, powerless);
    } finally {
      await powerless.close().catch(() => {});
    }
  } finally {
    await deleteUsers(cluster, [username]);
  }
  return { sessionMs };
}

/** The library's own login, overheard: how long it is good for stands in the server's last answer and nowhere else. */
function toldLifetime(tell: (ms: number) => void): SASLCustomAuthenticator {
  return (_mechanism, connection, authenticate, username = '', password = '', _token, callback) => {
    const overheard: typeof authenticate = Object.assign(
      (given: typeof connection, bytes: Buffer, answered?: Parameters<typeof authenticate>[2]) =>
        authenticate(given, bytes, (error, response) => {
          if (response) tell(Number(response.sessionLifetimeMs));
          answered?.(error, response);
        }),
      { async: authenticate.async, key: authenticate.key, version: authenticate.version },
    );
    saslScramSha.authenticate(overheard, connection, 'SHA-512', username, password, saslScramSha.defaultCrypto, callback);
  };
}

async function mayNot(backendName: string, powerless: Admin): Promise<void> {
  for (const connection of (await connectedBrokers(powerless)).values()) {
    try {
      await createTopicsV7.api.async(connection, [aTopic(STRANGE_TOPIC, 1)], 5_000, true);
    } catch (error) {
      if (isAnswer(error, 'TOPIC_AUTHORIZATION_FAILED')) continue;
      throw error;
    }
    throw new ProviderMisconfigured(
      `${backendName}: users without any right may make topics: set authorizer.class.name, and allow.everyone.if.no.acl.found=false`,
    );
  }
}

/** A broker hears of a new user a little after it is made. */
async function loggedIn(backendName: string, login: KafkaLogin): Promise<Admin> {
  for (const deadline = Date.now() + LOG_IN_WITHIN_MS; ; ) {
    const client = openAdmin(login);
    try {
      await client.listTopics();
      return client;
    } catch (error) {
      await client.close().catch(() => {});
      if (Date.now() > deadline)
        throw new ProviderMisconfigured(
          `${backendName}: a user that was made cannot log in (${error instanceof AuthenticationError ? 'refused' : 'no connection'}): enable SCRAM-SHA-512 on the tenants' listener`,
        );
    }
    await sleep(LOOK_MS);
  }
}

/** Asked only whether it would be made. */
async function partitionsAreBounded(cluster: KafkaCluster): Promise<boolean> {
  try {
    await cluster.anyBroker((connection) => createTopicsV7.api.async(connection, [aTopic(TENANT_TOPIC, TOO_MANY_PARTITIONS)], 5_000, true));
    return false;
  } catch {
    return true;
  }
}

function aTopic(name: string, numPartitions: number) {
  return { name, numPartitions, replicationFactor: -1, assignments: [], configs: [] };
}

function tenantsPlace({ brokers, tenantBrokers, tls }: KafkaAdmin): Pick<KafkaLogin, 'brokers' | 'tls'> {
  return { brokers: tenantBrokers.length > 0 ? tenantBrokers : brokers, tls };
}
