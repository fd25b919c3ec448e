// What tenants' topics take of the brokers' disks.
import { describeLogDirsV4 } from '@platformatic/kafka';
import type { KafkaCluster } from './cluster';
import { ownerOf } from './names';

/** An empty partition's files on disk, so that a tenant's storage is the limit of its partitions too. */
export const PARTITION_BYTES = 16 * 1024;

/** By tenant. Of a partition's replicas the largest counts: how many there are is the operator's choice. */
export async function bytesOfTenants(cluster: KafkaCluster): Promise<Map<string, number>> {
  const answers = await cluster.everyBroker((connection) =>
    // Null asks for all topics, which the library's type leaves out.
    describeLogDirsV4.api.async(connection, null as unknown as []),
  );
  const partitions = new Map<string, { owner: string; bytes: number }>();
  for (const { results } of answers)
    for (const { topics } of results)
      for (const { name, partitions: found } of topics) {
        const owner = ownerOf(name);
        if (owner === null || !name.startsWith(`${owner}.`)) continue;
        for (const { partitionIndex, partitionSize } of found) {
          const key = `${name}/${partitionIndex}`;
          const bytes = Math.max(Number(partitionSize), partitions.get(key)?.bytes ?? 0);
          partitions.set(key, { owner, bytes });
        }
      }
  const totals = new Map<string, number>();
  for (const { owner, bytes } of partitions.values()) totals.set(owner, (totals.get(owner) ?? 0) + bytes + PARTITION_BYTES);
  return totals;
}
