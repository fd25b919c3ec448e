// Holding on to what is over: suspended, expired, over the limit, rotated, deleted; with connections and uploads held open.
import { request as httpRequest } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateAccessKeyCommand, IAMClient } from '@aws-sdk/client-iam';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  PutObjectTaggingCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { clientOptions } from '../../../shared/storageprovider';
import type { Attack } from '../attack';
import { all, MARK, mustRefuse, type Outcome, raw, rawRefused, signed, type Tenant, type World } from './world';

export function lifecycleAttacks(world: World): Attack[] {
  const attacks = [...ended(world), ...overTheLimit(world), uploadAcrossDelete(world)];
  // A session token knows its user by name, and a name is never given twice: there is nothing to try.
  if (world.mode === 'prefix-scoped-temporary') return attacks;
  return [...attacks, sameNameAgain(world), ...ownKey(world)];
}

/** Every way in, with a client whose connection is open since before. */
async function everyWay(tenant: Tenant, client: S3Client): Promise<Outcome> {
  const { bucket: Bucket, prefix } = tenant;
  const object = { Bucket, Key: `${prefix}kept` };
  const calls: [string, Promise<unknown>][] = [
    ['get', client.send(new GetObjectCommand(object))],
    ['head', client.send(new HeadObjectCommand(object))],
    ['put', client.send(new PutObjectCommand({ ...object, Body: MARK }))],
    ['list', client.send(new ListObjectsV2Command({ Bucket, Prefix: prefix }))],
    ['delete', client.send(new DeleteObjectCommand(object))],
    ['begin an upload', client.send(new CreateMultipartUploadCommand({ Bucket, Key: `${prefix}u` }))],
  ];
  return all(calls.map(([name, call]) => mustRefuse(call, `${name} was answered`, [403, 404])));
}

interface Before {
  tenant: Tenant;
  urls: string[];
  uploadId: string;
}

/** A resource in use: an object, urls that were signed, an upload that was begun, an open connection. */
async function inUse(world: World): Promise<Before> {
  const tenant = await world.made();
  const { bucket, prefix, client } = tenant;
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: `${prefix}kept`, Body: MARK }));
  const { UploadId = '' } = await client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: `${prefix}upload` }));
  const aim = { bucket, objectKey: `${prefix}kept` };
  const urls = await Promise.all((['GET', 'HEAD', 'PUT'] as const).map((operation) => signed(world, tenant, { operation, ...aim })));
  return { tenant, urls, uploadId: UploadId };
}

async function nothingWorks(before: Before): Promise<Outcome> {
  const { tenant, urls, uploadId } = before;
  const upload = { Bucket: tenant.bucket, Key: `${tenant.prefix}upload`, UploadId: uploadId };
  return all([
    everyWay(tenant, tenant.client),
    ...urls.map(async (url, index) =>
      rawRefused(await raw(url, { method: ['GET', 'HEAD', 'PUT'][index], body: index === 2 ? MARK : undefined }), 'a signed url'),
    ),
    mustRefuse(tenant.client.send(new UploadPartCommand({ ...upload, PartNumber: 1, Body: MARK })), 'a part was taken', [403, 404]),
    showsNoBucket(tenant),
  ]);
}

async function showsNoBucket({ client, bucket }: Tenant): Promise<Outcome> {
  const { Buckets } = await client.send(new ListBucketsCommand({})).catch(() => ({ Buckets: [] }));
  return (Buckets ?? []).some(({ Name }) => Name === bucket) ? { breached: 'its bucket is listed' } : 'refused';
}

