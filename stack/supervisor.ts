import { StackError } from './errors';
import { stopOwnProcess } from './own-process';
import { isRunning } from './process-identity';
import { Service, type ServiceDefinition, type ServiceStatus } from './service';
import { API, WORKER } from './services';
import { readState, updateState } from './state';
import { stopTemporal, TEMPORAL } from './temporal';

const SHUTDOWN_MS = 15_000;
// First who serves callers, then what they stand on: without a worker the api's open requests could only wait until they are cut.
const STOP_ORDER = [[API], [WORKER], [TEMPORAL], ['postgres-platform', 'postgres-tenants']];

/** The running stack: which services there are, and starting and stopping them in the right order. */
export class Supervisor {
  private readonly services = new Map<string, Service>();
  private readonly starting = new Set<Promise<unknown>>();
  private readonly external: ServiceStatus[] = [];

  constructor(private readonly options: { home: string; say: (line: string) => void }) {}

  async start(definition: ServiceDefinition): Promise<void> {
    const { home, say } = this.options;
    const service = new Service(definition, {
      say,
      onIdentity: (name, identity) =>
        updateState(home, (state) => {
          if (identity) state.processes[name] = identity;
          else delete state.processes[name];
        }),
    });
    this.services.set(definition.name, service);
    const started = Date.now();
    await this.track(service.start());
    const { pid, port } = service.status();
    say(`${definition.name} is ready${port ? ` on port ${port}` : ''} (pid ${pid}, ${((Date.now() - started) / 1000).toFixed(1)} s)`);
  }

  /** A server that somebody else runs: listed, never started or stopped. */
  addExternal(name: string, url: string): void {
    this.external.push({ name, pid: null, port: null, url: withoutPassword(url), uptime_s: null, restarts: 0, external: true });
  }

  status(): ServiceStatus[] {
    const order = [...STOP_ORDER.flat()];
    return [...[...this.services.values()].map((service) => service.status()), ...this.external].sort(
      (a, b) => order.indexOf(a.name) - order.indexOf(b.name),
    );
  }

  async startNamed(names: string[]): Promise<void> {
    for (const name of names) this.find(name);
    for (const name of [...STOP_ORDER].reverse().flat()) if (names.includes(name)) await this.track(this.find(name).start());
  }

  async stopNamed(names: string[]): Promise<void> {
    const chosen = names.map((name) => this.find(name));
    for (const group of STOP_ORDER)
      await Promise.all(chosen.filter((service) => group.includes(service.name)).map((service) => service.stop()));
  }

  /** Everything, in order, within 15 s: whoever comes late gets what is left of the time. */
  async stopAll(): Promise<void> {
    const deadline = Date.now() + SHUTDOWN_MS;
    for (const group of STOP_ORDER) {
      const graceMs = Math.max(500, Math.min(deadline - Date.now() - 2_500, 12_000));
      await Promise.all(
        [...this.services.values()].filter((service) => group.includes(service.name)).map((service) => service.stop(graceMs)),
      );
    }
    // What was being launched when the stop came may have become a process after its turn.
    await Promise.allSettled(this.starting);
    await Promise.all([...this.services.values()].map((service) => service.stop(500)));
  }

  private find(name: string): Service {
    const service = this.services.get(name);
    if (!service) throw new StackError(`no process ${name} here: there are ${[...this.services.keys()].join(', ')}`);
    return service;
  }

  private async track<T>(promise: Promise<T>): Promise<T> {
    this.starting.add(promise);
    try {
      return await promise;
    } finally {
      this.starting.delete(promise);
    }
  }
}

/**
 * Ends what a supervisor that was killed left running. Both Postgres are spared: their start adopts them, so that tenants' sessions
 * are not cut by a crash of ours.
 */
export async function stopLeftovers(home: string, options: { stopPostgres?: ServiceDefinition['stop'] } = {}): Promise<string[]> {
  const stopped: string[] = [];
  const { processes } = readState(home);
  for (const group of STOP_ORDER) {
    await Promise.all(
      group.map(async (name) => {
        const identity = processes[name];
        if (!identity || !isRunning(identity)) return;
        if (name.startsWith('postgres-') && !options.stopPostgres) return;
        stopped.push(name);
        if (name.startsWith('postgres-')) await options.stopPostgres?.(identity, 10_000);
        else if (name === TEMPORAL) await stopTemporal(identity);
        else await stopOwnProcess(identity, 12_000);
      }),
    );
  }
  return stopped;
}

function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url);
    parsed.password = '';
    return parsed.toString();
  } catch {
    return url;
  }
}
