import { setTimeout as sleep } from 'node:timers/promises';
import { oneLine } from './errors';
import type { Launched } from './launch';
import type { ProcessIdentity } from './process-identity';

const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 5_000;
const STEADY_MS = 30_000;

export interface ServiceDefinition {
  name: string;
  port?: number;
  /** Shown to the operator; holds no password. */
  url?: string;
  /** Starts the process and waits until it is ready. `onLaunched` is called as soon as there is a pid. */
  start: (onLaunched: (identity: ProcessIdentity) => void) => Promise<{ launched: Launched }>;
  /** Ends the process, by force when it does not go within `graceMs`. */
  stop: (identity: ProcessIdentity, graceMs: number) => Promise<void>;
  graceMs: number;
}

export interface ServiceStatus {
  name: string;
  pid: number | null;
  port: number | null;
  url: string | null;
  uptime_s: number | null;
  restarts: number;
  /** Somebody else runs it: it is listed, never started or stopped. */
  external?: true;
}

/** One supervised process: started on demand, restarted with growing pauses when it dies, and kept down once stopped. */
export class Service {
  private wanted = false;
  private identity: ProcessIdentity | undefined;
  private upSince: number | undefined;
  private restarts = 0;
  private backoffMs = FIRST_BACKOFF_MS;
  private wakeUp = new AbortController();
  private loop: Promise<void> = Promise.resolve();

  constructor(
    private readonly definition: ServiceDefinition,
    private readonly hooks: { onIdentity: (name: string, identity: ProcessIdentity | undefined) => void; say: (line: string) => void },
  ) {}

  get name(): string {
    return this.definition.name;
  }

  /** Resolves when the process is ready for the first time, rejects when it is not to be had; from then on it is kept alive. */
  async start(): Promise<void> {
    if (this.wanted) return;
    await this.loop;
    this.wanted = true;
    this.wakeUp = new AbortController();
    this.backoffMs = FIRST_BACKOFF_MS;
    try {
      const launched = await this.launchOnce();
      this.loop = this.keepAlive(launched);
    } catch (error) {
      this.wanted = false;
      throw error;
    }
  }

  async stop(graceMs = this.definition.graceMs): Promise<void> {
    this.wanted = false;
    this.wakeUp.abort();
    if (this.identity) await this.definition.stop(this.identity, graceMs);
    await this.loop;
    this.note(undefined);
  }

  status(): ServiceStatus {
    const { name, port = null, url = null } = this.definition;
    const uptime = this.upSince === undefined ? null : Math.round((Date.now() - this.upSince) / 1000);
    return { name, pid: this.identity?.pid ?? null, port, url, uptime_s: uptime, restarts: this.restarts };
  }

  private async launchOnce(): Promise<Launched> {
    try {
      const { launched } = await this.definition.start((identity) => this.note(identity));
      this.note(launched.identity);
      this.upSince = Date.now();
      return launched;
    } catch (error) {
      this.note(undefined);
      throw error;
    }
  }

  private async keepAlive(first: Launched): Promise<void> {
    let running: Launched | undefined = first;
    while (this.wanted) {
      if (running) await this.watch(running);
      if (!this.wanted) break;
      await sleep(this.backoffMs, undefined, { signal: this.wakeUp.signal }).catch(() => {});
      if (!this.wanted) break;
      this.backoffMs = Math.min(this.backoffMs * 2, LONGEST_BACKOFF_MS);
      this.restarts += 1;
      running = await this.launchOnce().catch((error) => {
        this.hooks.say(`${this.name} does not come back: ${oneLine(error)}`);
        return undefined;
      });
      if (running) this.hooks.say(`${this.name} is back (restart ${this.restarts})`);
    }
    // A stop that came while the process was being launched did not see it.
    if (this.identity) await this.definition.stop(this.identity, this.definition.graceMs);
  }

  private async watch(running: Launched): Promise<void> {
    const { code, signal } = await running.exited;
    const upMs = Date.now() - (this.upSince ?? Date.now());
    this.note(undefined);
    if (upMs >= STEADY_MS) this.backoffMs = FIRST_BACKOFF_MS;
    if (this.wanted) this.hooks.say(`${this.name} ended (${signal ?? `code ${code ?? 'unknown'}`}), restarting`);
  }

  private note(identity: ProcessIdentity | undefined): void {
    if (identity === undefined) this.upSince = undefined;
    this.identity = identity;
    this.hooks.onIdentity(this.name, identity);
  }
}
