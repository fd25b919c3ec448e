// The server's program on this machine: named by configuration, asked once for its version.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { ProviderMisconfigured } from '../errors';
import { parseVersion, type ServerVersion } from './rules';

const run = promisify(execFile);

export interface RedisProgram {
  path: string;
  version: ServerVersion;
}

/** Found anew until it is found: a remedy may have been applied meanwhile. */
export function redisProgram(path: string | undefined): () => Promise<RedisProgram> {
  let found: Promise<RedisProgram> | null = null;
  return async () => {
    found ??= ask(path);
    try {
      return await found;
    } catch (error) {
      found = null;
      throw error;
    }
  };
}

async function ask(path: string | undefined): Promise<RedisProgram> {
  const remedy = 'install redis-server 7 or newer, or give its path as LEASEHOLD_REDIS_SERVER';
  if (path === undefined) throw new ProviderMisconfigured(`there is no redis server on this host: ${remedy}`);
  const output = await run(path, ['--version']).catch(() => null);
  const version = output && parseVersion(output.stdout);
  if (!version) throw new ProviderMisconfigured(`${path} is no redis server that runs here: ${remedy}`);
  return { path, version };
}
