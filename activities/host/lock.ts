// One host worker to a folder. The kernel holds the lock for as long as our file descriptor is open, so a death of any kind frees it.
import { spawnSync } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { ProviderMisconfigured } from '../errors';

export interface DirectoryLock {
  release(): Promise<void>;
}

/** @throws ProviderMisconfigured when another process has it */
export async function lockDirectory(directory: string): Promise<DirectoryLock> {
  const file = await open(join(directory, 'lock'), 'a', 0o600);
  // `flock` locks the open file that it inherits, which is ours too, and ends; Node itself has no such call.
  const { status, error } = spawnSync('flock', ['--nonblock', '3'], { stdio: ['ignore', 'ignore', 'ignore', file.fd] });
  if (status === 0) return { release: () => file.close() };
  await file.close();
  if (error) throw new ProviderMisconfigured(`a host needs flock (util-linux): ${error.message}`);
  throw new ProviderMisconfigured(`another host worker runs on ${directory}: stop it, or give this one a folder of its own`);
}