function ended(world: World): Attack[] {
  const { backend } = world.harness;
  const after = (name: string, end: (tenant: Tenant) => Promise<unknown>): Attack => ({
    name: `after it was ${name}: every call, signed urls, an open connection, a begun upload`,
    async run() {
      const before = await inUse(world);
      await end(before.tenant);
      const outcome = await nothingWorks(before);
      await backend.deprovision(before.tenant.request);
      return outcome;
    },
  });
  return [
    after('suspended', ({ request }) => backend.cut(request)),
    after('suspended twice and its limits applied', async ({ request }) => {
      await backend.cut(request);
      await backend.applyLimits({ ...request, limits: { storageMb: 100 } });
      await backend.cut(request);
    }),
    after('suspended and rotated', async ({ request }) => {
      await backend.cut(request);
      await backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
    }),
    after('expired, over its limit before', async ({ request }) => {
      await backend.setReadOnly({ ...request, readOnly: true });
      await backend.cut(request);
      await backend.setReadOnly({ ...request, readOnly: false });
    }),
    after('rotated and its old credentials retired', async ({ request }) => {
      await backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
      await backend.retireCredential({ ...request, credentialVersion: 2, retireVersion: 1 });
    }),
    after('rotated twice', async ({ request }) => {
      await backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
      await backend.rotate({ ...request, credentialVersion: 3, previousVersion: 2 });
    }),
    after('deleted', ({ request }) => backend.deprovision(request)),
    {
      name: 'knocking without pause does not get through a cut',
      async run() {
        const { tenant } = await inUse(world);
        let isCut = false;
        let through = 0;
        const object = { Bucket: tenant.bucket, Key: `${tenant.prefix}kept` };
        const knock = async () => {
          while (!isCut)
            await tenant.client.send(new GetObjectCommand(object)).then(
              ({ Body }) => Body?.transformToString(),
              () => {},
            );
          for (let call = 0; call < 5; call += 1)
            await tenant.client.send(new GetObjectCommand(object)).then(
              () => (through += 1),
              () => {},
            );
        };
        const knocking = Promise.all([knock(), knock(), knock()]);
        await backend.cut(tenant.request);
        isCut = true;
        await knocking;
        await backend.deprovision(tenant.request);
        return through === 0 ? 'refused' : { breached: `${through} reads came through` };
      },
    },
  ];
}

function overTheLimit(world: World): Attack[] {
  const { backend } = world.harness;
  const writes: [string, (tenant: Tenant, uploadId: string, etag: string) => Promise<unknown>][] = [
    ['put', ({ client, bucket, prefix }) => client.send(new PutObjectCommand({ Bucket: bucket, Key: `${prefix}new`, Body: MARK }))],
    [
      "copy one's own",
      ({ client, bucket, prefix }) =>
        client.send(new CopyObjectCommand({ Bucket: bucket, Key: `${prefix}new`, CopySource: `${bucket}/${prefix}kept` })),
    ],
    [
      'begin an upload',
      ({ client, bucket, prefix }) => client.send(new CreateMultipartUploadCommand({ Bucket: bucket, Key: `${prefix}new` })),
    ],
    [
      'put a part into a begun upload',
      ({ client, bucket, prefix }, UploadId) =>
        client.send(new UploadPartCommand({ Bucket: bucket, Key: `${prefix}upload`, UploadId, PartNumber: 2, Body: MARK })),
    ],
    [
      'complete a begun upload',
      ({ client, bucket, prefix }, UploadId, ETag) =>
        client.send(
          new CompleteMultipartUploadCommand({
            ...{ Bucket: bucket, Key: `${prefix}upload`, UploadId },
            MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
          }),
        ),
    ],
    [
      'tag an object',
      ({ client, bucket, prefix }) =>
        client.send(
          new PutObjectTaggingCommand({ Bucket: bucket, Key: `${prefix}kept`, Tagging: { TagSet: [{ Key: 'a', Value: MARK }] } }),
        ),
    ],
  ];
  return writes.map(([name, write]) => ({
    name: `over the limit: ${name}`,
    async run() {
      const { tenant, uploadId } = await inUse(world);
      const part = { Bucket: tenant.bucket, Key: `${tenant.prefix}upload`, UploadId: uploadId, PartNumber: 1, Body: MARK };
      const { ETag = '' } = await tenant.client.send(new UploadPartCommand(part));
      await backend.setReadOnly({ ...tenant.request, readOnly: true });
      const outcome = await mustRefuse(write(tenant, uploadId, ETag), `${name} was answered`);
      await backend.deprovision(tenant.request);
      return outcome;
    },
  }));
}

