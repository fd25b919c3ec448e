// Deleting pages through whatever a tenant left, and an interrupted delete is gone on with.

import {
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ProvisionRequest } from '../../activities/backend';
import { type StorageHarness, type StoreUnderTest, startStorageHarness } from './storage-harness';

const MODES = ['dedicated-bucket', 'prefix-scoped'] as const;
/** More than one page of anything. */
const MANY = 1_050;
const ODD = [
  'folder/',
  'deep/er/and/deeper/x',
  'a b+c&d=e',
  '<xml>&"quoted"',
  '100%',
  '%41',
  'ünï/コード',
  `${'n'.repeat(200)}`,
  '.hidden/.x',
  'a..b/...',
];

async function inBatches<T>(items: T[], work: (item: T) => Promise<unknown>): Promise<void> {
  for (let from = 0; from < items.length; from += 50) await Promise.all(items.slice(from, from + 50).map(work));
}

/** @param start null = there is none to be had here */
export function describeStorageDeletion(name: string, start: (() => Promise<StoreUnderTest & { stop(): Promise<void> }>) | null): void {
  describe(`${name}: deletion`, () => {
    if (start === null) {
      test.skip('skipped: no server', () => {});
      return;
    }
    let server: StoreUnderTest & { stop(): Promise<void> };
    beforeAll(async () => {
      server = await start();
    });
    afterAll(() => server.stop());

    describe.each(MODES)('%s', (mode) => {
      let harness: StorageHarness;
      beforeAll(() => {
        harness = startStorageHarness(server, mode);
      });
      afterAll(() => harness.close());

      const made = async (): Promise<{ request: ProvisionRequest; bucket: string; prefix: string }> => {
        const request = harness.newRequest();
        await harness.backend.provision(request);
        return { request, ...harness.detailsOf(request) };
      };
      const gone = async (request: ProvisionRequest) => expect(await harness.backend.list('test')).not.toContain(request.objectName);

      test('many objects, with keys of every kind', async () => {
        const { request, bucket, prefix } = await made();
        const client = harness.client(request);
        const keys = [...ODD, ...Array.from({ length: MANY }, (_, index) => `many/${index % 7}/${index}`)];
        await inBatches(keys, (key) =>
          client.send(new PutObjectCommand({ Bucket: bucket, Key: `${prefix}${key}`, Body: Buffer.alloc(key === 'folder/' ? 0 : 1) })),
        );
        const measured = (await harness.backend.measureAll('test')).find(({ objectName }) => objectName === request.objectName);
        expect(measured?.bytes).toBe(keys.length - 1);
        await harness.backend.deprovision(request);
        await gone(request);
      });

      test('versions and delete markers', async () => {
        const { request, bucket, prefix } = await made();
        await harness.admin.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Enabled' } }));
        for (const round of [1, 2, 3]) {
          for (const key of ['a', 'b/c'])
            await harness.admin.send(new PutObjectCommand({ Bucket: bucket, Key: `${prefix}${key}`, Body: `${round}` }));
        }
        await harness.admin.send(new DeleteObjectCommand({ Bucket: bucket, Key: `${prefix}a` }));
        await harness.backend.deprovision(request);
        await gone(request);
        if (mode === 'prefix-scoped')
          await harness.admin.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration: { Status: 'Suspended' } }));
      });

      test('uploads that were never completed count and go', async () => {
        const { request, bucket, prefix } = await made();
        const client = harness.client(request);
        for (const key of ['one', 'two/three']) {
          const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: `${prefix}${key}` }));
          const part = { Bucket: bucket, Key: `${prefix}${key}`, UploadId, PartNumber: 1, Body: Buffer.alloc(5 * 1024 * 1024) };
          await client.send(new UploadPartCommand(part));
        }
        const measured = (await harness.backend.measureAll('test')).find(({ objectName }) => objectName === request.objectName);
        expect(measured?.bytes).toBe(2 * 5 * 1024 * 1024);
        await harness.backend.deprovision(request);
        await gone(request);
        if (mode === 'prefix-scoped') {
          const { Uploads } = await harness.admin.send(new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix }));
          expect(Uploads ?? []).toEqual([]);
        }
      });

      test('an interrupted delete is gone on with, and lets nobody in meanwhile', async () => {
        const { request, bucket, prefix } = await made();
        const client = harness.client(request);
        await inBatches(
          Array.from({ length: 300 }, (_, index) => `${index}`),
          (key) => client.send(new PutObjectCommand({ Bucket: bucket, Key: `${prefix}${key}/x`, Body: 'x' })),
        );
        for (const delayMs of [0, 10, 30]) {
          const interruption = new AbortController();
          setTimeout(() => interruption.abort(), delayMs);
          await harness.backend.deprovision(request, { signal: interruption.signal }).catch(() => {});
        }
        await harness.backend.deprovision(request);
        await gone(request);
        await expect(client.send(new PutObjectCommand({ Bucket: bucket, Key: `${prefix}late`, Body: 'x' }))).rejects.toThrow();
        await gone(request);
      });
    });
  });
}
