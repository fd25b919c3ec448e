// A lifecycle on a Temporal server of its own that suggests continue-as-new after a few dozen events instead of thousands.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Backend } from '../../activities/backend';
import { startTemporalServer } from '../../stack';
import type { TestDatabase } from './database';
import { createLifecycle, type Lifecycle } from './lifecycle';

export async function createRollingLifecycle(options: {
  database: TestDatabase;
  backend: Backend;
  suggestAfterEvents: number;
}): Promise<Lifecycle> {
  const dir = mkdtempSync(join(tmpdir(), 'leasehold-rolling-'));
  chmodSync(dir, 0o755);
  const server = await startTemporalServer({
    dir,
    cacheDir: process.env.LEASEHOLD_CACHE ?? join(__dirname, '../../.leasehold/cache'),
    namespace: 'leasehold',
    dynamicConfig: [
      `limit.historyCount.suggestContinueAsNew=${options.suggestAfterEvents}`,
      'frontend.WorkflowTimeSkippingEnabled=true',
      'history.timerProcessorMaxTimeShift="10ms"',
    ],
  });
  const lifecycle = await createLifecycle({ ...options, address: server.address, namespace: 'leasehold' });
  await lifecycle.startWorkers();
  const close = async () => {
    await lifecycle.close();
    await server.stop();
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  };
  return { ...lifecycle, close };
}
