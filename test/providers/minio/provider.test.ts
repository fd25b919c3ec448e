// What every provider of storage credentials must do, over a real MinIO.
import { startStorageHarness } from '../../contract/storage-harness';
import { describeStorageProvider, skipStorageProvider } from '../../contract/storageprovider.contract';
import { hasMinio, type MinioServer, startMinio } from '../../harness/minio';

if (hasMinio()) {
  let starting: Promise<MinioServer> | undefined;
  const server = () => {
    starting ??= startMinio();
    return starting;
  };
  describeStorageProvider({
    name: 'minio',
    modes: ['dedicated-bucket', 'prefix-scoped', 'prefix-scoped-temporary', 'broker'],
    open: async (mode) => startStorageHarness(await server(), mode),
    close: async () => await (await server()).stop(),
  });
} else {
  skipStorageProvider('minio', 'no server');
}
