// The platform's own bookkeeping: the two doors to a resource's row, and the stored credentials.
import type pg from 'pg';
import type { Keyring } from '../../shared/crypto';
import { createPrepareCredential } from './credentials';
import { createNotifier } from './notify';
import { createReserve } from './reserve';
import { createTransition } from './transition';
import type { PlatformActivities } from './types';

export { createCredentialReader, createFence } from './credentials';
export { RESOURCE_EVENTS_CHANNEL } from './notify';

export function createPlatformActivities(dependencies: {
  pool: pg.Pool;
  keyring: Keyring;
  installationId: string;
  poolTemplate: string;
}): PlatformActivities {
  const notify = createNotifier(dependencies.pool);
  return {
    reserve: createReserve({ ...dependencies, notify }),
    transition: createTransition({ ...dependencies, notify }),
    prepareCredential: createPrepareCredential(dependencies),
  };
}
