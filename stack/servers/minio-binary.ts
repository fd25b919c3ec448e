// MinIO's program: its makers publish no more binaries, so it is built once from its Go module, unchanged.
import { join } from 'node:path';
import { StackError } from '../errors';
import { type BuildOptions, type BuiltProgram, buildOnce, type GoProgram } from '../fetch/go';
import { onPath, run } from '../fetch/run';

const MODULE = 'github.com/minio/minio';
/** Of the commit that go.mod names. */
const VERSION = '2026-02-12T20-18-48Z';
/** The first whose admin API ends single users' sessions. */
const OLDEST = '2025-05-24';

interface FindOptions extends BuildOptions {
  cacheDir: string;
  /** LEASEHOLD_MINIO_BIN. */
  binary?: string;
}

/**
 * The server named by the environment, else one on PATH that is new enough, else the cached one, else built: two minutes and more.
 * @throws StackError with the remedy
 */
export async function findMinio(options: FindOptions): Promise<BuiltProgram> {
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
  return await buildOnce(builtMinio(options.cacheDir), PROGRAM, options);
}

/** Where a build ends up. */
export function builtMinio(cacheDir: string): string {
  return join(cacheDir, `minio-${VERSION}-${process.platform}-${process.arch}`, 'minio');
}

const PROGRAM: GoProgram = {
  name: 'MinIO',
  version: VERSION,
  oldestGo: [1, 25],
  remedy: 'give LEASEHOLD_MINIO_BIN, or LEASEHOLD_MINIO_ADMIN_URL of a server',
  source: 'minio',
  versionOf,
  async build({ work, go }) {
    // No release, and it says so; without the tag it would not say which.
    const link = `-s -w -X ${MODULE}/cmd.ReleaseTag=MODULE.${VERSION}`;
    await go('build', '-mod=readonly', '-trimpath', '-buildvcs=false', `-ldflags=${link}`, '-o', 'minio', MODULE);
    return join(work, 'minio');
  },
};

/** Without the word before it: releases are named by their moment. It does not even say it without a home. */
async function versionOf(path: string): Promise<string | undefined> {
  const output = await run(path, ['--version'], { env: { HOME: '/nonexistent' } }).catch(() => '');
  return /^minio version \w+\.(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)/m.exec(output)?.[1];
}
