// What a RabbitMQ vhost says of its tenant. Its tags are the only state there is: every verb reads them, changes them, puts them back.
import type { QueueLimits } from './types';

export interface RabbitmqVhostState {
  /** -1 = not limited. */
  connections: number;
  storageBytes: number;
  queues: number;
  isCut: boolean;
  isReadOnly: boolean;
  /** The highest version ever issued: nothing below it comes back. */
  newestVersion: number;
  /** False until a first credential was issued to the end: what is in the vhost before is nobody's, and made anew. */
  isComplete: boolean;
}

const FIGURES = {
  connections: 'connections',
  storageBytes: 'storage-bytes',
  queues: 'queues',
  newestVersion: 'newest-credential',
} as const;
const FACTS = { isCut: 'cut', isReadOnly: 'read-only', isComplete: 'complete' } as const;

export function newRabbitmqVhost(limits: QueueLimits): RabbitmqVhostState {
  return { ...limitsOfVhost(limits), isCut: false, isReadOnly: false, newestVersion: 0, isComplete: false };
}

export function limitsOfVhost(limits: QueueLimits): Pick<RabbitmqVhostState, 'connections' | 'storageBytes' | 'queues'> {
  return { connections: limits.connections, storageBytes: limits.storageBytes, queues: limits.streams };
}

export function rabbitmqVhostTags(state: RabbitmqVhostState): string[] {
  const figures = Object.entries(FIGURES).map(([field, tag]) => `${tag}:${state[field as keyof typeof FIGURES]}`);
  const facts = Object.entries(FACTS).flatMap(([field, tag]) => (state[field as keyof typeof FACTS] ? [tag] : []));
  return [...figures, ...facts];
}

/** Null when the tags are none that this platform wrote. */
export function readRabbitmqVhostTags(tags: readonly string[]): RabbitmqVhostState | null {
  const figure = (tag: string): number | null => {
    const text = tags.find((candidate) => candidate.startsWith(`${tag}:`))?.slice(tag.length + 1) ?? '';
    return /^-?\d{1,15}$/.test(text) ? Number(text) : null;
  };
  const [connections, storageBytes] = [figure(FIGURES.connections), figure(FIGURES.storageBytes)];
  const [queues, newestVersion] = [figure(FIGURES.queues), figure(FIGURES.newestVersion)];
  if (connections === null || storageBytes === null || queues === null || newestVersion === null) return null;
  return {
    connections,
    storageBytes,
    queues,
    newestVersion,
    isCut: tags.includes(FACTS.isCut),
    isReadOnly: tags.includes(FACTS.isReadOnly),
    isComplete: tags.includes(FACTS.isComplete),
  };
}

/** A message counts as so much at least: what is beside its body is in the server's memory and on its disk, and in no limit of bytes. */
const LEAST_MESSAGE_BYTES = 1024;

export interface QueueShare {
  maxLengthBytes: number;
  maxLength: number;
}

/**
 * What one queue may hold. The server limits queues, not vhosts: so each has an equal share, and all that are allowed together do not come to
 * more than the storage. Null = not limited.
 */
export function queueShare({ storageBytes, queues }: Pick<RabbitmqVhostState, 'storageBytes' | 'queues'>): QueueShare | null {
  if (storageBytes < 0) return null;
  const maxLengthBytes = Math.floor(storageBytes / Math.max(1, queues));
  return { maxLengthBytes, maxLength: Math.ceil(maxLengthBytes / LEAST_MESSAGE_BYTES) };
}
