import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { processEnvironment } from '../../shared/config';
import { oneLine, StackError } from '../errors';
import { assertGo } from '../fetch/go';
import { onPath, run } from '../fetch/run';
import { packageRoot } from '../paths';
import { PATCH, patchFerretdb } from './ferretdb-patch';

const VERSION = '1.24.0';
const MODULE = 'github.com/FerretDB/FerretDB';
/** As `versionOf` answers for what is built here. */
const BUILT = `${VERSION}+${PATCH}`;
const OLDEST_GO = [1, 22] as const;
const REMEDY = 'give LEASEHOLD_FERRETDB_BIN (built with our patch), or LEASEHOLD_MONGODB_ADMIN_URL of a MongoDB server';

export interface FerretdbBinary {
  path: string;
  version: string;
  /** Set when it was built by this call. */
  builtSeconds?: number;
}

interface FindOptions {
  cacheDir: string;
  /** LEASEHOLD_FERRETDB_BIN. */
  binary?: string;
  signal?: AbortSignal;
  /** Called before a build begins; never when the cache has it. */
  onBuild?: (version: string) => void;
}

/**
 * A FerretDB with our patch: named by the environment, else on PATH, else the cached one, else built once from its Go module: about two minutes.
 * @throws StackError with the remedy
 */
export async function findFerretdb(options: FindOptions): Promise<FerretdbBinary> {
  if (options.binary) {
    const version = await versionOf(options.binary);
    if (!version)
      throw new StackError(`LEASEHOLD_FERRETDB_BIN=${options.binary} does not run: point it at the ferretdb command, or unset it`);
    if (!isFit(version))
      throw new StackError(
        `LEASEHOLD_FERRETDB_BIN is FerretDB ${version}, which tenants could break out of: ${VERSION}+${PATCH} is needed`,
      );
    return { path: options.binary, version };
  }
  for (const path of onPath('ferretdb')) {
    const version = await versionOf(path);
    if (version && isFit(version)) return { path, version };
  }
  return await buildFerretdb(options);
}

/** Where a build ends up. */
export function builtFerretdb(cacheDir: string): string {
  return join(cacheDir, `ferretdb-${BUILT}-${process.platform}-${process.arch}`, 'ferretdb');
}

/** What go.sum lists, and nothing else: Go refuses a module whose content is another. */
async function buildFerretdb({ cacheDir, signal, onBuild }: FindOptions): Promise<FerretdbBinary> {
  const path = builtFerretdb(cacheDir);
  const folder = dirname(path);
  if (existsSync(path) && (await versionOf(path)) === BUILT) return { path, version: BUILT };
  await assertGo('FerretDB', OLDEST_GO, REMEDY, signal);
  onBuild?.(VERSION);
  const started = Date.now();
  mkdirSync(folder, { recursive: true });
  const work = mkdtempSync(join(folder, 'build-'));
  try {
    const built = await build(work, signal);
    chmodSync(built, 0o755);
    if ((await versionOf(built)) !== BUILT) throw new StackError(`the FerretDB that was built does not run here: ${REMEDY}`);
    renameSync(built, path);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof StackError) throw error;
    throw new StackError(`cannot build FerretDB ${VERSION} with Go (${oneLine(error)}): check the network, or ${REMEDY}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { path, version: BUILT, builtSeconds: (Date.now() - started) / 1000 };
}

async function build(work: string, signal?: AbortSignal): Promise<string> {
  const source = join(packageRoot(), 'stack', 'servers', 'ferretdb');
  for (const file of ['go.mod', 'go.sum', 'tools.go']) copyFileSync(join(source, file), join(work, file));
  const env = { ...processEnvironment(), GOFLAGS: '', GOWORK: 'off', GOTOOLCHAIN: 'local', CGO_ENABLED: '0' };
  const go = (...args: string[]) => run('go', args, { cwd: work, env, signal });
  await go('mod', 'vendor');
  patchFerretdb(source, join(work, 'vendor', MODULE));
  // FerretDB reads its own version from a file that releases have and modules lack, and panics without it.
  writeFileSync(join(work, 'vendor', MODULE, 'build', 'version', 'version.txt'), `v${VERSION}\n`);
  await go('build', '-mod=vendor', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', 'ferretdb', `${MODULE}/cmd/ferretdb`);
  return join(work, 'ferretdb');
}

function isFit(version: string): boolean {
  return version === BUILT;
}

async function versionOf(path: string): Promise<string | undefined> {
  const output = await run(path, ['--version'], { env: {} }).catch(() => '');
  const version = /^version: v?(\d+\.\d+\.\d+)/m.exec(output)?.[1];
  const patch = /^package: (leasehold-\d+)$/m.exec(output)?.[1];
  return version && patch ? `${version}+${patch}` : version;
}
