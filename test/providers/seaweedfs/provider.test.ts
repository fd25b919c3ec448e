import { STORAGE_MODES } from '../../../shared/storageprovider';
import { startStorageHarness } from '../../contract/storage-harness';
import { describeStorageProvider, skipStorageProvider } from '../../contract/storageprovider.contract';
import { canHaveSeaweedfs, type SeaweedfsServer, startSeaweedfs } from '../../harness/seaweedfs';

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
  skipStorageProvider('seaweedfs', 'no server');
}
