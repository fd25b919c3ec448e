// Two tenants of one object store, and the words in which an attack is told.
import { request as httpRequest } from 'node:http';
import {
  CreateMultipartUploadCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { ProvisionRequest } from '../../../activities/backend';
import { type PresignOperation, presignObject, type StorageMode } from '../../../shared/storageprovider';
import { type StorageHarness, type StoreUnderTest, startStorageHarness } from '../../contract/storage-harness';
import type { Attack } from '../attack';

export type Outcome = Awaited<ReturnType<Attack['run']>>;

export interface Tenant {
  request: ProvisionRequest;
  bucket: string;
  prefix: string;
  client: S3Client;
}

export interface World {
  mode: StorageMode;
  store: StoreUnderTest;
  harness: StorageHarness;
  attacker: Tenant;
  victim: Tenant;
  /** Of an upload that the victim has begun. */
  uploadId: string;
  /** A further resource, made for one attack. */
  made(): Promise<Tenant>;
  close(): Promise<void>;
}

export const SECRET = 'a secret of the victim';
export const MARK = 'written by the attacker';

export async function openWorld(store: StoreUnderTest, mode: StorageMode): Promise<World> {
  const harness = startStorageHarness(store, mode);
  const made: World['made'] = async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    const { bucket, prefix } = harness.detailsOf(request);
    return { request, bucket, prefix, client: harness.client(request) };
  };
  await harness.backend.prepareServer('test');
  const [attacker, victim] = [await made(), await made()];
  await victim.client.send(new PutObjectCommand({ Bucket: victim.bucket, Key: `${victim.prefix}secret`, Body: SECRET }));
  await attacker.client.send(new PutObjectCommand({ Bucket: attacker.bucket, Key: `${attacker.prefix}own`, Body: MARK }));
  const upload = new CreateMultipartUploadCommand({ Bucket: victim.bucket, Key: `${victim.prefix}upload` });
  const { UploadId = '' } = await victim.client.send(upload);
  return {
    mode,
    store,
    harness,
    attacker,
    victim,
    uploadId: UploadId,
    made,
    close: async () => {
      for (const { request } of [attacker, victim]) await harness.backend.deprovision(request);
      await harness.close();
    },
  };
}

/** The victim's one object is as it was, nothing was put beside it, and the attacker's own key still works. */
export async function allIsWell({ attacker, victim }: World): Promise<Outcome> {
  const { Contents } = await victim.client.send(new ListObjectsV2Command({ Bucket: victim.bucket, Prefix: victim.prefix }));
  const keys = (Contents ?? []).map(({ Key }) => Key?.slice(victim.prefix.length));
  if (keys.join() !== 'secret') return { breached: `the victim's objects are ${keys.join()}` };
  const { Body } = await victim.client.send(new GetObjectCommand({ Bucket: victim.bucket, Key: `${victim.prefix}secret` }));
  if ((await Body?.transformToString()) !== SECRET) return { breached: "the victim's object was changed" };
  await attacker.client.send(new HeadObjectCommand({ Bucket: attacker.bucket, Key: `${attacker.prefix}own` }));
  return 'refused';
}

/** What a refusal may be; anything else, a failed server among it, proves nothing. */
const REFUSALS = [400, 401, 403, 404, 405, 409, 411, 412, 501];

/** The store must answer with a refusal. */
export async function mustRefuse(call: Promise<unknown>, what: string, statuses: readonly number[] = [403]): Promise<Outcome> {
  try {
    await call;
  } catch (error) {
    const { name, $metadata } = Object(error) as { name?: string; $metadata?: { httpStatusCode?: number } };
    const status = $metadata?.httpStatusCode;
    if (status !== undefined && statuses.includes(status)) return 'refused';
    return { breached: `proves nothing: ${name} ${status ?? String(error)}` };
  }
  return { breached: what };
}

export function refusedStatus(status: number, what: string): Outcome {
  return REFUSALS.includes(status) ? 'refused' : { breached: `${what}: answered ${status}` };
}

export async function all(outcomes: readonly (Outcome | Promise<Outcome>)[]): Promise<Outcome> {
  for (const outcome of outcomes) {
    const settled = await outcome;
    if (settled !== 'refused') return settled;
  }
  return 'refused';
}

/** Signed with a tenant's key, for whatever bucket and key. */
export function signed(
  { harness }: Pick<World, 'harness'>,
  by: Tenant,
  aim: { operation: PresignOperation; bucket: string; objectKey: string; expiresInSeconds?: number; signedAt?: Date; version?: number },
): Promise<string> {
  const { endpoint, region } = harness.config;
  const { operation, bucket, objectKey, expiresInSeconds = 300, signedAt = new Date() } = aim;
  const key = harness.keyOf(by.request, aim.version);
  return presignObject({ endpoint, region, key, operation, bucket, objectKey, expiresInSeconds, signedAt });
}

/** The path goes out as it is written: fetch would tidy it up. */
export function raw(
  url: string,
  options: { method?: string; body?: string; headers?: Record<string, string> } = {},
): Promise<{ status: number; body: string }> {
  const match = /^http:\/\/([^/:]+):(\d+)(\/.*)$/.exec(url);
  if (match === null) throw new Error(`not a url of the store: ${url}`);
  const [, host, port, path] = match;
  const { method = 'GET', body, headers = {} } = options;
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host, port, path, method, headers, agent: false }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

/** Neither a success nor the secret. */
export function rawRefused(answer: { status: number; body: string }, what: string): Outcome {
  if (answer.body.includes(SECRET)) return { breached: `${what}: the secret came back` };
  return refusedStatus(answer.status, what);
}
