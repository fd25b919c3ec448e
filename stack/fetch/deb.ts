import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { processEnvironment } from '../../shared/config';
import { StackError } from '../errors';
import { onPath, run } from './run';

export interface DebianFiles {
  /** The packages' files lie below it as they would below `/`. */
  root: string;
  fetchedSeconds?: number;
}

export interface DebianOptions {
  cacheDir: string;
  /** Tried in turn; the first that this system's package lists know is taken, with what it needs and the system lacks. */
  packages: string[];
  /** Of the folder in the cache. */
  targetName: string;
  onFetch?: (packages: string) => void;
  signal?: AbortSignal;
}

/** Unpacks a package of the system's own distribution into the cache: nothing is installed, and no right to install is needed. apt checks the signatures. */
export async function fetchDebianPackage(options: DebianOptions): Promise<DebianFiles> {
  const { cacheDir, targetName, signal } = options;
  const root = join(cacheDir, `${targetName}-debian-${process.arch}`);
  if (existsSync(root)) return { root };
  if (onPath('apt-get').length === 0 || onPath('dpkg').length === 0) throw new StackError('apt-get and dpkg are not here');
  options.onFetch?.(options.packages[0] ?? '');
  const started = Date.now();
  mkdirSync(cacheDir, { recursive: true });
  const work = mkdtempSync(join(cacheDir, `${targetName}-fetch-`));
  try {
    const apt = new Apt(work, signal);
    const needed = await apt.resolve(options.packages);
    await apt.download(needed);
    const unpacked = join(work, 'root');
    mkdirSync(unpacked);
    for (const file of readdirSync(work).filter((name) => name.endsWith('.deb')))
      await run('dpkg', ['-x', join(work, file), unpacked], { signal });
    // Whoever runs the binaries may be another user.
    chmodSync(unpacked, 0o755);
    keepFirst(unpacked, root);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { root, fetchedSeconds: (Date.now() - started) / 1000 };
}

/** Another process may have put its own there meanwhile; then that one stays. */
function keepFirst(unpacked: string, root: string): void {
  try {
    renameSync(unpacked, root);
  } catch (error) {
    if (!existsSync(root)) throw error;
  }
}

class Apt {
  private lists: string[] = [];

  constructor(
    private readonly work: string,
    private readonly signal?: AbortSignal,
  ) {}

  /** The first known package and what else would be installed with it. */
  async resolve(packages: string[]): Promise<string[]> {
    let last: unknown;
    for (const refresh of [false, true]) {
      // A fresh system has no package lists, and only root may fetch the system's own: then there are lists of ours.
      if (refresh) await this.fetchLists();
      for (const name of packages) {
        try {
          return await this.simulate(name);
        } catch (error) {
          last = error;
        }
      }
    }
    throw last;
  }

  private async simulate(name: string): Promise<string[]> {
    const output = await this.apt(['install', '--simulate', '--no-install-recommends', '--reinstall', name]);
    const needed = [...output.matchAll(/^Inst (\S+)/gm)].map((match) => match[1] ?? '');
    if (needed.length === 0) throw new StackError(`apt-get names nothing to download for ${name}`);
    return needed;
  }

  async download(packages: string[]): Promise<void> {
    await this.apt(['download', ...packages]);
  }

  private async fetchLists(): Promise<void> {
    const lists = join(this.work, 'lists');
    const cache = join(this.work, 'cache');
    for (const folder of [lists, cache]) mkdirSync(join(folder, 'partial'), { recursive: true });
    this.lists = ['-o', `Dir::State::Lists=${lists}`, '-o', `Dir::Cache=${cache}`, '-o', `Dir::Cache::Archives=${cache}`];
    await this.apt(['update', '-qq']);
  }

  private apt(args: string[]): Promise<string> {
    const ours = ['-o', 'Debug::NoLocking=true', '-o', 'APT::Sandbox::User=', ...this.lists];
    return run('apt-get', [...ours, ...args], {
      cwd: this.work,
      signal: this.signal,
      env: { ...processEnvironment(), LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' },
    });
  }
}
