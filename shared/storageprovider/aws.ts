// AWS S3: IAM users as elsewhere, at AWS' own endpoints, with what its IAM takes time for and is limited in.
import { IAMClient } from '@aws-sdk/client-iam';
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { abort, clientOptions } from './clients';
import { createIamProvider } from './iamprovider';
import { IamUsers } from './iamusers';
import { AWS_WORDS } from './policies';
import { absentOr, onceKnown } from './storeerrors';
import type { CallOptions, IssuedKey, ProviderParts, StorageCredentialProvider, StoragePlace } from './types';

/** IAM throttles an account at a few calls a second ("Throttling"); the SDK waits longer each time. */
const IAM_ATTEMPTS = 5;
const KNOWN_WITHIN_MS = 20_000;
/** What S3 answers while a key, its session or its policy is on its way. */
const NOT_YET = ['InvalidAccessKeyId', 'InvalidToken', 'AccessDenied', 'SignatureDoesNotMatch', '403', 'Forbidden'];

interface AwsPlaces {
  partition: string;
  iamEndpoint: string;
  /** IAM is one service a partition, and signed for its home. */
  iamRegion: string;
  stsEndpoint: string;
}

/**
 * IAM has one endpoint for each partition ("AWS Identity and Access Management endpoints and quotas", AWS General Reference); STS one for
 * each region ("AWS STS Regions and endpoints", IAM User Guide).
 */
export function awsPlaces(region: string): AwsPlaces {
  const inChina = region.startsWith('cn-');
  const stsEndpoint = `https://sts.${region}.amazonaws.com${inChina ? '.cn' : ''}`;
  if (inChina) return { partition: 'aws-cn', iamEndpoint: 'https://iam.cn-north-1.amazonaws.com.cn', iamRegion: 'cn-north-1', stsEndpoint };
  if (region.startsWith('us-gov-'))
    return { partition: 'aws-us-gov', iamEndpoint: 'https://iam.us-gov.amazonaws.com', iamRegion: 'us-gov-west-1', stsEndpoint };
  return { partition: 'aws', iamEndpoint: 'https://iam.amazonaws.com', iamRegion: 'us-east-1', stsEndpoint };
}

export function createAwsProvider(parts: ProviderParts): StorageCredentialProvider {
  const { config, installationId } = parts;
  const { endpoint, region, admin: key, sessionSeconds, vendor } = config;
  const places = awsPlaces(region);
  const iamEndpoint = typeof vendor.iam_endpoint === 'string' ? vendor.iam_endpoint : places.iamEndpoint;
  const iam = new IAMClient({
    ...clientOptions({ endpoint: iamEndpoint, region: places.iamRegion, key }),
    maxAttempts: IAM_ATTEMPTS,
  });
  const users = new IamUsers({
    iam,
    endpoint,
    region,
    sessionSeconds,
    stsEndpoint: typeof vendor.sts_endpoint === 'string' ? vendor.sts_endpoint : places.stsEndpoint,
    path: `/leasehold/${installationId}/`,
    knownWithinMs: KNOWN_WITHIN_MS,
    words: { ...AWS_WORDS, partition: places.partition },
    untilKnown: (issued, place, options) => untilKnown({ endpoint, region, key: issued }, place, options),
  });
  return createIamProvider(
    {
      name: 'aws',
      proof: 'double',
      capabilities: {
        // Bucket names are the whole world's, and an account's are counted: only where the operator wants them.
        bucketPerTenant: vendor.own_buckets === true,
        bucketScopedKeys: true,
        prefixScopedKeys: true,
        temporaryCredentials: true,
      },
      iam,
      s3: new S3Client({ ...clientOptions({ endpoint, region, key }), forcePathStyle: true }),
      users,
    },
    parts,
  );
}

/**
 * IAM is eventually consistent ("Changes that I make are not always immediately visible", IAM User Guide): a key, a session and a policy
 * work some seconds after they were acknowledged. Asked of S3 itself with the new key, so that what is answered to the tenant works.
 */
async function untilKnown(
  { endpoint, region, key }: { endpoint: string; region: string; key: IssuedKey },
  { bucket, prefix }: StoragePlace,
  options: CallOptions,
): Promise<void> {
  const s3 = new S3Client({ ...clientOptions({ endpoint, region, key }), forcePathStyle: true, maxAttempts: 1 });
  const look = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 });
  try {
    // The bucket is made at the same time: whoever is told that it is not there yet is known.
    await onceKnown(() => absentOr(() => s3.send(look, abort(options)), 'NoSuchBucket'), {
      notYet: NOT_YET,
      withinMs: KNOWN_WITHIN_MS,
      signal: options.signal,
    });
  } finally {
    s3.destroy();
  }
}
