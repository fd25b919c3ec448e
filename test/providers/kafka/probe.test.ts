// What a worker leaves on the cluster that is killed while it tries it, and who takes it away.
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { alterUserScramCredentialsV0 } from '@platformatic/kafka';
import { KafkaCluster, scramUsers } from '../../../activities/queue/kafka/cluster';
import { newProbeUser } from '../../../activities/queue/kafka/probe-users';
import { scramUpsertion } from '../../../activities/queue/kafka/scram';
import { onKafka } from '../../../bench/inventory-queues';
import { parseKafkaAdminUrl, type QueueCredentialProvider } from '../../../shared/queueprovider';
import { type KafkaTestServer, kafkaIsHere, kafkaProvider, startKafkaServer } from './harness';

jest.setTimeout(180_000);
const MINUTE_MS = 60_000;
const PREFIX = 'lhaaaaaaaa_';

const NAME = 'users of a probe that was killed go at the next look, those of one that may be going on stay';
if (!kafkaIsHere()) test.skip(`${NAME}: skipped: no server`, () => {});
else
  test(NAME, async () => {
    const young = await made(newProbeUser(Date.now() - MINUTE_MS));
    for (const _look of ['the probe', 'a look after it']) {
      const old = await made(newProbeUser(Date.now() - 10 * MINUTE_MS));
      expect(await onKafka({ url: server.adminUrl, prefix: PREFIX })).toEqual([`user ${old}`]);
      await provider.prepareServer('test');
      await becomes([young]);
      expect(await onKafka({ url: server.adminUrl, prefix: PREFIX })).toEqual([]);
    }
  });

let server: KafkaTestServer;
let provider: QueueCredentialProvider;
let cluster: KafkaCluster;
beforeAll(async () => {
  if (!kafkaIsHere()) return;
  server = await startKafkaServer();
  provider = kafkaProvider(server);
  cluster = new KafkaCluster('test', parseKafkaAdminUrl(server.adminUrl));
});
afterAll(async () => {
  await cluster?.close();
  await provider?.close();
  await server?.destroy();
});

async function made(user: string): Promise<string> {
  const upsertion = await scramUpsertion(user, 'a password');
  await cluster.anyBroker((connection) => alterUserScramCredentialsV0.api.async(connection, [], [upsertion]));
  await becomes([user], { atLeast: true });
  return user;
}

/** A broker hears of a change a little after it is answered. */
async function becomes(users: string[], { atLeast = false } = {}): Promise<void> {
  for (const deadline = Date.now() + 30_000; ; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const seen = await scramUsers(cluster);
    if (users.every((user) => seen.includes(user)) && (atLeast || seen.length === users.length)) return;
    if (Date.now() > deadline) expect(seen).toEqual(users);
  }
}
