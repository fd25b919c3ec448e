// Buckets and what is in them, by the platform's own key.
import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListBucketsCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  type ObjectIdentifier,
  type S3Client,
} from '@aws-sdk/client-s3';
import { abort, absentOr, type CallOptions, isStoreError } from '../../shared/storageprovider';

/** What S3 takes and gives in one call. */
const PAGE = 1000;
const STUCK_AFTER = 5;

export async function ensureBucket(s3: S3Client, bucket: string, options: CallOptions): Promise<void> {
  try {
    await s3.send(new CreateBucketCommand({ Bucket: bucket }), abort(options));
  } catch (error) {
    if (!isStoreError(error, 'BucketAlreadyOwnedByYou')) throw error;
  }
}

export async function listBuckets(s3: S3Client, options: CallOptions): Promise<string[]> {
  const names: string[] = [];
  let token: string | undefined;
  do {
    const page = await s3.send(new ListBucketsCommand({ ContinuationToken: token }), abort(options));
    for (const { Name } of page.Buckets ?? []) if (Name !== undefined) names.push(Name);
    token = page.ContinuationToken;
  } while (token !== undefined);
  return names;
}

/** The first segments of the keys, each with its slash. */
export async function listPrefixes(s3: S3Client, bucket: string, prefix: string, options: CallOptions): Promise<string[]> {
  const prefixes: string[] = [];
  let token: string | undefined;
  do {
    const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, Delimiter: '/', ContinuationToken: token, MaxKeys: PAGE });
    const page = await absentOr(() => s3.send(command, abort(options)), 'NoSuchBucket');
    for (const { Prefix } of page?.CommonPrefixes ?? []) if (Prefix !== undefined) prefixes.push(Prefix);
    token = page?.NextContinuationToken;
  } while (token !== undefined);
  return prefixes;
}

/** A started upload: its parts take room, and no listing of objects shows them. */
interface Upload {
  key: string;
  uploadId: string;
}

async function* uploads(s3: S3Client, bucket: string, prefix: string, options: CallOptions): AsyncGenerator<Upload> {
  let markers: { KeyMarker?: string; UploadIdMarker?: string } = {};
  for (;;) {
    const command = new ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, MaxUploads: PAGE, ...markers });
    const page = await absentOr(() => s3.send(command, abort(options)), 'NoSuchBucket');
    for (const { Key, UploadId } of page?.Uploads ?? [])
      if (Key !== undefined && UploadId !== undefined) yield { key: Key, uploadId: UploadId };
    if (!page?.IsTruncated || page.NextKeyMarker === undefined) return;
    markers = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
  }
}

/** Until nothing is there: uploads, every version, delete markers. What is added meanwhile is taken too. False = there was nothing. */
export async function emptyPrefix(s3: S3Client, bucket: string, prefix: string, options: CallOptions): Promise<boolean> {
  let removed = false;
  let former = '';
  let unchanged = 0;
  for (;;) {
    let found = 0;
    for await (const { key, uploadId } of uploads(s3, bucket, prefix, options)) {
      const command = new AbortMultipartUploadCommand({ Bucket: bucket, Key: key, UploadId: uploadId });
      await absentOr(() => s3.send(command, abort(options)), 'NoSuchUpload', 'NoSuchBucket');
      found += 1;
    }
    // Always the first page: what it showed is gone by the next turn, and a marker could skip what a straggler added.
    const objects = await firstVersions(s3, bucket, prefix, options);
    if (objects.length > 0) await deleteObjects(s3, bucket, objects, options);
    if (found + objects.length === 0) return removed;
    removed = true;
    const seen = JSON.stringify(objects);
    unchanged = seen === former ? unchanged + 1 : 0;
    former = seen;
    if (unchanged === STUCK_AFTER) throw new Error(`the store says that it deletes objects of ${bucket}, and shows them still`);
  }
}

/** Some stores keep the folders of keys that are gone. From the deepest up; on the others there is nothing to find. */
export async function removeFolders(s3: S3Client, bucket: string, folder: string, options: CallOptions): Promise<void> {
  const pending = [folder];
  const found: string[] = [];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    found.push(next);
    pending.push(...(await listPrefixes(s3, bucket, next, options)));
  }
  // A folder is found before what is in it.
  for (const Key of found.reverse()) {
    await absentOr(() => s3.send(new DeleteObjectCommand({ Bucket: bucket, Key }), abort(options)), 'NoSuchKey', 'NoSuchBucket');
  }
}

