// Files of a host: written whole or not at all, and never through what a tenant's process may have put in the way.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { lstat, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

export interface WriteOptions {
  mode: number;
  /** Root's, of this group. */
  groupId?: number;
  /** On disk before the call ends. */
  durable?: boolean;
}

/** Beside it under a new name, then renamed: a symbolic link of the same name is replaced, not followed. */
export async function writeWhole(path: string, content: string, options: WriteOptions): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await open(temporary, flags, options.mode);
  try {
    await file.writeFile(content);
    // The umask may have taken from it.
    await file.chmod(options.mode);
    if (options.groupId !== undefined) await file.chown(0, options.groupId);
    if (options.durable) await file.sync();
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
  if (options.durable) await syncPath(join(path, '..'));
}

/** What was written to it before, and for a folder which names it has, is on disk afterwards. */
export async function syncPath(path: string): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

export async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (isMissing(error)) return [];
    throw error;
  }
}

/** What a folder takes on disk, links not followed. What goes while it is counted counts nothing. */
export async function diskBytes(path: string): Promise<number> {
  const stat = await lstat(path).catch(() => null);
  if (stat === null) return 0;
  let bytes = stat.blocks * 512;
  if (stat.isDirectory()) for (const name of await readdir(path).catch(() => [])) bytes += await diskBytes(join(path, name));
  return bytes;
}

export function isMissing(error: unknown): boolean {
  return Object(error).code === 'ENOENT';
}
