// Opening a door for oneself: the configuration of buckets, the neighbour's and one's own.
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketPolicyCommand,
  PutBucketAclCommand,
  PutBucketCorsCommand,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketOwnershipControlsCommand,
  PutBucketPolicyCommand,
  PutBucketTaggingCommand,
  PutBucketVersioningCommand,
  PutBucketWebsiteCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  PutObjectLockConfigurationCommand,
  PutPublicAccessBlockCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { Attack } from '../attack';
import { all, allIsWell, MARK, mustRefuse, raw, rawRefused, type Tenant, type World } from './world';

export function configurationAttacks(world: World): Attack[] {
  return [
    ...ofBucket(world, "the neighbour's bucket", world.victim),
    ...(world.mode === 'dedicated-bucket' ? ofBucket(world, "one's own bucket", world.attacker) : []),
    ...newBuckets(world),
    published(world),
  ];
}

/** A store that does not know a call at all refuses it too. */
const REFUSED = [400, 403, 405, 501];

function ofBucket(world: World, whose: string, { bucket: Bucket, prefix }: Tenant): Attack[] {
  const everybody = {
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Principal: '*', Action: 's3:*', Resource: [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`] }],
  };
  const expire = { ID: 'all', Status: 'Enabled' as const, Filter: { Prefix: '' }, Expiration: { Days: 1 } };
  const calls: [string, (client: S3Client) => Promise<unknown>][] = [
    ['policy', (client) => client.send(new PutBucketPolicyCommand({ Bucket, Policy: JSON.stringify(everybody) }))],
    ['no policy', (client) => client.send(new DeleteBucketPolicyCommand({ Bucket }))],
    [
      'CORS',
      (client) =>
        client.send(
          new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules: [{ AllowedMethods: ['GET'], AllowedOrigins: ['*'] }] } }),
        ),
    ],
    ['ACL', (client) => client.send(new PutBucketAclCommand({ Bucket, ACL: 'public-read-write' }))],
    ['ACL of an object', (client) => client.send(new PutObjectAclCommand({ Bucket, Key: `${prefix}secret`, ACL: 'public-read' }))],
    ['versioning', (client) => client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))],
    [
      'lifecycle',
      (client) => client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [expire] } })),
    ],
    ['website', (client) => client.send(new PutBucketWebsiteCommand({ Bucket, WebsiteConfiguration: { IndexDocument: { Suffix: 'i' } } }))],
    ['notification', (client) => client.send(new PutBucketNotificationConfigurationCommand({ Bucket, NotificationConfiguration: {} }))],
    ['tags', (client) => client.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] } }))],
    [
      'ownership',
      (client) =>
        client.send(new PutBucketOwnershipControlsCommand({ Bucket, OwnershipControls: { Rules: [{ ObjectOwnership: 'ObjectWriter' }] } })),
    ],
    [
      'public access',
      (client) => client.send(new PutPublicAccessBlockCommand({ Bucket, PublicAccessBlockConfiguration: { BlockPublicAcls: false } })),
    ],
    [
      'encryption',
      (client) =>
        client.send(
          new PutBucketEncryptionCommand({
            Bucket,
            ServerSideEncryptionConfiguration: { Rules: [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' } }] },
          }),
        ),
    ],
    [
      'object lock',
      (client) => client.send(new PutObjectLockConfigurationCommand({ Bucket, ObjectLockConfiguration: { ObjectLockEnabled: 'Enabled' } })),
    ],
    ['delete it', (client) => client.send(new DeleteBucketCommand({ Bucket }))],
  ];
  return calls.map(([name, call]) => ({
    name: `${whose}: ${name}`,
    run: () => all([mustRefuse(call(world.attacker.client), `${name} was set`, REFUSED), allIsWell(world)]),
  }));
}

function newBuckets(world: World): Attack[] {
  const { installationId } = world.store;
  const names = ['attackers-bucket', `lh${installationId}-${'a'.repeat(24)}`, world.victim.bucket];
  return names.map((Bucket, index) => ({
    name: `make a bucket: ${['a new one', 'in the name of a resource', 'one that is there'][index]}`,
    run: () =>
      all([mustRefuse(world.attacker.client.send(new CreateBucketCommand({ Bucket })), 'a bucket was made', [403, 409]), allIsWell(world)]),
  }));
}

/** Not an attack on the neighbour: a bucket must not become a public host. */
function published(world: World): Attack {
  const { attacker, harness } = world;
  const object = { Bucket: attacker.bucket, Key: `${attacker.prefix}public` };
  return {
    name: 'publish an object by its ACL',
    async run() {
      await attacker.client.send(new PutObjectCommand({ ...object, Body: MARK, ACL: 'public-read' })).catch(() => {});
      return rawRefused(await raw(`${harness.config.endpoint}/${object.Bucket}/${object.Key}`), 'anybody reads it');
    },
  };
}
