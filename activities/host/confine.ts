// What this machine can hold a process back with: users, bubblewrap, the kernel's groups (cgroups), found by trying.
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ProviderMisconfigured, ProviderUnavailable } from '../errors';
import { systemFolders } from './launch';
import type { Confinement } from './types';

const run = promisify(execFile);
const GROUP_ROOT = '/sys/fs/cgroup';
const OURS = 'leasehold';
/** Against 1024 of everything else: tenants share what is left over, each the same. */
const CPU_SHARES = '64';

/** The groups of one host: a folder of its own in each hierarchy, a folder in it for each object. */
export interface Groups {
  readonly version: 'cgroup-v1' | 'cgroup-v2';
  /** Makes the object's group with these limits; answers the files to join it by. */
  prepare(objectName: string, limits: { memoryBytes: number; processes: number }): string[];
  setMemory(objectName: string, memoryBytes: number): void;
  /** Kills whatever is left in it. Resolves when nothing is. */
  kill(objectName: string): Promise<void>;
  remove(objectName: string): void;
  /** The host's own, where nothing is in it any more. */
  removeIfEmpty(): void;
}

/** Null where the groups are not ours to write. */
export function openGroups(hostName: string): Groups | null {
  return openVersion1(hostName) ?? openVersion2(hostName);
}

function openVersion1(hostName: string): Groups | null {
  try {
    const base = (controller: string) => join(GROUP_ROOT, controller, OURS, hostName);
    for (const controller of ['memory', 'pids']) {
      if (!existsSync(join(GROUP_ROOT, controller, 'cgroup.procs'))) return null;
      mkdirSync(base(controller), { recursive: true });
      // It may be there already, and another user's.
      accessSync(base(controller), constants.W_OK);
    }
    const controllers = ['memory', 'pids'];
    if (existsSync(join(GROUP_ROOT, 'cpu', 'cpu.shares'))) controllers.push('cpu');
    return groups('cgroup-v1', controllers.map(base), (folder, limits) => {
      const set = (file: string, value: string) => existsSync(join(folder, file)) && writeFileSync(join(folder, file), value);
      if (limits.memoryBytes !== undefined) setVersion1Memory(folder, limits.memoryBytes);
      if (limits.processes !== undefined) {
        set('pids.max', String(limits.processes));
        set('cpu.shares', CPU_SHARES);
      }
    });
  } catch {
    return null;
  }
}

/** Memory and memory with swap: the second must never be the smaller one, so the order depends on the direction. */
function setVersion1Memory(folder: string, bytes: number): void {
  const [memory, withSwap] = [join(folder, 'memory.limit_in_bytes'), join(folder, 'memory.memsw.limit_in_bytes')];
  if (!existsSync(memory)) return;
  const before = Number(readFileSync(memory, 'utf8'));
  const files = existsSync(withSwap) ? [memory, withSwap] : [memory];
  for (const file of bytes > before ? files.reverse() : files) writeFileSync(file, String(bytes));
}

function openVersion2(hostName: string): Groups | null {
  try {
    if (!existsSync(join(GROUP_ROOT, 'cgroup.subtree_control'))) return null;
    const host = join(GROUP_ROOT, OURS, hostName);
    mkdirSync(host, { recursive: true });
    for (const folder of [GROUP_ROOT, join(GROUP_ROOT, OURS), host]) {
      const controllers = existsSync(join(folder, 'cpu.weight')) || folder === GROUP_ROOT ? '+memory +pids +cpu' : '+memory +pids';
      writeFileSync(join(folder, 'cgroup.subtree_control'), controllers);
    }
    return groups('cgroup-v2', [host], (folder, limits) => {
      const set = (file: string, value: string) => existsSync(join(folder, file)) && writeFileSync(join(folder, file), value);
      if (limits.memoryBytes !== undefined) {
        writeFileSync(join(folder, 'memory.max'), String(limits.memoryBytes));
        set('memory.swap.max', '0');
      }
      if (limits.processes !== undefined) {
        writeFileSync(join(folder, 'pids.max'), String(limits.processes));
        set('cpu.weight', '6');
      }
    });
  } catch {
    return null;
  }
}

type SetLimits = (folder: string, limits: { memoryBytes?: number; processes?: number }) => void;

function groups(version: Groups['version'], bases: string[], setLimits: SetLimits): Groups {
  const foldersOf = (objectName: string) => bases.map((base) => join(base, objectName));
  const members = (objectName: string) => [...new Set(foldersOf(objectName).flatMap(readMembers))];
  return {
    version,
    prepare: (objectName, { memoryBytes, processes }) =>
      foldersOf(objectName).map((folder) => {
        mkdirSync(folder, { recursive: true });
        // Two more: bubblewrap's watcher, and the thread that is about to end.
        setLimits(folder, { memoryBytes, processes: processes + 2 });
        return join(folder, 'cgroup.procs');
      }),
    setMemory: (objectName, memoryBytes) => {
      for (const folder of foldersOf(objectName)) if (existsSync(folder)) setLimits(folder, { memoryBytes });
    },
    kill: async (objectName) => {
      for (let look = 0; look < 200; look += 1) {
        const pids = members(objectName);
        if (pids.length === 0) return;
        for (const pid of pids) killQuietly(pid);
        await sleep(10);
      }
      throw new ProviderUnavailable(`processes of ${objectName} do not end`);
    },
    remove: (objectName) => {
      for (const folder of foldersOf(objectName)) if (existsSync(folder)) rmdirSync(folder);
    },
    removeIfEmpty: () => {
      for (const base of bases) {
        try {
          rmdirSync(base);
        } catch {
          // Objects live on in it.
        }
      }
    },
  };
}

function readMembers(folder: string): number[] {
  try {
    return readFileSync(join(folder, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone meanwhile: that is what was wanted.
  }
}

/** Everything that runs under a user of one object's own: also what left its group of processes. */
export async function killUser(uid: number): Promise<void> {
  const become = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
  // -1 = all that this user may signal, the caller excepted; there may be none.
  await run('setpriv', [...become, '/bin/sh', '-c', 'kill -KILL -1 2>/dev/null; exit 0'], { env: {} });
}

/** @throws ProviderMisconfigured when bubblewrap is asked for and does not work */
export async function findConfinement(options: { sandbox: 'auto' | 'bubblewrap' | 'none'; groups: Groups | null }): Promise<Confinement> {
  const ownUsers = process.getuid?.() === 0;
  const memory = options.groups?.version ?? 'watchdog';
  if (options.sandbox === 'none') return { ownUsers, sandbox: 'none', memory };
  const problem = await tryBubblewrap();
  if (problem === null) return { ownUsers, sandbox: 'bubblewrap', memory };
  if (options.sandbox === 'bubblewrap') throw new ProviderMisconfigured(`bubblewrap does not work here: ${problem}`);
  return { ownUsers, sandbox: 'none', memory };
}

async function tryBubblewrap(): Promise<string | null> {
  const drop = process.getuid?.() === 0 ? ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs'] : [];
  try {
    await run('bwrap', ['--unshare-ipc', '--unshare-uts', ...systemFolders(), '--dev', '/dev', '--tmpfs', '/tmp', '--', ...drop, 'true']);
    return null;
  } catch (error) {
    return error instanceof Error ? (error.message.trim().split('\n').at(-1) ?? '') : String(error);
  }
}
