import { chownSync, mkdirSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { writePrivateFile } from '../paths';
import { userBelow } from '../postgres-place';
import type { ProcessIdentity } from '../process-identity';
import type { ServiceDefinition } from '../service';
import { serverDefinition } from './supervised';

export const REDIS_PLATFORM = 'redis-platform';

export interface RedisPlatformOptions {
  home: string;
  binary: string;
  port: number;
  password: string;
  leftover?: ProcessIdentity;
}

/** The platform's own Redis: rate limits and webhook rings, no tenant's resource. What is gone with it can be done without. */
export function redisPlatformDefinition(options: RedisPlatformOptions): ServiceDefinition {
  const { home, binary, port, password, leftover } = options;
  const folder = join(home, REDIS_PLATFORM);
  const configFile = join(folder, 'redis.conf');
  return serverDefinition({
    name: REDIS_PLATFORM,
    port,
    url: `redis://127.0.0.1:${port}`,
    logFile: join(home, 'logs', `${REDIS_PLATFORM}.log`),
    leftover,
    probe: () => ping(port, password),
    async prepare() {
      mkdirSync(folder, { recursive: true, mode: 0o700 });
      writePrivateFile(configFile, configuration(options, folder));
      const user = userBelow(home);
      if (user) for (const path of [folder, configFile]) chownSync(path, user.uid, user.gid);
      return { command: binary, args: [configFile], env: { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C' }, cwd: folder, ...user };
    },
  });
}

export function redisPlatformUrl({ port, password }: Pick<RedisPlatformOptions, 'port' | 'password'>): string {
  return `redis://:${encodeURIComponent(password)}@127.0.0.1:${port}/0`;
}

function configuration({ port, password }: RedisPlatformOptions, folder: string): string {
  return [
    'bind 127.0.0.1',
    `port ${port}`,
    'protected-mode yes',
    `requirepass ${password}`,
    `dir "${folder}"`,
    'appendonly yes',
    // A request is counted on every call: with `always` each would wait for the disk. A power cut loses a second of counts.
    'appendfsync everysec',
    'save ""',
    'maxmemory 256mb',
    // Evicting would forget stored webhooks and reset limits without a word.
    'maxmemory-policy noeviction',
    // So that a later supervisor recognizes the process by its command line.
    'set-proc-title no',
    'daemonize no',
    '',
  ].join('\n');
}

function ping(port: number, password: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    const fail = (error: Error) => {
      socket.destroy();
      reject(error);
    };
    let answer = '';
    socket.setTimeout(2_000, () => fail(new Error('no answer to PING')));
    socket.once('error', fail);
    socket.on('data', (chunk) => {
      answer += chunk.toString('utf8');
      if (answer.includes('+PONG')) {
        socket.end();
        resolve();
      } else if (/^-(?!NOAUTH)/m.test(answer)) {
        fail(new Error(answer.trim()));
      }
    });
    socket.write(`AUTH ${password}\r\nPING\r\n`);
  });
}
