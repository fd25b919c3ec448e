// Queues for a process: each backend by its engine, and the way from an open server to an account of one's own.
import { createQueueBackend } from '../../../activities/queue';
import { createQueueIsolation } from '../../../activities/queue/isolation';
import type { QueueBackendChoice } from '../../../shared/queueprovider';
import { adminUrlOf, type CreateKind, type KindParts } from './types';

export const createQueueKind: CreateKind = (parts) => createQueueBackend({ ...parts.dependencies, ...placesOf(parts) });

/** @param fence whether a row still waits for a copy */
export function createIsolation(parts: KindParts, fence: Parameters<typeof createQueueIsolation>[0]['fence']) {
  return createQueueIsolation({ ...parts.dependencies, ...placesOf(parts), fence });
}

function placesOf(parts: KindParts) {
  return {
    adminUrlOf: (backendName: string) => adminUrlOf(parts, backendName),
    choiceOf: (backendName: string): QueueBackendChoice | null => {
      const backend = parts.backends.find(({ name }) => name === backendName);
      if (!backend?.engine) return null;
      return { engine: backend.engine, authMode: backend.options.auth_mode === 'legacy_open' ? 'legacy_open' : 'isolated' };
    },
  };
}
