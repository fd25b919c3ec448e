// MinIO's program: its makers publish no more binaries, so it is built once from its Go module, unchanged.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { processEnvironment } from '../../shared/config';
import { oneLine, StackError } from '../errors';
import { assertGo } from '../fetch/go';
import { onPath, run } from '../fetch/run';
import { packageRoot } from '../paths';

const MODULE = 'github.com/minio/minio';
/** Of the commit that go.mod names. */
const VERSION = '2026-02-12T20-18-48Z';
/** The first whose admin API ends single users' sessions. */
const OLDEST = '2025-05-24';
const OLDEST_GO = [1, 25] as const;
const REMEDY = 'give LEASEHOLD_MINIO_BIN, or LEASEHOLD_MINIO_ADMIN_URL of a server';

interface MinioBinary {
  path: string;
  version: string;
  /** Set when it was built by this call. */
  builtSeconds?: number;
}

interface FindOptions {
  cacheDir: string;
  /** LEASEHOLD_MINIO_BIN. */
  binary?: string;
  signal?: AbortSignal;
  /** Called before a build begins; never when the cache has it. */
  onBuild?: (version: string) => void;
}

/**
 * The server named by the environment, else one on PATH that is new enough, else the cached one, else built: two minutes and more.
 * @throws StackError with the remedy
 */
export async function findMinio(options: FindOptions): Promise<MinioBinary> {
  const { binary } = options;
  if (binary) {
    const version = await versionOf(binary);
    if (!version) throw new StackError(`LEASEHOLD_MINIO_BIN=${binary} does not run: point it at the minio command, or unset it`);
    if (version < OLDEST) throw new StackError(`LEASEHOLD_MINIO_BIN is MinIO of ${version}: one of ${OLDEST} or later is needed`);
    return { path: binary, version };
  }
  for (const path of onPath('minio')) {
    const version = await versionOf(path);
    if (version && version >= OLDEST) return { path, version };
  }
  return await buildMinio(options);
}

/** Where a build ends up. */
export function builtMinio(cacheDir: string): string {
  return join(cacheDir, `minio-${VERSION}-${process.platform}-${process.arch}`, 'minio');
}

async function buildMinio({ cacheDir, signal, onBuild }: FindOptions): Promise<MinioBinary> {
  const path = builtMinio(cacheDir);
  if (existsSync(path) && (await versionOf(path)) === VERSION) return { path, version: VERSION };
  await assertGo('MinIO', OLDEST_GO, REMEDY, signal);
  onBuild?.(VERSION);
  const started = Date.now();
  mkdirSync(dirname(path), { recursive: true });
  const work = mkdtempSync(join(dirname(path), 'build-'));
  try {
    const built = await build(work, signal);
    if ((await versionOf(built)) !== VERSION) throw new StackError(`the MinIO that was built does not run here: ${REMEDY}`);
    renameSync(built, path);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof StackError) throw error;
    throw new StackError(`cannot build MinIO ${VERSION} with Go (${oneLine(error)}): check the network, or ${REMEDY}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { path, version: VERSION, builtSeconds: (Date.now() - started) / 1000 };
}

/** What go.sum lists, and nothing else: Go refuses a module whose content is another. */
async function build(work: string, signal?: AbortSignal): Promise<string> {
  const source = join(packageRoot(), 'stack', 'servers', 'minio');
  for (const file of ['go.mod', 'go.sum', 'tools.go']) copyFileSync(join(source, file), join(work, file));
  const env = { ...processEnvironment(), GOFLAGS: '', GOWORK: 'off', GOTOOLCHAIN: 'local', CGO_ENABLED: '0' };
  // No release, and it says so; without the tag it would not say which.
  const link = `-s -w -X ${MODULE}/cmd.ReleaseTag=MODULE.${VERSION}`;
  await run('go', ['build', '-mod=readonly', '-trimpath', '-buildvcs=false', `-ldflags=${link}`, '-o', 'minio', MODULE], {
    cwd: work,
    env,
    signal,
  });
  return join(work, 'minio');
}

/** Without the word before it: releases are named by their moment. It does not even say it without a home. */
async function versionOf(path: string): Promise<string | undefined> {
  const output = await run(path, ['--version'], { env: { HOME: '/nonexistent' } }).catch(() => '');
  return /^minio version \w+\.(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)/m.exec(output)?.[1];
}
