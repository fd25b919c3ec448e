// Getting at the neighbour's objects by the ordinary calls, each with the attacker's own good key.

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  DeleteObjectTaggingCommand,
  GetBucketLocationCommand,
  GetBucketPolicyCommand,
  GetBucketVersioningCommand,
  GetObjectAclCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  type S3Client,
  UploadPartCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3';
import { absentOr } from '../../../shared/storageprovider';
import type { Attack } from '../attack';
import { all, allIsWell, MARK, mustRefuse, type World } from './world';

export function reachAttacks(world: World): Attack[] {
  return [...objects(world), ...copies(world), ...uploads(world), ...listings(world)];
}

function tried(world: World, name: string, work: (client: S3Client) => Promise<unknown>, statuses?: readonly number[]): Attack {
  return { name, run: () => all([mustRefuse(work(world.attacker.client), `${name} was answered`, statuses), allIsWell(world)]) };
}

function objects(world: World): Attack[] {
  const { victim } = world;
  const Bucket = victim.bucket;
  const secret = { Bucket, Key: `${victim.prefix}secret` };
  const TagSet = [{ Key: 'a', Value: 'b' }];
  return [
    tried(world, "get the neighbour's object", (client) => client.send(new GetObjectCommand(secret))),
    tried(world, "head the neighbour's object", (client) => client.send(new HeadObjectCommand(secret))),
    tried(world, 'its attributes', (client) =>
      client.send(new GetObjectAttributesCommand({ ...secret, ObjectAttributes: ['ObjectSize'] })),
    ),
    tried(world, 'its ACL', (client) => client.send(new GetObjectAclCommand(secret))),
    tried(world, 'its tags', (client) => client.send(new GetObjectTaggingCommand(secret))),
    tried(world, 'tag it', (client) => client.send(new PutObjectTaggingCommand({ ...secret, Tagging: { TagSet } }))),
    tried(world, 'untag it', (client) => client.send(new DeleteObjectTaggingCommand(secret))),
    tried(world, 'overwrite it', (client) => client.send(new PutObjectCommand({ ...secret, Body: MARK }))),
    tried(world, 'put one beside it', (client) => client.send(new PutObjectCommand({ Bucket, Key: `${victim.prefix}new`, Body: MARK }))),
    tried(world, 'delete it', (client) => client.send(new DeleteObjectCommand(secret))),
    {
      name: 'delete it among many',
      run: async () => {
        const own = `${world.attacker.prefix}own`;
        const command = new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: secret.Key }, { Key: `${own}-not-there` }] } });
        // Either the whole call is refused, or the key.
        const answer = await world.attacker.client.send(command).catch(() => null);
        const deleted = answer?.Deleted?.some(({ Key }) => Key === secret.Key);
        return deleted ? { breached: 'the store says that it is deleted' } : await allIsWell(world);
      },
    },
  ];
}

function copies(world: World): Attack[] {
  const { attacker, victim } = world;
  const own = { Bucket: attacker.bucket, Key: `${attacker.prefix}stolen` };
  const path = `${victim.bucket}/${victim.prefix}secret`;
  const sources: [string, string][] = [
    ['plain', path],
    ['with a slash before it', `/${path}`],
    ['encoded', encodeURIComponent(path)],
    ['with dots', `${attacker.bucket}/${attacker.prefix}../${victim.prefix === '' ? `../${path}` : `${victim.prefix}secret`}`],
    [
      'with encoded dots',
      `${attacker.bucket}/${attacker.prefix}%2e%2e/${victim.prefix === '' ? `%2e%2e/${path}` : `${victim.prefix}secret`}`,
    ],
  ];
  return [
    ...sources.map(([how, CopySource]) =>
      tried(
        world,
        `copy from the neighbour, ${how}`,
        (client) => client.send(new CopyObjectCommand({ ...own, CopySource })),
        [400, 403, 404],
      ),
    ),
    tried(world, 'copy into the neighbour', (client) =>
      client.send(
        new CopyObjectCommand({
          Bucket: victim.bucket,
          Key: `${victim.prefix}planted`,
          CopySource: `${attacker.bucket}/${attacker.prefix}own`,
        }),
      ),
    ),
    {
      name: 'copy a part from the neighbour',
      run: async () => {
        const { UploadId } = await attacker.client.send(new CreateMultipartUploadCommand(own));
        const part = new UploadPartCopyCommand({ ...own, UploadId, PartNumber: 1, CopySource: path });
        const outcome = await mustRefuse(attacker.client.send(part), 'the part was copied');
        await attacker.client.send(new AbortMultipartUploadCommand({ ...own, UploadId }));
        return all([outcome, allIsWell(world)]);
      },
    },
  ];
}

