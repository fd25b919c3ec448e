// A server of one's own, started by hand: redis with a password, FerretDB with a user.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from '../../stack/ports';
import { DRIVERS, type Granted } from '../drivers';
import type { BenchStack } from '../stack';
import type { RawKind } from './types';

interface Started {
  child: ChildProcess;
  url: string;
}

type Launch = (place: { folder: string; port: number; password: string }) => Started;

export function rawRedis(stack: BenchStack, binary: string): RawKind {
  return rawProcess(stack, 'redis', ({ folder, port, password }) => {
    const child = spawn(binary, ['-'], { stdio: ['pipe', 'ignore', 'ignore'], cwd: folder });
    const settings = ['bind 127.0.0.1', `port ${port}`, `requirepass ${password}`, 'save ""', 'appendonly yes', 'appendfsync always'];
    child.stdin?.end(`${settings.join('\n')}\n`);
    return { child, url: `redis://:${password}@127.0.0.1:${port}` };
  });
}

export function rawFerretdb(stack: BenchStack, binary: string): RawKind {
  return rawProcess(stack, 'mongodb', ({ folder, port, password }) => {
    const args = [
      '--handler=sqlite',
      `--sqlite-url=file:${folder}/`,
      '--state-dir=-',
      `--listen-addr=127.0.0.1:${port}`,
      '--debug-addr=-',
      '--telemetry=disable',
      '--log-level=error',
      '--test-enable-new-auth',
    ];
    const user = { FERRETDB_SETUP_USERNAME: 'bench', FERRETDB_SETUP_PASSWORD: password, FERRETDB_SETUP_DATABASE: 'bench' };
    const child = spawn(binary, args, { stdio: 'ignore', cwd: folder, env: { GOMAXPROCS: '1', ...user } });
    return { child, url: `mongodb://bench:${password}@127.0.0.1:${port}/bench` };
  });
}

function rawProcess(stack: BenchStack, kind: 'redis' | 'mongodb', launch: Launch): RawKind {
  const made: { child: ChildProcess; folder: string }[] = [];
  let nextPort: number | undefined;
  return {
    async make() {
      const folder = mkdtempSync(join(stack.dir, 'raw-'));
      const port = nextPort ?? (await findFreePort());
      const { child, url } = launch({ folder, port, password: randomBytes(24).toString('hex') });
      made.push({ child, folder });
      await listens(port);
      const session = await DRIVERS[kind].open({ connection_url: url } as Granted);
      await session.ping();
      await session.close();
    },
    async removeAll() {
      for (const { child, folder } of made.splice(0)) {
        const gone = new Promise((resolve) => child.once('exit', resolve));
        if (child.exitCode === null && child.kill('SIGKILL')) await gone;
        rmSync(folder, { recursive: true, force: true });
      }
      // Looked for beforehand: it is no part of what is measured.
      nextPort = await findFreePort();
    },
    async close() {
      await this.removeAll();
    },
  };
}

/** Drivers wait long before they try a second time, which whoever starts a server by hand would not. */
async function listens(port: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect({ host: '127.0.0.1', port });
      socket.once('connect', () => socket.destroy() && resolve(true));
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    if (Date.now() > deadline) throw new Error(`nothing listens on ${port}`);
    await sleep(1);
  }
}