async function firstVersions(s3: S3Client, bucket: string, prefix: string, options: CallOptions): Promise<ObjectIdentifier[]> {
  const versioned = new ListObjectVersionsCommand({ Bucket: bucket, Prefix: prefix, MaxKeys: PAGE });
  // Cloudflare R2 has no versions, and no listing of them.
  const page = await absentOr(() => s3.send(versioned, abort(options)), 'NoSuchBucket', 'NotImplemented');
  const objects = [...(page?.Versions ?? []), ...(page?.DeleteMarkers ?? [])].map(({ Key, VersionId }) => ({ Key, VersionId }));
  if (objects.length > 0) return objects;
  const plain = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: PAGE });
  const { Contents } = (await absentOr(() => s3.send(plain, abort(options)), 'NoSuchBucket')) ?? {};
  return (Contents ?? []).map(({ Key }) => ({ Key }));
}

async function deleteObjects(s3: S3Client, bucket: string, objects: ObjectIdentifier[], options: CallOptions): Promise<void> {
  for (let from = 0; from < objects.length; from += PAGE) {
    const command = withMd5(
      new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects.slice(from, from + PAGE), Quiet: true } }),
    );
    const answer = await absentOr(() => s3.send(command, abort(options)), 'NoSuchBucket');
    const [refused] = (answer?.Errors ?? []).filter(({ Code }) => Code !== 'NoSuchKey' && Code !== 'NoSuchVersion');
    if (refused) throw new Error(`the store does not delete an object of ${bucket}: ${refused.Code ?? ''} ${refused.Message ?? ''}`);
  }
}

/** The SDK sends a CRC32 alone; stores that know no newer checksum answer 400 MissingContentMD5. */
function withMd5(command: DeleteObjectsCommand): DeleteObjectsCommand {
  command.middlewareStack.add(
    (next) => async (args) => {
      const { headers, body } = args.request as { headers: Record<string, string>; body: string };
      headers['content-md5'] = createHash('md5').update(body).digest('base64');
      return await next(args);
    },
    { step: 'build', name: 'contentMd5' },
  );
  return command;
}

/** False = there was none. */
export async function deleteBucket(s3: S3Client, bucket: string, options: CallOptions): Promise<boolean> {
  await emptyPrefix(s3, bucket, '', options);
  const answer = await absentOr(() => s3.send(new DeleteBucketCommand({ Bucket: bucket }), abort(options)), 'NoSuchBucket');
  return answer !== undefined;
}

/** Bytes by the group that a key belongs to; uploads that were never completed count as what they hold. */
export async function measure(
  s3: S3Client,
  bucket: string,
  groupOf: (key: string) => string | null,
  options: CallOptions,
): Promise<Map<string, number>> {
  const bytes = new Map<string, number>();
  const add = (key: string, size: number) => {
    const group = groupOf(key);
    if (group !== null) bytes.set(group, (bytes.get(group) ?? 0) + size);
  };
  let token: string | undefined;
  do {
    const command = new ListObjectsV2Command({ Bucket: bucket, ContinuationToken: token, MaxKeys: PAGE });
    const page = await absentOr(() => s3.send(command, abort(options)), 'NoSuchBucket');
    for (const { Key, Size } of page?.Contents ?? []) add(Key ?? '', Size ?? 0);
    token = page?.NextContinuationToken;
  } while (token !== undefined);
  for await (const { key, uploadId } of uploads(s3, bucket, '', options))
    add(key, await sizeOfUpload(s3, bucket, { key, uploadId }, options));
  return bytes;
}

async function sizeOfUpload(s3: S3Client, bucket: string, { key, uploadId }: Upload, options: CallOptions): Promise<number> {
  let size = 0;
  let marker: string | undefined;
  do {
    const command = new ListPartsCommand({ Bucket: bucket, Key: key, UploadId: uploadId, PartNumberMarker: marker, MaxParts: PAGE });
    const page = await absentOr(() => s3.send(command, abort(options)), 'NoSuchUpload', 'NoSuchBucket');
    for (const part of page?.Parts ?? []) size += part.Size ?? 0;
    marker = page?.IsTruncated ? page.NextPartNumberMarker : undefined;
  } while (marker !== undefined);
  return size;
}
