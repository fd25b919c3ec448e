// One object's process: started, watched, ended. Whether it should run is not decided here.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProviderUnavailable } from '../errors';
import { childrenOf, isRunning, type LaunchRecord, parseLaunchRecord, proportionalBytes, residentBytes } from './identity';
import { type LaunchPlace, launchCommand } from './launch';
import type { HostProcessSpec } from './types';

const TERMINATE_GRACE_MS = 5_000;
const LOOK_MS = 15;
const ANNOUNCED_WITHIN_MS = 15_000;

export interface Ended {
  ranMs: number;
  /** In words: a code or a signal, or that it was found gone. */
  how: string;
}

/** A launched process, our child or a former host worker's. */
export class Supervised {
  readonly record: LaunchRecord;
  /** By the process table rather than by an event. */
  readonly adopted: boolean;
  readonly #sandboxed: boolean;
  readonly #startedAtMs = Date.now();
  #ended: ((ended: Ended) => void) | null = null;

  private constructor(record: LaunchRecord, options: { adopted: boolean; sandboxed: boolean }) {
    this.record = record;
    this.adopted = options.adopted;
    this.#sandboxed = options.sandboxed;
  }

  /** What an earlier host worker launched, if that still runs. */
  static adopt(processFile: string, options: { sandboxed: boolean }): Supervised | null {
    const record = readLaunchRecord(processFile);
    if (record === null || !isRunning(record)) return null;
    return new Supervised(record, { ...options, adopted: true });
  }

  /**
   * Resolves once the launcher has said who it is. `onEnd` is called once, whenever the process has ended later on.
   * @throws ProviderUnavailable when it ended before that
   */
  static async launch(spec: HostProcessSpec, place: LaunchPlace & { logFile: string }, onEnd: (ended: Ended) => void): Promise<Supervised> {
    const { command, args } = launchCommand(spec, place);
    const log = openSync(place.logFile, 'a', 0o600);
    let child: ChildProcess;
    try {
      child = spawn(command, args, { cwd: '/', env: { ...spec.environment }, detached: true, stdio: ['ignore', log, log] });
    } finally {
      closeSync(log);
    }
    const record = await announced(child, place.processFile);
    const launched = new Supervised(record, { adopted: false, sandboxed: place.sandboxed });
    launched.onEnd(onEnd);
    if (child.exitCode !== null || child.signalCode !== null) launched.#end(endOf(child));
    else child.once('exit', () => launched.#end(endOf(child)));
    child.unref();
    return launched;
  }

  onEnd(listener: (ended: Ended) => void): void {
    this.#ended = listener;
  }

  /** For the adopted ones: tells the listener once it is gone. */
  look(): void {
    if (!isRunning(this.record)) this.#end('found gone');
  }

  get isRunning(): boolean {
    return isRunning(this.record);
  }

  /** The program itself: bubblewrap stays above it as a watcher that passes no signal on. */
  get mainPid(): number {
    return (this.#sandboxed ? childrenOf(this.record.pid)[0] : undefined) ?? this.record.pid;
  }

  get residentBytes(): number {
    return this.isRunning ? residentBytes(this.mainPid) : 0;
  }

  get proportionalBytes(): number {
    if (!this.isRunning) return 0;
    const watcher = this.mainPid === this.record.pid ? 0 : proportionalBytes(this.record.pid);
    return watcher + proportionalBytes(this.mainPid);
  }

  /** Nobody is told: an end that was asked for is no crash. */
  async terminate(graceMs = TERMINATE_GRACE_MS): Promise<void> {
    this.#ended = null;
    if (!this.isRunning) return;
    signal(this.mainPid, 'SIGTERM');
    if (await this.#gone(graceMs)) return;
    await this.kill();
  }

  async kill(): Promise<void> {
    // Its whole group: it leads one, since it has a session of its own.
    if (this.isRunning) signal(-this.record.pid, 'SIGKILL');
    if (!(await this.#gone(TERMINATE_GRACE_MS))) throw new ProviderUnavailable(`process ${this.record.pid} does not end`);
  }

  async #gone(withinMs: number): Promise<boolean> {
    const deadline = Date.now() + withinMs;
    while (this.isRunning) {
      if (Date.now() > deadline) return false;
      await sleep(LOOK_MS);
    }
    return true;
  }

  #end(how: string): void {
    const listener = this.#ended;
    this.#ended = null;
    listener?.({ how, ranMs: Date.now() - this.#startedAtMs });
  }
}

function endOf(child: ChildProcess): string {
  return child.signalCode === null ? `code ${child.exitCode}` : `signal ${child.signalCode}`;
}

function readLaunchRecord(processFile: string): LaunchRecord | null {
  try {
    return parseLaunchRecord(readFileSync(processFile, 'utf8'));
  } catch {
    return null;
  }
}

/** The launcher writes the file before it becomes the program, under the pid that it keeps. */
async function announced(child: ChildProcess, processFile: string): Promise<LaunchRecord> {
  let failure: Error | null = null;
  child.once('error', (error) => {
    failure = error;
  });
  const deadline = Date.now() + ANNOUNCED_WITHIN_MS;
  for (let waitMs = 1; Date.now() < deadline; waitMs = Math.min(waitMs * 2, 16)) {
    if (failure !== null) throw new ProviderUnavailable(`the launcher did not start: ${String(failure)}`);
    const record = readLaunchRecord(processFile);
    if (record !== null && record.pid === child.pid && isRunning(record)) return record;
    if (child.exitCode !== null || child.signalCode !== null) throw new ProviderUnavailable(`the launcher ended with ${endOf(child)}`);
    await sleep(waitMs);
  }
  throw new ProviderUnavailable('the launcher said nothing');
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // Gone between the look and the signal: that is what was wanted.
  }
}
