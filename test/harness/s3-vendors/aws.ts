// A double of AWS: S3, IAM and STS at an address each, with one state behind them.
import { randomBytes } from 'node:crypto';
import { randomBase32 } from '../../../shared/crypto';
import { awsPlaces } from '../../../shared/storageprovider/aws';
import type { StoreUnderTest } from '../../contract/storage-harness';
import { IamDouble } from './iam';
import { platformPolicy } from './platformpolicy';
import { S3Double } from './s3';
import { DoubleServer } from './server';

const ACCOUNT = '123456789012';

export interface AwsDouble extends DoubleServer {
  iam: IamDouble;
  s3: S3Double;
  store: StoreUnderTest;
}

/** @param region decides the partition */
export async function startAwsDouble(region = 'eu-central-1', page?: number): Promise<AwsDouble> {
  const server = new DoubleServer();
  const { partition, iamRegion } = awsPlaces(region);
  const installationId = randomBase32(8);
  const policy = platformPolicy({ partition, account: ACCOUNT, installationId });
  const admin = { accessKeyId: 'AKIAPLATFORM', secretAccessKey: randomBytes(20).toString('hex'), policy };
  const policyOf = (bucket: string) => s3.buckets.get(bucket)?.policy ?? null;
  const iam = new IamDouble(server, { account: ACCOUNT, partition, admin, iamRegion, region, policyOf });
  if (page !== undefined) iam.page = page;
  const s3: S3Double = new S3Double(server, {
    ...{ region, hasVersions: true, hasPolicies: true, ...(page === undefined ? {} : { page }) },
    identify: (accessKeyId, sessionToken) => iam.identify(accessKeyId, sessionToken),
    stranger: { status: 307, headers: { location: 'https://aws.example.com/s3/', server: 'AmazonS3' } },
  });
  const shared = { id: 'AKIASHARED', secret: randomBytes(20).toString('hex') };
  const everything = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: ['s3:*'], Resource: [`arn:${partition}:s3:::*`] }],
  };
  iam.addUser({
    ...{ name: 'shared', path: '/', policies: { all: JSON.stringify(everything) } },
    keys: { [shared.id]: { secret: shared.secret, status: 'Active' } },
  });
  const s3Url = new URL(await server.listen('s3', s3.handle));
  const store: StoreUnderTest = {
    installationId,
    adminUrl: `http://${admin.accessKeyId}:${admin.secretAccessKey}@${s3Url.host}`,
    sharedKey: `${shared.id}:${shared.secret}`,
    options: {
      ...{ provider: 'aws', region, own_buckets: true, shared_principal: iam.arnOf('shared') },
      iam_endpoint: await server.listen('iam', iam.handle('iam')),
      sts_endpoint: await server.listen('sts', iam.handle('sts')),
    },
  };
  return Object.assign(server, { iam, s3, store });
}
