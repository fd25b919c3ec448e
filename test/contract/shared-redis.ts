// A server that tenants share, as an operator would set it up: an access file, an admin, nobody else.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { findFreePort } from '../../stack/ports';

export interface SharedRedis {
  port: number;
  adminUrl: string;
  stop(): Promise<void>;
}

const PASSWORD = 'test-admin';

export async function startSharedRedis(serverPath: string, options: { aclFile?: boolean } = {}): Promise<SharedRedis> {
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-test-shared-redis-'));
  const port = await findFreePort();
  writeFileSync(join(directory, 'users.acl'), `user default off\nuser admin on >${PASSWORD} ~* &* +@all\n`);
  const acl = options.aclFile === false ? ['--requirepass', PASSWORD] : ['--aclfile', join(directory, 'users.acl')];
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '', ...acl];
  const child = spawn(serverPath, [...settings, '--notify-keyspace-events', 'KEA'], { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => void child.once('exit', () => resolve()));
  const user = options.aclFile === false ? 'default' : 'admin';
  const adminUrl = `redis://${user}:${PASSWORD}@127.0.0.1:${port}`;
  while (!(await answers(adminUrl))) await sleep(20);
  return {
    port,
    adminUrl,
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function answers(url: string): Promise<boolean> {
  const redis = new Redis(url, { lazyConnect: true, retryStrategy: () => null, maxRetriesPerRequest: 0, enableReadyCheck: false });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return (await redis.ping()) === 'PONG';
  } catch {
    return false;
  } finally {
    redis.disconnect();
  }
}
