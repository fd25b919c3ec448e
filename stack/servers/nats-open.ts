// A NATS server without accounts, for tenants from before the isolation: whoever reaches its port may do everything on it.
import { chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writePrivateFile } from '../paths';
import { userBelow } from '../postgres-place';
import type { ProcessIdentity } from '../process-identity';
import type { ServiceDefinition } from '../service';
import { greeting } from './nats';
import { serverDefinition } from './supervised';

export const NATS_OPEN = 'nats-open';

export interface NatsOpenOptions {
  home: string;
  binary: string;
  port: number;
  leftover?: ProcessIdentity;
}

export function natsOpenUrl({ port }: Pick<NatsOpenOptions, 'port'>): string {
  return `nats://127.0.0.1:${port}`;
}

export function natsOpenDefinition({ home, binary, port, leftover }: NatsOpenOptions): ServiceDefinition {
  const folder = join(home, NATS_OPEN);
  const store = join(folder, 'store');
  const configuration = join(folder, 'nats.conf');
  return serverDefinition({
    name: NATS_OPEN,
    port,
    url: natsOpenUrl({ port }),
    logFile: join(home, 'logs', `${NATS_OPEN}.log`),
    leftover,
    probe: () => greeting(port),
    async prepare() {
      for (const path of [folder, store]) mkdirSync(path, { recursive: true, mode: 0o700 });
      writePrivateFile(configuration, configurationOf({ folder, store, port }));
      const user = userBelow(home);
      if (user) for (const path of [folder, store, configuration]) chownSync(path, user.uid, user.gid);
      const env = { PATH: '/usr/local/bin:/usr/bin:/bin' };
      return { command: binary, args: ['--config', configuration], env, cwd: folder, ...user };
    },
  });
}

function configurationOf({ folder, store, port }: { folder: string; store: string; port: number }): string {
  return [
    // Never anywhere but here: there is no password to it.
    `listen: "127.0.0.1:${port}"`,
    'server_name: "leasehold-open"',
    // Acknowledged means on disk.
    `jetstream: { store_dir: ${JSON.stringify(store)}, max_memory_store: 64MB, max_file_store: 1TB, sync_interval: always,`,
    '  limits: { duplicate_window: "2m" } }',
    'max_payload: 1MB',
    'max_pending: 16MB',
    'max_connections: 20000',
    'logtime_utc: true',
    `log_file: ${JSON.stringify(join(folder, 'nats.log'))}`,
    'logfile_size_limit: 5MB',
    'logfile_max_num: 4',
    '',
  ].join('\n');
}
