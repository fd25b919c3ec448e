// The contract of every kind, over object storage: a bucket of one's own, and a prefix of a shared one.
import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { canHaveSeaweedfs, type SeaweedfsServer, startSeaweedfs } from '../harness/seaweedfs';
import { describeBackendContract } from './backend.contract';
import { startStorageHarness } from './storage-harness';

const MODES = ['dedicated-bucket', 'prefix-scoped', 'prefix-scoped-temporary'] as const;

if (canHaveSeaweedfs()) {
  let server: SeaweedfsServer;
  beforeAll(async () => {
    server = await startSeaweedfs();
  });
  afterAll(() => server.stop());
  for (const mode of MODES)
    describeBackendContract(`storage (seaweedfs, ${mode})`, async () => startStorageHarness(server, mode), {
      connectionLimit: false,
      emptyHasBytes: false,
    });
} else {
  describe('storage keeps the backend contract', () => test.skip('skipped: no server', () => {}));
}
