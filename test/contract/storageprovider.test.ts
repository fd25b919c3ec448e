import { describe, jest, test } from '@jest/globals';
import { STORAGE_MODES } from '../../shared/storageprovider';
import { canHaveSeaweedfs, type SeaweedfsServer, startSeaweedfs } from '../harness/seaweedfs';
import { startStorageHarness } from './storage-harness';
import { describeStorageProvider } from './storageprovider.contract';

jest.setTimeout(60_000);

if (canHaveSeaweedfs()) {
  let starting: Promise<SeaweedfsServer> | undefined;
  const server = () => {
    starting ??= startSeaweedfs();
    return starting;
  };
  describeStorageProvider({
    name: 'seaweedfs',
    modes: STORAGE_MODES,
    open: async (mode) => startStorageHarness(await server(), mode),
    close: async () => await (await server()).stop(),
  });
} else {
  describe('storage providers', () => test.skip('skipped: no server', () => {}));
}
