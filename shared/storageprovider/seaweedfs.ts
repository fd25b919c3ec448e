// SeaweedFS: its IAM and its STS answer at the address of the store itself.
import { IAMClient } from '@aws-sdk/client-iam';
import { S3Client } from '@aws-sdk/client-s3';
import { clientOptions } from './clients';
import { createIamProvider } from './iamprovider';
import { IamUsers } from './iamusers';
import type { ProviderParts, StorageCredentialProvider } from './types';

export function createSeaweedfsProvider(parts: ProviderParts): StorageCredentialProvider {
  const { endpoint, region, admin, sessionSeconds } = parts.config;
  const settings = clientOptions({ endpoint, region, key: admin });
  const iam = new IAMClient(settings);
  return createIamProvider(
    {
      name: 'seaweedfs',
      proof: 'server',
      capabilities: { bucketPerTenant: true, bucketScopedKeys: true, prefixScopedKeys: true, temporaryCredentials: true },
      iam,
      s3: new S3Client({ ...settings, forcePathStyle: true }),
      users: new IamUsers({ iam, endpoint, region, sessionSeconds }),
    },
    parts,
  );
}
