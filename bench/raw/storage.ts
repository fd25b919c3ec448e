import { randomBytes } from 'node:crypto';
import { CreateAccessKeyCommand, CreateUserCommand, IAMClient, PutUserPolicyCommand } from '@aws-sdk/client-iam';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { DRIVERS, type Granted } from '../drivers';
import type { RawContext, RawKind } from './types';

/** A bucket, a user that may use it, a key. They stay: the whole server is thrown away afterwards. */
export async function rawStore({ adminUrl }: RawContext): Promise<RawKind> {
  const { origin: endpoint, username, password } = new URL(adminUrl);
  const credentials = { accessKeyId: decodeURIComponent(username), secretAccessKey: decodeURIComponent(password) };
  const options = { endpoint, region: 'us-east-1', credentials, maxAttempts: 1 };
  const s3 = new S3Client({ ...options, forcePathStyle: true });
  const iam = new IAMClient(options);
  return {
    async make() {
      const name = `bench-${randomBytes(10).toString('hex')}`;
      const Resource = [`arn:aws:s3:::${name}`, `arn:aws:s3:::${name}/*`];
      const Action = ['s3:GetObject', 's3:PutObject', 's3:DeleteObject', 's3:ListBucket'];
      await s3.send(new CreateBucketCommand({ Bucket: name }));
      await iam.send(new CreateUserCommand({ UserName: name }));
      const PolicyDocument = JSON.stringify({ Version: '2012-10-17', Statement: [{ Effect: 'Allow', Action, Resource }] });
      await iam.send(new PutUserPolicyCommand({ UserName: name, PolicyName: 'own', PolicyDocument }));
      const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: name }));
      const session = await DRIVERS.storage.open({
        endpoint,
        bucket: name,
        access_key_id: AccessKey?.AccessKeyId,
        secret_access_key: AccessKey?.SecretAccessKey,
      } as Granted);
      await session.close();
    },
    removeAll: async () => undefined,
    async close() {
      s3.destroy();
      iam.destroy();
    },
  };
}
