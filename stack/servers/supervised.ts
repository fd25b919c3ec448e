import { setTimeout as sleep } from 'node:timers/promises';
import { oneLine, StackError } from '../errors';
import { adopt, type Launched, type LaunchOptions, launch } from '../launch';
import { stopOwnProcess } from '../own-process';
import { commandLine, isRunning, type ProcessIdentity } from '../process-identity';
import type { ServiceDefinition } from '../service';

const READY_MS = 30_000;

export interface SupervisedServer {
  /** As `status` shows it. */
  name: string;
  port: number;
  /** Shown to the operator; without the password. */
  url: string;
  /** Called at every launch: writes configuration, makes folders, answers what is started. No secret in the arguments. */
  prepare: () => Promise<Pick<LaunchOptions, 'command' | 'args' | 'env' | 'cwd' | 'uid' | 'gid'>>;
  logFile: string;
  /** Asks the server, by its own protocol, until it throws no more. */
  probe: () => Promise<unknown>;
  /** What an earlier supervisor that was killed left: taken over when it is the very server, so that tenants' sessions are not cut. */
  leftover?: ProcessIdentity;
  graceMs?: number;
  /** How long it may take to answer. Default 30 s. */
  readyMs?: number;
  stop?: ServiceDefinition['stop'];
}

/** A server that somebody else wrote, as a service of the supervisor. */
export function serverDefinition(server: SupervisedServer): ServiceDefinition {
  const stop = server.stop ?? stopOwnProcess;
  let { leftover } = server;
  return {
    name: server.name,
    port: server.port,
    url: server.url,
    graceMs: server.graceMs ?? 5_000,
    stop,
    async start(onLaunched) {
      const options = { ...(await server.prepare()), logFile: server.logFile };
      const adopted = leftover && isRunning(leftover) ? await takeOver(leftover, options, stop) : undefined;
      leftover = undefined;
      const launched = adopted ?? (await launch(options));
      onLaunched(launched.identity);
      try {
        await becameReady(server, launched);
      } catch (error) {
        await stop(launched.identity, 2_000);
        throw error;
      }
      return { launched };
    },
  };
}

/** The same arguments mean the same server; the command may have been a script that gave its place to the binary. */
async function takeOver(leftover: ProcessIdentity, options: LaunchOptions, stop: ServiceDefinition['stop']): Promise<Launched | undefined> {
  if (commandLine(leftover.pid).endsWith(` ${options.args.join(' ')}`)) return adopt(leftover, options.logFile);
  await stop(leftover, 5_000);
  return undefined;
}

async function becameReady(server: SupervisedServer, launched: Launched): Promise<void> {
  const readyMs = server.readyMs ?? READY_MS;
  const deadline = Date.now() + readyMs;
  for (;;) {
    try {
      await server.probe();
      // Something else on this port would have answered as well.
      if (isRunning(launched.identity)) return;
    } catch (error) {
      if (Date.now() > deadline) throw new StackError(`${server.name} does not answer after ${readyMs / 1000} s: ${oneLine(error)}`);
    }
    if (!isRunning(launched.identity)) throw new StackError(`${server.name} did not start: ${launched.lastErrorLine() || 'see its log'}`);
    await sleep(20);
  }
}
