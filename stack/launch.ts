import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, createWriteStream, existsSync, mkdirSync, openSync, readSync, renameSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { identify, type ProcessIdentity, waitUntilGone } from './process-identity';

const ROTATE_BYTES = 20 * 1024 * 1024;

export interface LaunchOptions {
  command: string;
  args: string[];
  /** Standard output and standard error are appended here. */
  logFile: string;
  env: NodeJS.ProcessEnv;
  cwd?: string;
  uid?: number;
  gid?: number;
  /** One of our own Node processes: with a message channel, and its last line on standard error is kept. */
  ipc?: boolean;
}

export interface Launched {
  identity: ProcessIdentity;
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Only with `ipc`. */
  child?: ChildProcess;
  lastErrorLine: () => string;
}

/** Starts a process in a session of its own: a Ctrl-C in the terminal reaches the supervisor alone, which then stops the rest in order. */
export function launch(options: LaunchOptions): Promise<Launched> {
  const log = openLog(options.logFile);
  const from = statSync(options.logFile).size;
  const child = spawn(options.command, options.args, {
    cwd: options.cwd ?? '/',
    env: options.env,
    detached: true,
    stdio: options.ipc ? ['ignore', log, 'pipe', 'ipc'] : ['ignore', log, log],
    ...(options.uid === undefined ? {} : { uid: options.uid, gid: options.gid }),
  });
  closeSync(log);
  let lastErrorLine = () => lastLine(options.logFile, from);
  if (options.ipc) {
    let tail = '';
    const copy = createWriteStream(options.logFile, { flags: 'a' });
    child.stderr?.on('data', (chunk: Buffer) => {
      tail = (tail + chunk.toString('utf8')).slice(-4000);
      copy.write(chunk);
    });
    child.stderr?.on('close', () => copy.end());
    lastErrorLine = () => tail.trim().split('\n').at(-1)?.trim() ?? '';
  }
  const exited = new Promise<Awaited<Launched['exited']>>((resolve) =>
    child.once(options.ipc ? 'close' : 'exit', (code, signal) => resolve({ code, signal })),
  );
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('spawn', () => {
      // A child that died at once is not in the process table any more; any identity that never matches will do.
      const identity = identify(child.pid ?? 0) ?? { pid: child.pid ?? 0, startedAt: 'gone' };
      if (!options.ipc) child.unref();
      resolve({ identity, exited, child: options.ipc ? child : undefined, lastErrorLine });
    });
  });
}

/** A process that an earlier supervisor started. It is nobody's child now, so its end is found by looking. */
export function adopt(identity: ProcessIdentity, logFile: string): Launched {
  const exited = (async () => {
    while (!(await waitUntilGone(identity, 60_000, 250)));
    return { code: null, signal: null };
  })();
  return { identity, exited, lastErrorLine: () => lastLine(logFile, 0) };
}

/** Append mode, private, and moved aside to `.1` once it has grown large. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  if (existsSync(path) && statSync(path).size > ROTATE_BYTES) renameSync(path, `${path}.1`);
  return openSync(path, 'a', 0o600);
}

function lastLine(path: string, from: number): string {
  const size = existsSync(path) ? statSync(path).size : 0;
  const start = Math.max(from, size - 4000, 0);
  const buffer = Buffer.alloc(Math.max(size - start, 0));
  if (buffer.length === 0) return '';
  const file = openSync(path, 'r');
  try {
    readSync(file, buffer, 0, buffer.length, start);
  } finally {
    closeSync(file);
  }
  return buffer.toString('utf8').trim().split('\n').at(-1)?.trim() ?? '';
}
