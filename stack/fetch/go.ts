// Programs without a package, built once from their Go modules.
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { processEnvironment } from '../../shared/config';
import { oneLine, StackError } from '../errors';
import { packageRoot } from '../paths';
import { run } from './run';

export interface GoProgram {
  /** As people know it. */
  name: string;
  /** What the built program must answer to `versionOf`. */
  version: string;
  oldestGo: readonly [number, number];
  /** The other way to have the program. */
  remedy: string;
  /** The folder beside stack/servers' files with go.mod, go.sum and tools.go. */
  source: string;
  versionOf(path: string): Promise<string | undefined>;
  /** In a folder that holds these three files. @returns the built file */
  build(place: { work: string; source: string; go: (...args: string[]) => Promise<unknown> }): Promise<string>;
}

export interface BuiltProgram {
  path: string;
  version: string;
  /** Set when it was built by this call. */
  builtSeconds?: number;
}

export interface BuildOptions {
  signal?: AbortSignal;
  /** Called before a build begins; never when the cache has it. */
  onBuild?: (version: string) => void;
}

/**
 * The file at `path`, built first when it is not there. What go.sum lists, and nothing else: Go refuses a module whose content is another.
 * @throws StackError with the remedy
 */
export async function buildOnce(path: string, program: GoProgram, { signal, onBuild }: BuildOptions): Promise<BuiltProgram> {
  const { name, version, remedy, versionOf } = program;
  if (existsSync(path) && (await versionOf(path)) === version) return { path, version };
  await assertGo(name, program.oldestGo, remedy, signal);
  onBuild?.(version);
  const started = Date.now();
  mkdirSync(dirname(path), { recursive: true });
  const work = mkdtempSync(join(dirname(path), 'build-'));
  const source = join(packageRoot(), 'stack', 'servers', program.source);
  const env = { ...processEnvironment(), GOFLAGS: '', GOWORK: 'off', GOTOOLCHAIN: 'local', CGO_ENABLED: '0' };
  try {
    for (const file of ['go.mod', 'go.sum', 'tools.go']) copyFileSync(join(source, file), join(work, file));
    const built = await program.build({ work, source, go: (...args) => run('go', args, { cwd: work, env, signal }) });
    chmodSync(built, 0o755);
    if ((await versionOf(built)) !== version) throw new StackError(`the ${name} that was built does not run here: ${remedy}`);
    renameSync(built, path);
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof StackError) throw error;
    throw new StackError(`cannot build ${name} ${version} with Go (${oneLine(error)}): check the network, or ${remedy}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { path, version, builtSeconds: (Date.now() - started) / 1000 };
}

/**
 * The program that is here, or null while it is being built: minutes that nobody waits for. What became of the build is said when it ends.
 * @param find asks for it, with `onBuild` to be called before a build begins
 */
export async function foundOrBuilding(
  find: (onBuild: (version: string) => void) => Promise<BuiltProgram>,
  words: { building(version: string): string; built(program: BuiltProgram): string; failed(error: unknown): string },
  { say, signal }: { say: (line: string) => void; signal: AbortSignal },
): Promise<BuiltProgram | null> {
  let onBuild: (version: string) => void = () => {};
  const building = new Promise<null>((resolve) => {
    onBuild = (version) => {
      say(words.building(version));
      resolve(null);
    };
  });
  const found = find(onBuild);
  const first = await Promise.race([found, building]);
  if (first === null)
    found.then(
      (program) => say(words.built(program)),
      (error: unknown) => signal.aborted || say(words.failed(error)),
    );
  return first;
}

/** @throws StackError with the remedy */
async function assertGo(
  program: string,
  [oldestMajor, oldestMinor]: readonly [number, number],
  remedy: string,
  signal?: AbortSignal,
): Promise<void> {
  const oldest = `${oldestMajor}.${oldestMinor}`;
  const output = await run('go', ['env', 'GOVERSION'], { signal, env: processEnvironment() }).catch(() => null);
  if (output === null) throw new StackError(`${program} is built with Go, which is not here: install Go ${oldest} or newer, or ${remedy}`);
  const [major = 0, minor = 0] = (/^go(\d+)\.(\d+)/.exec(output) ?? []).slice(1).map(Number);
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  throw new StackError(`${program} is built with Go ${oldest} or newer, and here is ${output.trim()}: upgrade it, or ${remedy}`);
}
