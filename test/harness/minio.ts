// One MinIO for the tests of a file, as the stack starts it, in a throw-away folder.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { randomBase32 } from '../../shared/crypto';
import { onPath } from '../../stack/fetch/run';
import { findFreePort } from '../../stack/ports';
import { minioAdminUrl, minioDefinition } from '../../stack/servers/minio';
import { builtMinio, findMinio } from '../../stack/servers/minio-binary';
import type { StoreUnderTest } from '../contract/storage-harness';
import { makeServerHome, startOwnServer } from './own-server';

export interface MinioServer extends StoreUnderTest {
  home: string;
  /** Ends it by SIGKILL and starts it again on the same data. */
  crash: () => Promise<void>;
  stop: () => Promise<void>;
}

const CACHE = process.env.LEASEHOLD_CACHE ?? join(__dirname, '../../.leasehold/cache');

/** Whether it is here: no test waits for the minutes that a build takes. */
export function hasMinio(): boolean {
  return Boolean(process.env.LEASEHOLD_MINIO_BIN) || onPath('minio').length > 0 || existsSync(builtMinio(CACHE));
}

export async function startMinio(installationId = randomBase32(8)): Promise<MinioServer> {
  const { path: binary } = await findMinio({ cacheDir: CACHE, binary: process.env.LEASEHOLD_MINIO_BIN });
  const home = makeServerHome('minio');
  const port = await findFreePort([]);
  const definition = minioDefinition({ home, binary, port });
  const server = await startOwnServer(definition, { home, graceMs: 8_000 });
  return {
    adminUrl: minioAdminUrl({ home, port }),
    installationId,
    options: { provider: 'minio' },
    home,
    crash: async () => {
      await server.kill();
      await server.start();
    },
    stop: () => server.destroy(),
  };
}
