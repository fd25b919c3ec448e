// Staying in: with a connection held open and used all the time while the access is taken away, or with a credential that ended.
import { setTimeout as sleep } from 'node:timers/promises';
import { fetchV15 } from '@platformatic/kafka';
import { isAnswer } from '../../../activities/queue/kafka/cluster';
import type { Attack } from '../attack';
import { eventually, mustRefuse, NOT_ALLOWED, type Outcome, produce, type Tenant, tenantOf, type World } from './world';

export function lifecycleAttacks(world: World): Attack[] {
  const { backend, server } = world.harness;
  const attack = (name: string, run: (tenant: Tenant) => Promise<Outcome>): Attack => ({
    name,
    run: async () => {
      const tenant = await world.made();
      try {
        return await run(tenant);
      } finally {
        await backend.deprovision(tenant.request);
      }
    },
  });
  const rotated = async ({ request }: Tenant) => {
    await backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
    await backend.retireCredential({ ...request, credentialVersion: 2, retireVersion: 1 });
  };
  return [
    attack('suspended, while it writes without pause', (tenant) => stops(tenant, write, () => backend.cut(tenant.request))),
    attack('suspended, while it reads without pause', (tenant) => stops(tenant, read, () => backend.cut(tenant.request))),
    attack('rotated and retired, while the old version writes', (tenant) => stops(tenant, write, () => rotated(tenant))),
    attack('rotated and retired, while the old version reads', (tenant) => stops(tenant, read, () => rotated(tenant))),
    attack('deleted, while it writes without pause', (tenant) => stops(tenant, write, () => backend.deprovision(tenant.request))),
    attack('read-only, while it writes without pause', (tenant) =>
      stops(tenant, write, () => backend.setReadOnly({ ...tenant.request, readOnly: true })),
    ),
    attack('retired, suspended and resumed: the old version again', async (tenant) => {
      await rotated(tenant);
      await backend.cut(tenant.request);
      await backend.restore({ ...tenant.request, credentialVersion: 2 });
      return mustRefuse(produce(tenant, tenant.topic), 'the old version writes');
    }),
    attack('deleted and made again under the same name: the old messages', async (tenant) => {
      await backend.deprovision(tenant.request);
      await backend.provision(tenant.request);
      const reborn = await tenantOf(world.harness, tenant.request);
      const offsets = await reborn.client.listOffsets({
        topics: [{ name: reborn.topic, partitions: [{ partitionIndex: 0, timestamp: -1n }] }],
      });
      await reborn.client.close();
      const end = offsets[0]?.partitions[0]?.offset;
      return end === 1n ? 'refused' : { breached: `the topic begins with ${end} messages` };
    }),
    attack('deleted, while it makes topics without pause', async (tenant) => {
      let count = 0;
      const making = async () => {
        count += 1;
        await tenant.client.createTopics({ topics: [`${tenant.place.prefix}n${count}`], partitions: 1, replicas: 1 });
      };
      const outcome = await stops(tenant, making, () => backend.deprovision(tenant.request));
      if (outcome !== 'refused') return outcome;
      const left = await backend.list('test');
      if (left.includes(tenant.request.objectName)) return { breached: 'something is left on the cluster' };
      // Its folders go a moment later.
      await eventually(async () => {
        const [folder] = server.folders(tenant.request.objectName);
        if (folder !== undefined) throw new Error(`left on disk: ${folder}`);
      });
      return 'refused';
    }),
  ];
}

const write = (tenant: Tenant): Promise<unknown> => produce(tenant, tenant.topic);

const read = async ({ connection, topicId }: Tenant): Promise<unknown> => {
  const partition = { partition: 0, currentLeaderEpoch: -1, fetchOffset: 0n, lastFetchedEpoch: -1, partitionMaxBytes: 1024 };
  return fetchV15.api.async(connection, 20, 1, 1024, 0, 0, -1, [{ topicId, partitions: [partition] }], [], '');
};

/** Once the verb has answered, nothing more gets through: over the very connection that did so until then. */
async function stops(tenant: Tenant, use: (tenant: Tenant) => Promise<unknown>, takeAway: () => Promise<void>): Promise<Outcome> {
  let done = 0;
  let isOver = false;
  const using = (async () => {
    while (!isOver) {
      await use(tenant).then(
        () => {
          done += 1;
        },
        () => sleep(5),
      );
    }
  })();
  await eventually(async () => {
    if (done < 3) throw new Error('it does nothing');
  });
  await takeAway();
  isOver = true;
  await using;
  const late = [...NOT_ALLOWED, 'UNKNOWN_TOPIC_ID', 'UNKNOWN_TOPIC_OR_PARTITION'];
  for (let time = 0; time < 5; time += 1) {
    const refused = await use(tenant).then(
      () => false,
      (error: unknown) => late.some((answer) => isAnswer(error, answer)) || String(error).includes('losed'),
    );
    if (!refused) return { breached: 'the old connection goes on' };
    await sleep(50);
  }
  return 'refused';
}
