import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { type Granted, type KindDriver, required } from './types';

// A warning of several lines that has nothing to do with what is measured.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';

function s3Client(granted: Granted): S3Client {
  return new S3Client({
    endpoint: required(granted.endpoint, 'endpoint'),
    region: granted.region ?? 'us-east-1',
    forcePathStyle: true,
    maxAttempts: 1,
    credentials: {
      accessKeyId: required(granted.access_key_id, 'access_key_id'),
      secretAccessKey: required(granted.secret_access_key, 'secret_access_key'),
      ...(granted.session_token === undefined ? {} : { sessionToken: granted.session_token }),
    },
  });
}

export const storageDriver: KindDriver = {
  kind: 'storage',
  driver: '@aws-sdk/client-s3',
  async open(granted) {
    const client = s3Client(granted);
    const Bucket = required(granted.bucket, 'bucket');
    const Prefix = granted.prefix ?? '';
    const Key = `${Prefix}kept.txt`;
    const ping = async () => {
      await client.send(new ListObjectsV2Command({ Bucket, Prefix, MaxKeys: 1 }));
    };
    // S3 has no connection that could be refused; the first request is.
    try {
      await ping();
    } catch (error) {
      client.destroy();
      throw error;
    }
    return {
      ping,
      async write(value) {
        await client.send(new PutObjectCommand({ Bucket, Key, Body: value }));
      },
      async read() {
        const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
        return (await Body?.transformToString()) ?? '';
      },
      async close() {
        client.destroy();
      },
    };
  },
};
