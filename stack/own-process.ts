import { setTimeout as sleep } from 'node:timers/promises';
import { StackError } from './errors';
import { type Launched, launch } from './launch';
import { isRunning, type ProcessIdentity, terminate } from './process-identity';

/** sysexits' EX_CONFIG: the process says on its last line of standard error what is wrong with the configuration. */
const EXIT_CONFIGURATION = 78;
const READY_MS = 60_000;

export interface OwnProcessOptions {
  name: string;
  script: string;
  env: NodeJS.ProcessEnv;
  cwd: string;
  logFile: string;
  /** Besides the 'ready' message, this url must answer 200. */
  readyUrl?: string;
  onLaunched: (identity: ProcessIdentity) => void;
}

/** Starts one of our own Node processes and waits until it says that it is ready. */
export async function startOwnProcess(options: OwnProcessOptions): Promise<{ launched: Launched }> {
  const { name, script, env, cwd, logFile } = options;
  const launched = await launch({ command: process.execPath, args: ['--enable-source-maps', script], env, cwd, logFile, ipc: true });
  options.onLaunched(launched.identity);
  try {
    await Promise.race([becameReady(options, launched), endedTooEarly(name, launched, logFile)]);
  } catch (error) {
    await stopOwnProcess(launched.identity, 2_000);
    throw error;
  }
  return { launched };
}

export function stopOwnProcess(identity: ProcessIdentity, graceMs: number): Promise<void> {
  return terminate(identity, [
    { signal: 'SIGTERM', waitMs: graceMs },
    { signal: 'SIGKILL', waitMs: 1_000 },
  ]);
}

async function becameReady(options: OwnProcessOptions, launched: Launched): Promise<void> {
  const deadline = Date.now() + READY_MS;
  let ready = false;
  launched.child?.on('message', (message) => {
    if (message === 'ready') ready = true;
  });
  let last = 'it sent no ready message';
  while (Date.now() < deadline && isRunning(launched.identity)) {
    if (ready && !options.readyUrl) return;
    if (ready && options.readyUrl) {
      last = await probe(options.readyUrl);
      if (last === '200') return;
      last = `${options.readyUrl} answers ${last}`;
    }
    await sleep(25);
  }
  // When it ended, endedTooEarly knows better why.
  await sleep(500);
  throw new StackError(`${options.name} is not ready after ${READY_MS / 1000} s (${last}): see ${options.logFile}`);
}

async function endedTooEarly(name: string, launched: Launched, logFile: string): Promise<never> {
  const { code, signal } = await launched.exited;
  const line = launched.lastErrorLine();
  if (code === EXIT_CONFIGURATION && line) throw new StackError(line);
  throw new StackError(`${name} ended at start (${signal ?? `code ${code}`})${line ? `: ${line}` : ''}; see ${logFile}`);
}

async function probe(url: string): Promise<string> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await answer.body?.cancel();
    return String(answer.status);
  } catch {
    return 'nothing';
  }
}
