import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from '../errors';
import { type BuildOptions, type BuiltProgram, buildOnce, type GoProgram } from '../fetch/go';
import { onPath, run } from '../fetch/run';
import { PATCH, patchFerretdb } from './ferretdb-patch';

const VERSION = '1.24.0';
const MODULE = 'github.com/FerretDB/FerretDB';
/** As `versionOf` answers for what is built here. */
const BUILT = `${VERSION}+${PATCH}`;

interface FindOptions extends BuildOptions {
  cacheDir: string;
  /** LEASEHOLD_FERRETDB_BIN. */
  binary?: string;
}

/**
 * A FerretDB with our patch: named by the environment, else on PATH, else the cached one, else built once from its Go module: about two minutes.
 * @throws StackError with the remedy
 */
export async function findFerretdb(options: FindOptions): Promise<BuiltProgram> {
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
  return await buildOnce(builtFerretdb(options.cacheDir), PROGRAM, options);
}

/** Where a build ends up. */
export function builtFerretdb(cacheDir: string): string {
  return join(cacheDir, `ferretdb-${BUILT}-${process.platform}-${process.arch}`, 'ferretdb');
}

const PROGRAM: GoProgram = {
  name: 'FerretDB',
  version: BUILT,
  oldestGo: [1, 22],
  remedy: 'give LEASEHOLD_FERRETDB_BIN (built with our patch), or LEASEHOLD_MONGODB_ADMIN_URL of a MongoDB server',
  source: 'ferretdb',
  versionOf,
  async build({ work, source, go }) {
    await go('mod', 'vendor');
    patchFerretdb(source, join(work, 'vendor', MODULE));
    // FerretDB reads its own version from a file that releases have and modules lack, and panics without it.
    writeFileSync(join(work, 'vendor', MODULE, 'build', 'version', 'version.txt'), `v${VERSION}\n`);
    await go('build', '-mod=vendor', '-trimpath', '-buildvcs=false', '-ldflags=-s -w', '-o', 'ferretdb', `${MODULE}/cmd/ferretdb`);
    return join(work, 'ferretdb');
  },
};

function isFit(version: string): boolean {
  return version === BUILT;
}

async function versionOf(path: string): Promise<string | undefined> {
  const output = await run(path, ['--version'], { env: {} }).catch(() => '');
  const version = /^version: v?(\d+\.\d+\.\d+)/m.exec(output)?.[1];
  const patch = /^package: (leasehold-\d+)$/m.exec(output)?.[1];
  return version && patch ? `${version}+${patch}` : version;
}
