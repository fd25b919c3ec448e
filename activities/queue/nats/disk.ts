// What the server leaves to others where its files are within reach: a folder it does not remove, a file it does not sync.
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { NatsAdmin } from '../../../shared/queueprovider';

const ACCOUNT_ID = /^A[A-Z2-7]{55}$/;

/** An account that was deleted leaves `jetstream/A...` behind. What is in it belongs to nobody: names are never used again. */
export async function removeStreamFolder(admin: NatsAdmin, accountId: string): Promise<void> {
  if (admin.storeDirectory === null || !ACCOUNT_ID.test(accountId)) return;
  await rm(join(admin.storeDirectory, 'jetstream', accountId), { recursive: true, force: true });
}

/** The resolver writes an account's file without waiting for the disk; a power cut would lose an account that was answered for. */
export async function keepOnDisk(admin: NatsAdmin, accountId: string): Promise<void> {
  if (admin.accountDirectory === null || !ACCOUNT_ID.test(accountId)) return;
  for (const path of [join(admin.accountDirectory, `${accountId}.jwt`), admin.accountDirectory]) {
    const file = await open(path, 'r');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
  }
}
