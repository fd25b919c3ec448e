// A Redis server of a test's own; where none can be had, the reason.
import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { onPath } from '../../stack/fetch/run';
import { findFreePort } from '../../stack/ports';
import { findRedis } from '../../stack/servers/redis-binary';

export interface TestRedis {
  url: string;
  /** As a crash of the process; what was acknowledged is with the system, and is there again after `start`. */
  kill(): Promise<void>;
  /** On the same port and data. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

const CACHE = process.env.LEASEHOLD_CACHE ?? join(__dirname, '../../.leasehold/cache');

/** Whether this machine has a server or could fetch one; tests that need it are skipped otherwise. */
export function canHaveRedis(): boolean {
  return (
    Boolean(process.env.LEASEHOLD_REDIS_SERVER) || ['redis-server', 'valkey-server', 'apt-get'].some((name) => onPath(name).length > 0)
  );
}

export async function startTestRedis(): Promise<TestRedis> {
  const { path } = await findRedis({
    cacheDir: CACHE,
    binary: process.env.LEASEHOLD_REDIS_SERVER,
  });
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-test-redis-'));
  chmodSync(directory, 0o700);
  const port = await findFreePort();
  let child: ChildProcess | null = null;
  const ended = (process: ChildProcess) => new Promise<void>((resolve) => void process.once('exit', () => resolve()));
  const redis: TestRedis = {
    url: `redis://127.0.0.1:${port}/0`,
    async start() {
      // Written before it is answered, which is enough for a process that is killed; waiting for the disk takes a busy machine too long.
      const settings = { port, bind: '127.0.0.1', dir: directory, appendonly: 'yes', appendfsync: 'no', save: '' };
      const started = spawn(
        path,
        Object.entries(settings).flatMap(([key, value]) => [`--${key}`, String(value)]),
        { stdio: 'ignore' },
      );
      child = started;
      while (!(await answers(port))) {
        if (started.exitCode !== null) throw new Error(`redis-server ended with ${started.exitCode}`);
        await sleep(10);
      }
    },
    async kill() {
      if (child === null) return;
      const gone = ended(child);
      child.kill('SIGKILL');
      await gone;
      child = null;
    },
    async stop() {
      await redis.kill();
      rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  await redis.start();
  return redis;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const finish = (is: boolean) => {
      socket.destroy();
      resolve(is);
    };
    socket.once('error', () => finish(false));
    socket.once('data', (data) => finish(data.toString().startsWith('+PONG')));
    socket.write('PING\r\n');
    setTimeout(() => finish(false), 500).unref();
  });
}
