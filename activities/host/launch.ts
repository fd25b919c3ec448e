// How a tenant's process is started: the chain of programs that each take something away before the next begins.
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readlinkSync } from 'node:fs';
import { dirname } from 'node:path';
import type { HostProcessSpec } from './types';

/** Another process of this object still runs. */
export const EXIT_ALREADY_RUNNING = 75;

export interface LaunchPlace {
  /** Held by the process itself for as long as it, or anything that it started, lives. */
  lockFile: string;
  /** Where the launcher writes who it is, before it becomes the process. */
  processFile: string;
  directory: string;
  configDirectory: string;
  /** cgroup.procs of each group to join. */
  groupFiles: readonly string[];
  /** Null = as the host worker's own user. */
  uid: number | null;
  sandboxed: boolean;
  /** Where no group caps the memory. */
  capAddressSpace: boolean;
}

/**
 * Joins the groups and says who it is, by one shell that becomes the next program: so there is no moment in which the process runs and
 * nobody could find it again.
 */
const ANNOUNCE = `
file=$1 digest=$2; shift 2
while [ "$1" != -- ]; do echo 0 > "$1" || exit 76; shift; done
shift
IFS= read -r boot < /proc/sys/kernel/random/boot_id
IFS= read -r stat < /proc/self/stat
printf '%s\\n%s\\n%s\\n' "$boot" "$digest" "$stat" > "$file" || exit 76
exec "$@"`;

/** Address space that a program maps without using it: libraries, stacks of its threads, arenas. */
const ADDRESS_SPACE_OVERHEAD_BYTES = 192 * 1024 * 1024;

/** The program and its arguments. No secret is among them. */
export function launchCommand(spec: HostProcessSpec, place: LaunchPlace): { command: string; args: string[] } {
  const announce = ['/bin/sh', '-c', ANNOUNCE, 'sh', place.processFile, specDigest(spec), ...place.groupFiles, '--'];
  const sandbox = place.sandboxed ? sandboxArguments(spec, place, systemFolders()) : [];
  const chain = [...announce, ...limitArguments(spec, place), ...sandbox, ...privilegeArguments(place), spec.command, ...spec.args];
  return {
    command: 'flock',
    args: ['--nonblock', '--no-fork', '--conflict-exit-code', String(EXIT_ALREADY_RUNNING), place.lockFile, ...chain],
  };
}

/** Equal for specs that the same running process serves: a new limit of memory is given to it while it runs, one of files at its next start. */
export function specDigest(spec: HostProcessSpec): string {
  const { memoryLimitBytes: _, maxFileBytes: __, ...rest } = spec;
  const environment = Object.entries(spec.environment).sort(([a], [b]) => (a < b ? -1 : 1));
  const fields = [rest.kind, rest.objectName, rest.command, rest.args, environment, rest.port, rest.maxProcesses, rest.maxOpenFiles];
  return createHash('sha256')
    .update(JSON.stringify([...fields, rest.readOnlyPaths ?? []]))
    .digest('hex');
}

export function limitArguments(spec: HostProcessSpec, place: Pick<LaunchPlace, 'uid' | 'capAddressSpace'>): string[] {
  const limits = ['--core=0', `--nofile=${spec.maxOpenFiles}`];
  if (spec.maxFileBytes !== undefined) limits.push(`--fsize=${spec.maxFileBytes}`);
  // Counted by user: for one that others share it would be theirs too.
  if (place.uid !== null) limits.push(`--nproc=${spec.maxProcesses}`);
  if (place.capAddressSpace) limits.push(`--as=${addressSpaceBytes(spec.memoryLimitBytes)}`);
  return ['prlimit', ...limits];
}

export function addressSpaceBytes(memoryLimitBytes: number): number {
  return memoryLimitBytes + ADDRESS_SPACE_OVERHEAD_BYTES;
}

function privilegeArguments({ uid }: LaunchPlace): string[] {
  const user = uid === null ? [] : [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];
  return ['setpriv', ...user, '--no-new-privs'];
}

/** A file system of the system's programs and libraries, the object's own two folders, and nothing else; no /proc. */
export function sandboxArguments(
  spec: Pick<HostProcessSpec, 'command' | 'readOnlyPaths'>,
  place: Pick<LaunchPlace, 'directory' | 'configDirectory'>,
  system: string[],
): string[] {
  const readOnly = [dirname(spec.command), ...(spec.readOnlyPaths ?? [])].filter((path) => !path.startsWith('/usr/'));
  const visible = [...readOnly, place.configDirectory];
  // Those it makes by itself nobody but root could pass through.
  const passages = foldersAbove([...visible, place.directory]).flatMap((path) => ['--perms', '0755', '--dir', path]);
  const binds = visible.flatMap((path) => ['--ro-bind', path, path]);
  const own = ['--bind', place.directory, place.directory, '--chdir', place.directory];
  const empty = ['--dev', '/dev', '--tmpfs', '/tmp', ...passages];
  return ['bwrap', '--unshare-ipc', '--unshare-uts', ...system, ...empty, ...binds, ...own, '--'];
}

/** Outermost first, without the ones that are there in any case. */
function foldersAbove(paths: string[]): string[] {
  const above = new Set<string>();
  for (const path of paths) {
    const parts = path.split('/').filter(Boolean);
    for (let length = 1; length < parts.length; length += 1) above.add(`/${parts.slice(0, length).join('/')}`);
  }
  for (const path of ['/tmp', '/usr']) above.delete(path);
  return [...above].sort((a, b) => a.length - b.length);
}

/** On most systems /bin and /lib are links into /usr. */
export function systemFolders(): string[] {
  const links = ['/bin', '/sbin', '/lib', '/lib64', '/lib32', '/libx32'].filter(existsSync).flatMap((path) => {
    return lstatSync(path).isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path];
  });
  const libraries = ['--perms', '0755', '--dir', '/etc', '--ro-bind-try', '/etc/ld.so.cache', '/etc/ld.so.cache'];
  return ['--ro-bind', '/usr', '/usr', ...links, ...libraries];
}
