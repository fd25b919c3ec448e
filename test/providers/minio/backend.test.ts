// The contract of every kind, over a bucket and over a prefix of a real MinIO.
import { afterAll, beforeAll, describe, test } from '@jest/globals';
import { describeBackendContract } from '../../contract/backend.contract';
import { startStorageHarness } from '../../contract/storage-harness';
import { hasMinio, type MinioServer, startMinio } from '../../harness/minio';

const MODES = ['dedicated-bucket', 'prefix-scoped', 'prefix-scoped-temporary'] as const;

if (hasMinio()) {
  let server: MinioServer;
  beforeAll(async () => {
    server = await startMinio();
  });
  afterAll(() => server.stop());
  for (const mode of MODES)
    describeBackendContract(`storage (minio, ${mode})`, async () => startStorageHarness(server, mode), {
      connectionLimit: false,
      emptyHasBytes: false,
    });
} else {
  describe('storage on minio keeps the backend contract', () => test.skip('skipped: no server', () => {}));
}
