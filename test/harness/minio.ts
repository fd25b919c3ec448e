// One MinIO for the tests of a file, as the stack starts it, in a throw-away folder.
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBase32 } from '../../shared/crypto';
import { onPath } from '../../stack/fetch/run';
import { findFreePort } from '../../stack/ports';
import { minioAdminUrl, minioDefinition } from '../../stack/servers/minio';
import { builtMinio, findMinio } from '../../stack/servers/minio-binary';
import type { StoreUnderTest } from '../contract/storage-harness';

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
  const home = mkdtempSync(join(tmpdir(), 'leasehold-minio-'));
  // As root the server runs as another user, who must reach its folder.
  chmodSync(home, 0o711);
  const port = await findFreePort([]);
  const definition = minioDefinition({ home, binary, port });
  let { launched } = await definition.start(() => {});
  return {
    adminUrl: minioAdminUrl({ home, port }),
    installationId,
    options: { provider: 'minio' },
    home,
    crash: async () => {
      process.kill(launched.identity.pid, 'SIGKILL');
      await launched.exited;
      ({ launched } = await definition.start(() => {}));
    },
    stop: async () => {
      await definition.stop(launched.identity, 8_000);
      rmSync(home, { recursive: true, force: true });
    },
  };
}
