import { mkdirSync } from 'node:fs';
import type { OptionalServer } from '../../shared/resourcetype';
import { oneLine, StackError } from '../errors';
import { findFerretdb } from '../servers/ferretdb';
import { findKafka } from '../servers/kafka-binary';
import { findMinio } from '../servers/minio-binary';
import { findNats } from '../servers/nats-binary';
import { findRabbitmq } from '../servers/rabbitmq-binary';
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

/** Fetched only when they are named. */
const OPTIONAL_PROGRAMS: Readonly<Partial<Record<OptionalServer, Find>>> = {
  kafka: ({ cacheDir, kafkaHome }) => findKafka({ cacheDir, kafkaHome }),
  minio: ({ cacheDir, minioBinary }) => findMinio({ cacheDir, binary: minioBinary }),
  rabbitmq: ({ cacheDir, rabbitmqBinary }) => findRabbitmq({ cacheDir, binary: rabbitmqBinary }),
};

/**
 * Brings programs that `start` would fetch or build into the cache, side by side, and says a line for each.
 * @param names none = the usual ones
 * @returns the names of those that cannot be had here
 */
export async function fetchPrograms(settings: Settings, names: readonly string[], say: (line: string) => void): Promise<string[]> {
  const known: Readonly<Record<string, Find>> = { ...PROGRAMS, ...OPTIONAL_PROGRAMS };
  const wanted = (names.length > 0 ? names : Object.keys(PROGRAMS)).map((name) => {
    const find = known[name];
    if (find === undefined) throw new StackError(`there is no program ${name} to fetch: name some of ${Object.keys(known).join(', ')}`);
    return { name, find };
  });
  mkdirSync(settings.cacheDir, { recursive: true });
  const missing = await Promise.all(
    wanted.map(async ({ name, find }) => {
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
