// What is left on an object store: buckets and objects, asked over S3; users by whatever the store has for them.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { IAMClient, ListUsersCommand } from '@aws-sdk/client-iam';
import { ListBucketsCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import type { BackendConfig } from '../shared/plans';
import { MinioAdmin } from '../shared/storageprovider';

interface Place {
  backend: BackendConfig;
  url: string;
  prefix: string;
}

/** Bucket names hold no underscore, so the installation's id is what is looked for. */
export async function onStore({ home }: { home: string }, { backend, url, prefix }: Place): Promise<string[]> {
  const { origin, username, password } = new URL(url);
  const credentials = { accessKeyId: decodeURIComponent(username), secretAccessKey: decodeURIComponent(password) };
  const options = { endpoint: origin, region: 'us-east-1', credentials, maxAttempts: 1 };
  const id = prefix.slice(0, -1);
  const users = backend.options.provider === 'minio' ? await minioUsers(home, options, id) : await iamUsers(options, id);
  return [...(await bucketsAndObjects(options, id)), ...users];
}

interface ClientOptions {
  endpoint: string;
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  maxAttempts: number;
}

async function bucketsAndObjects(options: ClientOptions, id: string): Promise<string[]> {
  const s3 = new S3Client({ ...options, forcePathStyle: true });
  try {
    const { Buckets = [] } = await s3.send(new ListBucketsCommand({}));
    const buckets = Buckets.flatMap(({ Name }) => Name ?? []);
    const objects = await Promise.all(
      buckets
        .filter((name) => !name.startsWith(id))
        .map(async (Bucket) => {
          const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: 100 }));
          return Contents.flatMap(({ Key }) => (Key?.includes(id) ? `object ${Bucket}/${Key}` : []));
        }),
    );
    return [...buckets.filter((name) => name.startsWith(id)).map((name) => `bucket ${name}`), ...objects.flat()];
  } finally {
    s3.destroy();
  }
}

async function iamUsers(options: ClientOptions, id: string): Promise<string[]> {
  const iam = new IAMClient(options);
  try {
    const { Users = [] } = await iam.send(new ListUsersCommand({}));
    return Users.flatMap(({ UserName }) => (UserName?.startsWith(id) ? `user ${UserName}` : []));
  } finally {
    iam.destroy();
  }
}

/** It tells its users to its own client alone. Each of ours has a policy of its name; the embedded server keeps each in a folder of its own. */
async function minioUsers(home: string, { endpoint, region, credentials: key }: ClientOptions, id: string): Promise<string[]> {
  const policies = await new MinioAdmin({ endpoint, region, key }).policies();
  const folder = join(home, 'minio', 'data', '.minio.sys', 'config', 'iam');
  const namesIn = (part: string) => (existsSync(join(folder, part)) ? readdirSync(join(folder, part)) : []);
  const found = { policy: [...policies.keys()], user: namesIn('users'), attachment: namesIn(join('policydb', 'users')) };
  return Object.entries(found).flatMap(([what, names]) => names.filter((name) => name.startsWith(id)).map((name) => `${what} ${name}`));
}
