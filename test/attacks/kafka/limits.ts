// More than one may have. Each attack has a resource of its own: what it uses up stays used up for a while.
import { createTopicsV7 } from '@platformatic/kafka';
import type { Attack } from '../attack';
import { mustRefuse, type Outcome, produce, type Tenant, type World } from './world';

const MB = 1024 * 1024;
const POLICY = ['POLICY_VIOLATION'];
/** The rate holds over eleven seconds: this is more than fits into them, and into those after them, on a busy machine, too. */
const MESSAGES_OVER_RATE = 160;

export function limitAttacks(world: World): Attack[] {
  const attack = (name: string, run: (tenant: Tenant) => Promise<Outcome>): Attack => ({
    name,
    run: async () => {
      const tenant = await world.made();
      try {
        return await run(tenant);
      } finally {
        await world.harness.backend.deprovision(tenant.request);
      }
    },
  });
  const makes = (name: string, config: { name: string; value: string } | null, numPartitions = 1): Attack =>
    attack(name, (tenant) => mustRefuse(makeTopic(tenant, 'more', numPartitions, config), 'it was made', POLICY));
  return [
    makes('a topic of more partitions than the policy has', null, 13),
    makes('a topic that is kept for ever', { name: 'retention.ms', value: '-1' }),
    makes('a topic of any size', { name: 'retention.bytes', value: '-1' }),
    makes('a topic that is only compacted', { name: 'cleanup.policy', value: 'compact' }),
    attack('a topic that is compacted and deleted can be made', async (tenant) => {
      await makeTopic(tenant, 'more', 1, { name: 'cleanup.policy', value: 'compact,delete' });
      return 'refused';
    }),
    makes('a topic of messages of any size', { name: 'max.message.bytes', value: '100000000' }),
    makes('a topic of a file for each message', { name: 'segment.ms', value: '1' }),
    makes('a topic that is written to disk message by message', { name: 'flush.messages', value: '1' }),
    makes('a topic that stays on disk after it is deleted', { name: 'file.delete.delay.ms', value: '9000000000' }),
    attack('a message over the limit', (tenant) =>
      mustRefuse(produce(tenant, tenant.topic, 'x'.repeat(2 * MB)), 'it was taken', ['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE']),
    ),
    attack('partitions without pause', async (tenant) => {
      for (let count = 0; count < 30; count += 1) {
        const outcome = await mustRefuse(makeTopic(tenant, `n${count}`, 12, null), 'made', ['THROTTLING_QUOTA_EXCEEDED']);
        if (outcome === 'refused') return 'refused';
      }
      return { breached: '360 partitions at once' };
    }),
    attack('bytes over the rate', async (tenant) => {
      const value = 'x'.repeat(MB - 10_000);
      for (let count = 0; count < MESSAGES_OVER_RATE; count += 1) if ((await produce(tenant, tenant.topic, value)) > 0) return 'refused';
      return { breached: `${MESSAGES_OVER_RATE} MB without a pause` };
    }),
  ];
}

function makeTopic({ connection, place }: Tenant, name: string, numPartitions: number, config: { name: string; value: string } | null) {
  const topic = { name: `${place.prefix}${name}`, numPartitions, replicationFactor: 1, assignments: [], configs: config ? [config] : [] };
  return createTopicsV7.api.async(connection, [topic], 20_000, false);
}
