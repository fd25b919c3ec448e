// What was acknowledged is there after the store was killed: objects, keys, sessions, and what was taken away from them.

import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { describe, expect, test } from '@jest/globals';
import { canHaveSeaweedfs, startSeaweedfs } from '../harness/seaweedfs';
import { type StorageHarness, startStorageHarness } from './storage-harness';

const MODES = ['dedicated-bucket', 'prefix-scoped', 'prefix-scoped-temporary', 'shared-master-key'] as const;

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

describe('a store that was killed', () => {
  (canHaveSeaweedfs() ? test : test.skip)(canHaveSeaweedfs() ? 'has what it acknowledged' : 'skipped: no server', async () => {
    const server = await startSeaweedfs();
    const harnesses = MODES.map((mode) => startStorageHarness(server, mode));
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
