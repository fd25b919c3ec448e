// Finds RabbitMQ and the Erlang that it runs on, or unpacks both once from the distribution's packages.
import { chmodSync, existsSync, mkdirSync, readdirSync, realpathSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { oneLine, StackError } from '../errors';
import { fetchDebianPackage } from '../fetch/deb';
import { onPath, run } from '../fetch/run';

const MINIMUM = [3, 10] as const;

export interface RabbitmqBinary {
  /** The script that puts the server's command line together, and gives its place to it. */
  path: string;
  /** Of `erl`, which the script looks for on PATH. */
  erlangFolder: string;
  version: string;
  /** Set when it was downloaded by this call. */
  fetchedSeconds?: number;
}

interface FindOptions {
  cacheDir: string;
  /** LEASEHOLD_RABBITMQ_SERVER_BIN. */
  binary?: string;
  signal?: AbortSignal;
  onFetch?: (what: string) => void;
}

/**
 * The server named by the environment, else one on PATH that is new enough, else the distribution's package, unpacked into the cache.
 * @throws StackError with the remedy
 */
export async function findRabbitmq(options: FindOptions): Promise<RabbitmqBinary> {
  const [erl] = onPath('erl');
  if (options.binary) {
    const path = scriptOf(options.binary);
    const version = path === undefined ? undefined : versionOf(path);
    if (path === undefined || version === undefined)
      throw new StackError(`LEASEHOLD_RABBITMQ_SERVER_BIN=${options.binary} is no rabbitmq-server: point it at sbin/rabbitmq-server`);
    if (!isNewEnough(version))
      throw new StackError(`LEASEHOLD_RABBITMQ_SERVER_BIN is version ${version}: ${MINIMUM.join('.')} or newer is needed`);
    if (erl === undefined) throw new StackError('LEASEHOLD_RABBITMQ_SERVER_BIN is given, but there is no erl on PATH: install Erlang');
    return { path, version, erlangFolder: dirname(erl) };
  }
  for (const found of erl === undefined ? [] : onPath('rabbitmq-server')) {
    const path = scriptOf(found);
    const version = path === undefined ? undefined : versionOf(path);
    if (path !== undefined && version !== undefined && isNewEnough(version)) return { path, version, erlangFolder: dirname(erl ?? '') };
  }
  try {
    return await fromPackage(options);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw new StackError(
      `no RabbitMQ: install rabbitmq-server ${MINIMUM.join('.')} or newer, or give LEASEHOLD_RABBITMQ_ADMIN_URL (${oneLine(error)})`,
    );
  }
}

/** Debian's command on PATH changes the user and cannot be told where to write; what it calls can. */
function scriptOf(found: string): string | undefined {
  if (!existsSync(found)) return undefined;
  const real = realpathSync(found);
  const script = real.endsWith('rabbitmq-script-wrapper') ? join(dirname(real), 'rabbitmq-server') : real;
  return existsSync(script) ? realpathSync(script) : undefined;
}

/** From what lies beside it: the server's own commands would start a whole Erlang to tell it. */
function versionOf(script: string): string | undefined {
  const plugins = join(dirname(dirname(script)), 'plugins');
  if (!existsSync(plugins)) return undefined;
  return readdirSync(plugins)
    .map((name) => /^rabbit-(\d+\.\d+\.\d+)/.exec(name)?.[1])
    .find((version) => version !== undefined);
}

function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1]);
}

async function fromPackage({ cacheDir, signal, onFetch }: FindOptions): Promise<RabbitmqBinary> {
  const { root, fetchedSeconds } = await fetchDebianPackage({
    cacheDir,
    packages: ['rabbitmq-server'],
    targetName: 'rabbitmq',
    onFetch,
    signal,
  });
  const path = scriptOf(join(root, 'usr/lib/rabbitmq/bin/rabbitmq-server'));
  const version = path === undefined ? undefined : versionOf(path);
  if (path === undefined || version === undefined) throw new StackError(`${root} holds no server: delete it`);
  if (!isNewEnough(version)) throw new StackError(`the distribution has version ${version}`);
  const erlangFolder = join(root, 'leasehold');
  await writeErl(root, erlangFolder);
  return { path, version, erlangFolder, fetchedSeconds };
}

/** The package's own `erl` knows no place but /usr/lib/erlang. Paths are found from the script's: a cache may be copied. */
async function writeErl(root: string, folder: string): Promise<void> {
  const script = join(folder, 'erl');
  if (existsSync(script)) return;
  mkdirSync(folder, { recursive: true });
  const fresh = `${script}.${process.pid}`;
  writeFileSync(
    fresh,
    [
      '#!/bin/sh',
      'ROOTDIR="$(cd "$(dirname "$0")/../usr/lib/erlang" && pwd)"',
      'BINDIR="$(echo "$ROOTDIR"/erts-*/bin)"',
      'EMU=beam',
      'PROGNAME=erl',
      'export ROOTDIR BINDIR EMU PROGNAME',
      'exec "$BINDIR/erlexec" "$@"',
      '',
    ].join('\n'),
  );
  chmodSync(fresh, 0o755);
  // Another start may be running it.
  renameSync(fresh, script);
  await run(script, ['-noshell', '-eval', 'erlang:halt()']).catch((error: unknown) => {
    throw new StackError(`the Erlang in ${root} does not run here: ${oneLine(error)}`);
  });
}
