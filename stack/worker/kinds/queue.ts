// Queues for a process: each backend by its engine.
import { createQueueBackend } from '../../../activities/queue';
import { adminUrlOf, type CreateKind } from './types';

export const createQueueKind: CreateKind = (parts) =>
  createQueueBackend({
    ...parts.dependencies,
    adminUrlOf: (backendName) => adminUrlOf(parts, backendName),
    choiceOf: (backendName) => {
      const backend = parts.backends.find(({ name }) => name === backendName);
      if (!backend?.engine) return null;
      return { engine: backend.engine, authMode: backend.options.auth_mode === 'legacy_open' ? 'legacy_open' : 'isolated' };
    },
  });
