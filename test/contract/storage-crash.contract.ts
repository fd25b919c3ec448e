// What was acknowledged is there after the store was killed: objects, keys, sessions, and what was taken away from them.

import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { describe, expect, test } from '@jest/globals';
import type { StorageMode } from '../../shared/storageprovider';
import { type StorageHarness, type StoreUnderTest, startStorageHarness } from './storage-harness';

/** A server that a test may kill. */
export interface KillableStore extends StoreUnderTest {
  /** Ends it by SIGKILL and starts it again on the same data. */
  crash: () => Promise<void>;
  stop: () => Promise<void>;
}

/** @param start null = there is none to be had here */
export function describeStorageCrash(name: string, start: (() => Promise<KillableStore>) | null, modes: readonly StorageMode[]): void {
  describe(`${name}, killed`, () => {
    if (start === null) {
      test.skip('skipped: no server', () => {});
      return;
    }
    test('has what it acknowledged', async () => {
      const server = await start();
      const harnesses = modes.map((mode) => startStorageHarness(server, mode));
      const resources = await Promise.all(
        harnesses.map(async (harness) => {
          await harness.backend.prepareServer('test');
          const [open, cut, readOnly, deleted] = [
            await written(harness),
            await written(harness),
            await written(harness),
            await written(harness),
          ];
          await harness.backend.cut(cut.request);
          await harness.backend.setReadOnly({ ...readOnly.request, readOnly: true });
          await harness.backend.deprovision(deleted.request);
          return { harness, open, cut, readOnly, deleted };
        }),
      );
      await server.crash();
      for (const { harness, open, cut, readOnly, deleted } of resources) {
        expect(await open.read()).toBe('kept');
        await expect(cut.read()).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
        expect(await readOnly.read()).toBe('kept');
        await expect(readOnly.write()).rejects.toMatchObject({ $metadata: { httpStatusCode: 403 } });
        expect(await harness.backend.list('test')).not.toContain(deleted.request.objectName);
        await harness.backend.restore(cut.request);
        expect(await cut.read()).toBe('kept');
        await harness.close();
      }
      await server.stop();
    });
  });
}

async function written(harness: StorageHarness) {
  const request = harness.newRequest();
  await harness.backend.provision(request);
  const { bucket, prefix } = harness.detailsOf(request);
  const object = { Bucket: bucket, Key: `${prefix}kept` };
  await harness.client(request).send(new PutObjectCommand({ ...object, Body: 'kept' }));
  const read = async () => (await harness.client(request).send(new GetObjectCommand(object))).Body?.transformToString();
  const write = () => harness.client(request).send(new PutObjectCommand({ ...object, Body: 'again' }));
  return { request, read, write };
}
