// From an open server to an account of its own, over activities that answer what the path needs.
import { ApplicationFailure } from '@temporalio/common';
import type { QueueIsolation } from '../../activities/backend';
import type { PlatformActivities } from '../../activities/platform/types';
import { isolateUpdate } from '../../workflows/resource/messages';
import { createLifecycle, startResource, testSpec } from '../harness/lifecycle';
import type { Path } from './paths';

const meta = { actor: { type: 'operator', id: 'operator' }, requestId: 'request' } as const;

function isolation(copyToIsolated: QueueIsolation['copyToIsolated'], refused = false): Path {
  return async (stage) => {
    const { backendName } = stage.database;
    const chooseIsolation: PlatformActivities['chooseIsolation'] = async () =>
      refused ? { outcome: 'refused', code: 'no_capacity', message: 'full' } : { outcome: 'target', backendName };
    const lifecycle = await createLifecycle(stage);
    await lifecycle.startWorkers({ wrap: (known) => ({ ...known, chooseIsolation, copyToIsolated }) });
    const { handle, workflowId } = await startResource(lifecycle.client, testSpec());
    await handle.executeUpdate(isolateUpdate, { args: [meta] }).catch(() => undefined);
    await handle.signal('delete', { ...meta, reason: 'test' });
    await handle.result();
    return { workflowId, client: lifecycle.client, close: lifecycle.close };
  };
}

export const ISOLATION_PATHS: Readonly<Record<string, Path>> = {
  isolated: isolation(async () => ({ auth_mode: 'isolated' })),
  'isolation-abandoned': isolation(async () => {
    throw ApplicationFailure.nonRetryable('no', 'ProviderMisconfigured');
  }),
  'isolation-refused': isolation(async () => ({}), true),
};
