import { PLAN_DEFAULTS } from '../plans/types';
import type { ResourceLimits } from '../resourcetype';
import type { QueueLimits, QueueUse } from './types';

const BYTES_PER_KB = 1024;
const BYTES_PER_MB = 1024 * BYTES_PER_KB;

/** What a queue has that was made before its plan had figures for these. */
export const QUEUE_DEFAULTS = {
  connections: PLAN_DEFAULTS.queueConnections,
  streams: PLAN_DEFAULTS.queueStreams,
  consumersPerStream: PLAN_DEFAULTS.queueConsumersPerStream,
  messageBytes: PLAN_DEFAULTS.queueMessageKb * BYTES_PER_KB,
} as const;

export function queueLimits(limits: ResourceLimits): QueueLimits {
  return {
    storageBytes: limits.storageMb === undefined ? -1 : limits.storageMb * BYTES_PER_MB,
    connections: limits.connections ?? QUEUE_DEFAULTS.connections,
    streams: limits.streams ?? QUEUE_DEFAULTS.streams,
    consumersPerStream: limits.consumersPerStream ?? QUEUE_DEFAULTS.consumersPerStream,
    messageBytes: limits.messageKb === undefined ? QUEUE_DEFAULTS.messageBytes : limits.messageKb * BYTES_PER_KB,
  };
}

const rankOf = (limit: number): number => (limit < 0 ? Number.POSITIVE_INFINITY : limit);

/** Whether what the server keeps could be more than these limits allow, which were `before`. */
export function isShrunk(limits: QueueLimits, before: QueueLimits): boolean {
  return (['storageBytes', 'streams', 'consumersPerStream'] as const).some((name) => rankOf(limits[name]) < rankOf(before[name]));
}

/** As the plan has it, but never less than what is there: a server that starts with less than that leaves streams out. */
export function limitsAtLeast(limits: QueueLimits, use: QueueUse): QueueLimits {
  const atLeast = (limit: number, used: number): number => (limit < 0 ? limit : Math.max(limit, used));
  return {
    ...limits,
    storageBytes: atLeast(limits.storageBytes, use.reservedBytes),
    streams: atLeast(limits.streams, use.streams),
    consumersPerStream: atLeast(limits.consumersPerStream, use.consumersOfLargest),
  };
}