/** The store knows the key when the upload begins; what comes in after the delete must not stay. */
function uploadAcrossDelete(world: World): Attack {
  const { backend } = world.harness;
  return {
    name: 'an upload that is held open across the delete leaves nothing',
    async run() {
      const tenant = await world.made();
      const url = new URL(await signed(world, tenant, { operation: 'PUT', bucket: tenant.bucket, objectKey: `${tenant.prefix}late` }));
      const body = Buffer.alloc(256 * 1024, 'x');
      const options = { host: url.hostname, port: url.port, path: url.pathname + url.search, method: 'PUT', agent: false };
      const call = httpRequest({ ...options, headers: { 'content-length': body.length } });
      const answered = new Promise<number>((resolve) => {
        call.on('response', (answer) => resolve(answer.resume().statusCode ?? 0));
        call.on('error', () => resolve(0));
      });
      call.write(body.subarray(0, 1024));
      await sleep(200);
      await backend.deprovision(tenant.request);
      call.end(body.subarray(1024));
      const status = await answered;
      const left = (await backend.list('test')).includes(tenant.request.objectName);
      if (left) {
        // The sweep finds it by its name, as it finds whatever no row knows.
        await backend.destroyOrphan({ backendName: 'test', objectName: tenant.request.objectName });
        if ((await backend.list('test')).includes(tenant.request.objectName)) return { breached: 'it stays for good' };
      }
      return status === 0 || status >= 400 || left ? 'refused' : { breached: `answered ${status}, and is nowhere` };
    },
  };
}

/** The store lets a user make further keys for itself. Whatever comes of it must end with the credential that made it. */
function ownKey(world: World): Attack[] {
  const { backend, config, keyOf } = world.harness;
  const { endpoint, region } = config;
  const ends: [string, (tenant: Tenant) => Promise<unknown>][] = [
    ['a cut', ({ request }) => backend.cut(request)],
    [
      'the retirement of its version',
      async ({ request }) => {
        await backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
        await backend.retireCredential({ ...request, credentialVersion: 2, retireVersion: 1 });
      },
    ],
    ['the delete', ({ request }) => backend.deprovision(request)],
  ];
  return ends.map(([name, end]) => ({
    name: `a key that a user made for itself does not outlive ${name}`,
    async run() {
      const { tenant } = await inUse(world);
      const iam = new IAMClient({ ...clientOptions({ endpoint, region, key: keyOf(tenant.request) }), maxAttempts: 1 });
      const { AccessKey } = await iam.send(new CreateAccessKeyCommand({})).catch(() => ({ AccessKey: undefined }));
      if (!AccessKey?.AccessKeyId || !AccessKey.SecretAccessKey) return 'refused';
      const key = { accessKeyId: AccessKey.AccessKeyId, secretAccessKey: AccessKey.SecretAccessKey };
      const client = new S3Client({ ...clientOptions({ endpoint, region, key }), forcePathStyle: true, maxAttempts: 1 });
      const { bucket: Bucket, prefix } = world.victim;
      const reach = await mustRefuse(client.send(new GetObjectCommand({ Bucket, Key: `${prefix}secret` })), 'it reads the secret');
      await end(tenant);
      const outcome = await all([reach, everyWay(tenant, client)]);
      await backend.deprovision(tenant.request);
      return outcome;
    },
  }));
}

function sameNameAgain(world: World): Attack {
  const { backend } = world.harness;
  return {
    name: 'credentials of a deleted resource do not reach one that has its name again',
    async run() {
      const before = await inUse(world);
      await backend.deprovision(before.tenant.request);
      world.harness.forgetIssued(before.tenant.request, 1);
      await backend.provision(before.tenant.request);
      const outcome = await all([
        everyWay(before.tenant, before.tenant.client),
        ...before.urls.map(async (url) => rawRefused(await raw(url), 'a signed url')),
      ]);
      await backend.deprovision(before.tenant.request);
      return outcome;
    },
  };
}