function uploads(world: World): Attack[] {
  const { victim, uploadId: UploadId } = world;
  const upload = { Bucket: victim.bucket, Key: `${victim.prefix}upload`, UploadId };
  const begun = { Bucket: victim.bucket, Key: `${victim.prefix}begun` };
  return [
    tried(world, "begin an upload at the neighbour's", (client) => client.send(new CreateMultipartUploadCommand(begun))),
    tried(world, "list the neighbour's uploads", (client) => client.send(new ListMultipartUploadsCommand({ Bucket: victim.bucket }))),
    tried(world, "list the parts of the neighbour's upload", (client) => client.send(new ListPartsCommand(upload))),
    tried(world, "put a part into the neighbour's upload", (client) =>
      client.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: MARK })),
    ),
    tried(world, "complete the neighbour's upload", (client) =>
      client.send(new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts: [{ PartNumber: 1, ETag: 'x' }] } })),
    ),
    tried(world, "abort the neighbour's upload", (client) => client.send(new AbortMultipartUploadCommand(upload))),
    {
      name: "the neighbour's upload through one's own bucket and key",
      run: () => {
        const own = { Bucket: world.attacker.bucket, Key: `${world.attacker.prefix}upload`, UploadId };
        const call = world.attacker.client.send(new UploadPartCommand({ ...own, PartNumber: 1, Body: MARK }));
        // In a bucket that is shared the id is the neighbour's, and the key is not: no such upload.
        return all([mustRefuse(call, 'a part went into it', [400, 403, 404]), allIsWell(world)]);
      },
    },
  ];
}

function listings(world: World): Attack[] {
  const { attacker, victim, mode } = world;
  const Bucket = victim.bucket;
  const prefixes = victim.prefix === '' ? [''] : ['', 'l', victim.prefix, victim.prefix.slice(0, -1), attacker.prefix.slice(0, -1)];
  const dedicated: Attack[] =
    mode === 'dedicated-bucket'
      ? [tried(world, "head the neighbour's bucket", (client) => client.send(new HeadBucketCommand({ Bucket })))]
      : [];
  return [
    ...dedicated,
    ...prefixes.map((Prefix) =>
      tried(world, `list below ${JSON.stringify(Prefix)}`, (client) => client.send(new ListObjectsV2Command({ Bucket, Prefix }))),
    ),
    tried(world, 'list, first version of the call', (client) => client.send(new ListObjectsCommand({ Bucket, Prefix: victim.prefix }))),
    tried(world, 'list by folders', (client) => client.send(new ListObjectsV2Command({ Bucket, Delimiter: '/' }))),
    tried(world, 'list versions', (client) => client.send(new ListObjectVersionsCommand({ Bucket, Prefix: victim.prefix }))),
    tried(world, 'read the bucket policy', (client) => client.send(new GetBucketPolicyCommand({ Bucket }))),
    tried(world, 'read whether it is versioned', (client) => client.send(new GetBucketVersioningCommand({ Bucket }))),
    tried(world, 'read its location', (client) => client.send(new GetBucketLocationCommand({ Bucket }))),
    {
      name: 'list all buckets',
      run: async () => {
        // A store may refuse this altogether to who has no bucket of its own.
        const listing = attacker.client.send(new ListBucketsCommand({}));
        const { Buckets } = (await absentOr(() => listing, 'AccessDenied')) ?? {};
        const others = (Buckets ?? []).map(({ Name }) => Name).filter((name) => name !== attacker.bucket);
        return others.length === 0 ? 'refused' : { breached: `it shows ${others.join()}` };
      },
    },
  ];
}
