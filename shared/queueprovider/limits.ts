import type { ResourceLimits } from '../resourcetype';
import type { QueueLimits } from './types';

const BYTES_PER_MB = 1024 * 1024;

/** What a queue has where its plan says nothing of it. */
export const QUEUE_DEFAULTS = { connections: 25, streams: 10, consumersPerStream: 20, messageBytes: BYTES_PER_MB } as const;

export function queueLimits(limits: ResourceLimits): QueueLimits {
  return {
    storageBytes: limits.storageMb === undefined ? -1 : limits.storageMb * BYTES_PER_MB,
    connections: limits.connections ?? QUEUE_DEFAULTS.connections,
    streams: QUEUE_DEFAULTS.streams,
    consumersPerStream: QUEUE_DEFAULTS.consumersPerStream,
    messageBytes: QUEUE_DEFAULTS.messageBytes,
  };
}
