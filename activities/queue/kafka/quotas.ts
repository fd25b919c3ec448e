// What one user may take of a cluster that tenants share. A broker slows down whoever takes more, it refuses only changes of topics.
import type { alterClientQuotasV1, ClientQuotaKeyValue } from '@platformatic/kafka';

const MB = 1024 * 1024;

/** Of each broker, but the last, which is of the cluster. Held over windows of a second, eleven of them: a burst may be that much higher. */
const KAFKA_QUOTAS = {
  producer_byte_rate: 4 * MB,
  consumer_byte_rate: 8 * MB,
  /** Of one thread's time. */
  request_percentage: 50,
  /** Partitions made or deleted in a second. */
  controller_mutation_rate: 5,
} as const;

export function quotaEntry(user: string, options: { remove: boolean }): alterClientQuotasV1.AlterClientQuotasRequestEntry {
  return {
    entities: [{ entityType: 'user', entityName: user }],
    ops: Object.entries(KAFKA_QUOTAS).map(([name, value]) => {
      // The library's list of names is shorter than the protocol's.
      const key = name as ClientQuotaKeyValue;
      return options.remove ? { key, remove: true } : { key, value, remove: false };
    }),
  };
}
