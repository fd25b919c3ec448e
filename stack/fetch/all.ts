import { mkdirSync } from 'node:fs';
import { oneLine } from '../errors';
import { findFerretdb } from '../servers/ferretdb';
import { findNats } from '../servers/nats-binary';
import { findRedis } from '../servers/redis-binary';
import { findSeaweedfs } from '../servers/seaweedfs-binary';
import type { Settings } from '../settings';
import { findTemporal } from '../temporal-fetch';

type Find = (settings: Settings) => Promise<{ version: string }>;

const PROGRAMS: Readonly<Record<string, Find>> = {
  temporal: ({ cacheDir, temporalBinary }) => findTemporal({ cacheDir, binary: temporalBinary }),
  redis: ({ cacheDir, redisBinary }) => findRedis({ cacheDir, binary: redisBinary }),
  nats: ({ cacheDir, natsBinary }) => findNats({ cacheDir, binary: natsBinary }),
  seaweedfs: ({ cacheDir, weedBinary }) => findSeaweedfs({ cacheDir, binary: weedBinary }),
  ferretdb: ({ cacheDir, ferretdbBinary }) => findFerretdb({ cacheDir, binary: ferretdbBinary }),
};

/**
 * Brings every program that `start` would fetch or build into the cache, side by side, and says a line for each.
 * @returns the names of those that cannot be had here
 */
export async function fetchAll(settings: Settings, say: (line: string) => void): Promise<string[]> {
  mkdirSync(settings.cacheDir, { recursive: true });
  const missing = await Promise.all(
    Object.entries(PROGRAMS).map(async ([name, find]) => {
      const began = Date.now();
      try {
        const { version } = await find(settings);
        say(`${name} ${version} is here (${((Date.now() - began) / 1000).toFixed(1)} s)`);
        return null;
      } catch (error) {
        say(`${name} cannot be had: ${oneLine(error)}`);
        return name;
      }
    }),
  );
  return missing.filter((name) => name !== null);
}
