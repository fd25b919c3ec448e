// The platform's own bookkeeping: the two doors to a resource's row, and the stored credentials.
import type pg from 'pg';
import type { Keyring } from '../../shared/crypto';
import type { Logger } from '../../shared/logctx';
import { createPrepareCredential } from './credentials';
import { createChooseIsolation } from './isolation';
import type { TransitionMetrics } from './lifecycle-metrics';
import { createNotifier } from './notify';
import { createReserve, type ReserveDependencies } from './reserve';
import { createTransition } from './transition';
import type { PlatformActivities } from './types';

export { createConnectionRecorder, createIssuedSecrets } from './connections';
export { createCredentialReader, createFence } from './credentials';
export { createCopyFence } from './isolation';
export { createNameLock } from './name-lock';

export function createPlatformActivities(dependencies: {
  pool: pg.Pool;
  keyring: Keyring;
  installationId: string;
  poolTemplateOf: ReserveDependencies['poolTemplateOf'];
  logger?: Logger;
  /** Told of each warm item that was taken, so that the pool makes the next one. */
  onClaimed?: (backendName: string) => void;
  onWritten?: TransitionMetrics;
}): PlatformActivities {
  const notify = createNotifier(dependencies.pool);
  const reserve = createReserve({ ...dependencies, notify });
  const transition = createTransition({ ...dependencies, notify });
  return {
    async reserve(request) {
      const answer = await reserve(request);
      if (answer.outcome === 'created' && answer.row.fromPool) dependencies.onClaimed?.(answer.row.backendName);
      dependencies.logger?.info('resource reserved', { outcome: answer.outcome, kind: request.spec.kind, tier: request.spec.policy.tier });
      return answer;
    },
    async transition(request) {
      const answer = await transition(request);
      const { row, event } = request;
      dependencies.logger?.info('resource changed', {
        event: event.type,
        status: row.status,
        revision: row.revision,
        outcome: answer.outcome,
      });
      return answer;
    },
    prepareCredential: createPrepareCredential(dependencies),
    chooseIsolation: createChooseIsolation(dependencies.pool),
  };
}
