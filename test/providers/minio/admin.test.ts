// What the provider relies on, asked of a real MinIO: sealed bodies, sessions that end, and why there is no mode shared-master-key.
import { randomUUID } from 'node:crypto';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListBucketsCommand,
  PutBucketPolicyCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { clientOptions, parseStoreConfig, type StorageKey, type StoreConfig } from '../../../shared/storageprovider';
import { MinioAdmin } from '../../../shared/storageprovider/minioadmin';
import { hasMinio, type MinioServer, startMinio } from '../../harness/minio';

describe('the admin API of MinIO', () => {
  if (!hasMinio()) {
    test.skip('skipped: no server', () => {});
    return;
  }
  let server: MinioServer;
  let config: StoreConfig;
  let admin: MinioAdmin;
  const clients: S3Client[] = [];
  const clientOf = (key: StorageKey): S3Client => {
    const client = new S3Client({ ...clientOptions({ ...config, key }), forcePathStyle: true, maxAttempts: 1 });
    clients.push(client);
    return client;
  };
  const answerTo = (key: StorageKey): Promise<string> =>
    clientOf(key)
      .send(new ListBucketsCommand({}))
      .then(
        () => 'answered',
        (error: Error) => error.name,
      );
  beforeAll(async () => {
    server = await startMinio();
    config = parseStoreConfig(server.adminUrl, server.options ?? {});
    admin = new MinioAdmin({ ...config, key: config.admin });
  });
  afterAll(async () => {
    for (const client of clients) client.destroy();
    await server.stop();
  });

  test('takes a sealed secret, whichever it is, and knows the user by it at once', async () => {
    const secrets = fc.string({
      unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
      minLength: 8,
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(secrets, async (secretAccessKey) => {
        const accessKeyId = `user-${randomUUID()}`;
        await admin.putUser(accessKeyId, secretAccessKey);
        expect(await admin.hasUser(accessKeyId)).toBe(true);
        // It may nothing yet; a wrong secret is told apart from that.
        expect(await answerTo({ accessKeyId, secretAccessKey })).toBe('AccessDenied');
        expect(await answerTo({ accessKeyId, secretAccessKey: `${secretAccessKey}x` })).toBe('SignatureDoesNotMatch');
        await admin.removeUser(accessKeyId);
        expect(await answerTo({ accessKeyId, secretAccessKey })).toBe('InvalidAccessKeyId');
      }),
      { numRuns: 15 },
    );
  });

  test('refuses a body that was sealed with another secret', async () => {
    const other = new MinioAdmin({ ...config, key: { ...config.admin, secretAccessKey: 'another' } });
    await expect(other.putUser('user-other', 'a secret of its own')).rejects.toMatchObject({ status: 403 });
    expect(await admin.hasUser('user-other')).toBe(false);
  });

  test('removing what is not there is success', async () => {
    await admin.endSessions('nobody-here');
    await admin.removeUser('nobody-here');
    await admin.removePolicy('nobody-here');
  });

  test('a Deny in a bucket policy does not hold for a key that is known: no mode shared-master-key', async () => {
    const root = clientOf(config.admin);
    const key = { accessKeyId: 'shared-user', secretAccessKey: 'shared-secret' };
    await admin.putPolicy(
      'shared-policy',
      JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action: ['s3:*'], Resource: ['arn:aws:s3:::denied/*'] }] }),
    );
    await admin.putUser(key.accessKeyId, key.secretAccessKey);
    await admin.attachPolicy('shared-policy', key.accessKeyId);
    await root.send(new CreateBucketCommand({ Bucket: 'denied' }));
    const deny = { Effect: 'Deny', Principal: { AWS: ['*'] }, Action: ['s3:GetObject'], Resource: ['arn:aws:s3:::denied/*'] };
    await root.send(new PutBucketPolicyCommand({ Bucket: 'denied', Policy: JSON.stringify({ Version: '2012-10-17', Statement: [deny] }) }));
    const object = { Bucket: 'denied', Key: 'x' };
    await clientOf(key).send(new PutObjectCommand({ ...object, Body: 'read all the same' }));
    const { Body } = await clientOf(key).send(new GetObjectCommand(object));
    expect(await Body?.transformToString()).toBe('read all the same');
    expect(() => parseStoreConfig(server.adminUrl, { provider: 'minio', mode: 'shared-master-key' }, { shared: 'a:b' })).toThrow();
  });
});
