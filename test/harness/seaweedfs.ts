// One SeaweedFS for the tests of a file, as the stack starts it, in a throw-away folder.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomBase32 } from '../../shared/crypto';
import { onPath } from '../../stack/fetch/run';
import { findFreePort } from '../../stack/ports';
import {
  SEAWEEDFS_PORTS,
  type SeaweedfsPort,
  seaweedfsAdminUrl,
  seaweedfsDefinition,
  seaweedfsSharedKey,
} from '../../stack/servers/seaweedfs';
import { findSeaweedfs } from '../../stack/servers/seaweedfs-binary';

export interface SeaweedfsServer {
  adminUrl: string;
  sharedKey: string;
  installationId: string;
  ports: Readonly<Record<SeaweedfsPort, number>>;
  home: string;
  /** Ends it by SIGKILL and starts it again on the same data. */
  crash: () => Promise<void>;
  stop: () => Promise<void>;
}

export const SEAWEEDFS_CACHE = process.env.LEASEHOLD_CACHE ?? join(__dirname, '../../.leasehold/cache');

/** Whether this machine has the server or could fetch it; tests that need it are skipped otherwise. */
export function canHaveSeaweedfs(): boolean {
  return Boolean(process.env.LEASEHOLD_WEED_BIN) || ['weed', 'python3'].some((name) => onPath(name).length > 0);
}

export async function startSeaweedfs(installationId = randomBase32(8)): Promise<SeaweedfsServer> {
  const { path: binary } = await findSeaweedfs({ cacheDir: SEAWEEDFS_CACHE, binary: process.env.LEASEHOLD_WEED_BIN });
  const home = mkdtempSync(join(tmpdir(), 'leasehold-weed-'));
  // As root the server runs as another user, who must reach its folder.
  chmodSync(home, 0o711);
  const taken: number[] = [];
  for (const _ of SEAWEEDFS_PORTS) taken.push(await findFreePort(taken));
  const ports = Object.fromEntries(SEAWEEDFS_PORTS.map((name, index) => [name, taken[index] ?? 0])) as Record<SeaweedfsPort, number>;
  const definition = seaweedfsDefinition({ home, binary, ports, installationId });
  let { launched } = await definition.start(() => {});
  return {
    adminUrl: seaweedfsAdminUrl({ home, ports }),
    sharedKey: seaweedfsSharedKey(home),
    installationId,
    ports,
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
