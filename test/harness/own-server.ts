// A server of the test's own: started as the stack starts it, in a throw-away folder, killed and started again on the same data.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProcessIdentity } from '../../stack/process-identity';
import type { ServiceDefinition } from '../../stack/service';

export interface OwnServer {
  /** 0 while it does not run. */
  pid(): number;
  start(): Promise<void>;
  /** By SIGKILL: what was acknowledged must be there after `start`. */
  kill(): Promise<void>;
  /** In order, and its folder with it. */
  destroy(): Promise<void>;
}

const KILLED_WITHIN_MS = 1_000;

export function makeServerHome(name: string): string {
  const home = mkdtempSync(join(tmpdir(), `leasehold-${name}-`));
  // As root the server runs as another user, who must reach its folder.
  chmodSync(home, 0o711);
  return home;
}

/** Running when this resolves; when it rejects, neither a process nor the folder stays. */
export async function startOwnServer(
  definition: ServiceDefinition,
  { home, graceMs }: { home: string; graceMs: number },
): Promise<OwnServer> {
  let identity: ProcessIdentity | undefined;
  const stop = async (withinMs: number) => {
    if (identity) await definition.stop(identity, withinMs);
    identity = undefined;
  };
  const start = async () => {
    await definition.start((launched) => {
      identity = launched;
    });
  };
  const destroy = async () => {
    await stop(graceMs);
    rmSync(home, { recursive: true, force: true });
  };
  await orDestroyed({ destroy }, start);
  return {
    pid: () => identity?.pid ?? 0,
    start,
    async kill() {
      if (identity) process.kill(identity.pid, 'SIGKILL');
      await stop(KILLED_WITHIN_MS);
    },
    destroy,
  };
}

/** What is still to be done before a test holds the server and could destroy it itself. */
export async function orDestroyed<Result>(server: Pick<OwnServer, 'destroy'>, work: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    await server.destroy();
    throw error;
  }
}
