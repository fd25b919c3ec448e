import { StackError } from './errors';
import { endTenantsProcesses } from './hosts';
import { stopOwnProcess } from './own-process';
import { stopPostgres } from './postgres';
import { isRunning } from './process-identity';
import { Service, type ServiceDefinition, type ServiceStatus } from './service';
import { readState, updateState } from './state';
import { STAGES, type Stage, stageOf } from './stop-order';
import { stopTemporal, TEMPORAL } from './temporal';

const SHUTDOWN_MS = 15_000;

/** The running stack: which services there are, and starting and stopping them in the right order. */
export class Supervisor {
  private readonly services = new Map<string, Service>();
  private readonly starting = new Set<Promise<unknown>>();
  private readonly external: ServiceStatus[] = [];

  constructor(
    private readonly options: {
      home: string;
      say: (line: string) => void;
      /** In `stopAll`, once no host worker runs: what they ran for tenants ends now. */
      onWorkersStopped?: () => Promise<void>;
    },
  ) {}

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
    return [...[...this.services.values()].map((service) => service.status()), ...this.external].sort(
      (a, b) => STAGES.indexOf(stageOf(a.name)) - STAGES.indexOf(stageOf(b.name)) || a.name.localeCompare(b.name),
    );
  }

  async startNamed(names: string[]): Promise<void> {
    for (const name of names) this.find(name);
    for (const stage of [...STAGES].reverse()) {
      for (const name of names.filter((candidate) => stageOf(candidate) === stage)) await this.track(this.find(name).start());
    }
  }

  async stopNamed(names: string[]): Promise<void> {
    const chosen = names.map((name) => this.find(name));
    for (const stage of STAGES) await Promise.all(inStage(chosen, stage).map((service) => service.stop()));
  }

  /** Everything, in order, within 15 s: whoever comes late gets what is left of the time. */
  async stopAll(): Promise<void> {
    const deadline = Date.now() + SHUTDOWN_MS;
    for (const stage of STAGES) {
      const graceMs = Math.max(500, Math.min(deadline - Date.now() - 2_500, 12_000));
      await Promise.all(inStage([...this.services.values()], stage).map((service) => service.stop(graceMs)));
      if (stage === 'workers') await this.options.onWorkersStopped?.();
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
 * Ends what a supervisor that was killed left running. Servers are spared unless told: their start takes them over, so that tenants'
 * sessions are not cut by a crash of ours.
 */
export async function stopLeftovers(home: string, options: { servers: boolean }): Promise<string[]> {
  const stopped: string[] = [];
  const left = Object.entries(readState(home).processes).filter(([, identity]) => isRunning(identity));
  for (const stage of STAGES) {
    if (stage === 'servers' && !options.servers) continue;
    await Promise.all(
      left
        .filter(([name]) => stageOf(name) === stage)
        .map(async ([name, identity]) => {
          stopped.push(name);
          if (name.startsWith('postgres-')) await stopPostgres(identity, 10_000);
          else if (name === TEMPORAL) await stopTemporal(identity);
          else await stopOwnProcess(identity, 12_000);
        }),
    );
    if (stage === 'workers' && options.servers && (await endTenantsProcesses(home)) > 0) stopped.push('processes of tenants');
  }
  return stopped;
}

function inStage(services: Service[], stage: Stage): Service[] {
  return services.filter((service) => stageOf(service.name) === stage);
}

function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url);
    parsed.password = '';
    return parsed.toString();
  } catch {
    // Several hosts, as mongodb urls may have: nothing before the last @ is shown.
    return url.replace(/\/\/.*@/s, '//');
  }
}
