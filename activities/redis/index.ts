// Redis: a server of its own for each resource on this process's host, or a login and a key prefix on a server that is shared.
import type { KindBackend, KindDependencies } from '../backend';
import type { ProcessHost } from '../host/types';
import { installationPrefix } from '../names';
import { createOwnServers } from './own';
import { redisProgram } from './program';
import { createSharedServers } from './shared';

export interface RedisOptions {
  dependencies: KindDependencies;
  /** Where servers of their own run; null = every backend is a shared server. */
  host: ProcessHost | null;
  /** Absolute path of redis-server or valkey-server; undefined = there is none. */
  serverPath: string | undefined;
  /** Of a shared server, as a user who may do everything. */
  adminUrlOf: (backendName: string) => string;
  now?: () => number;
}

/** All backends of one process are of one sort: those of a host, or the shared ones. */
export function createRedisBackend(options: RedisOptions): KindBackend {
  const { dependencies, host } = options;
  const prefix = installationPrefix(dependencies.installationId);
  if (host === null) return createSharedServers({ dependencies, prefix, adminUrlOf: options.adminUrlOf });
  const program = redisProgram(options.serverPath);
  return {
    ...createOwnServers({ dependencies, prefix, host, program, now: options.now }),
    prepareServer: async () => {
      await program();
    },
    serverVersion: async () => (await program()).version.text,
    // Servers outlive the worker; the host is closed by whoever opened it.
    close: async () => undefined,
  };
}
