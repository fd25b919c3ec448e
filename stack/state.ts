import { randomBytes } from 'node:crypto';
import { existsSync, linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from './errors';
import { writePrivateFile } from './paths';
import { identify, isRunning, type ProcessIdentity } from './process-identity';

/** What must survive the supervisor: ports that were given out, and what runs, to be found again after a kill -9. */
export interface StackState {
  ports: Record<string, number>;
  processes: Record<string, ProcessIdentity>;
  control?: { port: number; token: string };
  /** The generated keys are shown once, at the first start that succeeded. */
  keysShown?: boolean;
  /** Where Postgres was put when its user cannot reach the home. */
  movedTo?: string;
}

const stateFile = (home: string) => join(home, 'state', 'stack.json');
const lockFile = (home: string) => join(home, 'state', 'lock.json');

export function readState(home: string): StackState {
  const empty: StackState = { ports: {}, processes: {} };
  try {
    return { ...empty, ...JSON.parse(readFileSync(stateFile(home), 'utf8')) };
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return empty;
    throw new StackError(`${stateFile(home)} cannot be read: restore it from a backup (it remembers the port of the tenants' databases)`);
  }
}

export function updateState(home: string, change: (state: StackState) => void): StackState {
  const state = readState(home);
  change(state);
  writePrivateFile(stateFile(home), `${JSON.stringify(state, null, 2)}\n`);
  return state;
}

/** The supervisor of this home, if one runs. */
export function findSupervisor(home: string): ProcessIdentity | undefined {
  const holder = readLock(lockFile(home));
  return holder && isRunning(holder) ? holder : undefined;
}

/** One supervisor a home. The lock is a hard link, made whole or refused, so two starts at the same moment cannot both win. */
export function acquireLock(home: string): { release: () => void } {
  mkdirSync(join(home, 'state'), { recursive: true, mode: 0o700 });
  const lock = lockFile(home);
  const mine = `${lock}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(mine, JSON.stringify(identify(process.pid)), { mode: 0o600 });
  try {
    for (let attempt = 0; attempt < 50; attempt += 1) {
      if (tryLink(mine, lock)) return { release: () => rmSync(lock, { force: true }) };
      const holder = readLock(lock);
      if (holder && isRunning(holder)) throw new StackError(`already running (pid ${holder.pid})`);
      removeStale(lock, holder);
    }
    throw new StackError(`cannot take ${lock}: remove it if no other start runs`);
  } finally {
    rmSync(mine, { force: true });
  }
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === 'EEXIST') return false;
    throw error;
  }
}

/** Between our look and the rename another start may have put its own lock there; then what was moved aside is put back. */
function removeStale(lock: string, seen: ProcessIdentity | undefined): void {
  const aside = `${lock}.stale.${process.pid}`;
  try {
    renameSync(lock, aside);
  } catch {
    return;
  }
  const moved = readLock(aside);
  if (moved && moved.pid !== seen?.pid) tryLink(aside, lock);
  rmSync(aside, { force: true });
}

function readLock(path: string): ProcessIdentity | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}
