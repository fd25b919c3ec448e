// Log files of processes that hold them open: copied aside and emptied in place, since nobody can tell the process to open another.
import { copyFile, stat, truncate } from 'node:fs/promises';

export const LOG_LIMIT_BYTES = 1024 * 1024;

/** The process appends, so it goes on at the new end. At most twice the limit, and what is written between two looks, is kept. */
export async function rotateLog(path: string, limitBytes = LOG_LIMIT_BYTES): Promise<boolean> {
  const size = (await stat(path).catch(() => null))?.size ?? 0;
  if (size <= limitBytes) return false;
  // A flood between two looks is not worth keeping whole.
  if (size <= 4 * limitBytes) await copyFile(path, `${path}.1`);
  await truncate(path, 0);
  return true;
}
