// Cloudflare R2: signed by the platform, or short sessions for one prefix where the operator accepts that they end by the clock alone.
import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { z } from 'zod';
import { abort, clientOptions } from './clients';
import { prefixOf, sharedBucketName } from './place';
import { assertSignedByPlatform, PLATFORM_ACCESS, PLATFORM_SIGNED_SECONDS } from './platformkey';
import { absentOr } from './storeerrors';
import type { AccessState, CallOptions, IssuedKey, IssueRequest, ProviderParts, StorageCredentialProvider, StoragePlace } from './types';
import { NOT_FOUND, VendorApi } from './vendorapi';

const API = 'https://api.cloudflare.com/client/v4';
const OPEN: AccessState = { cut: false, readOnly: false };
/** Beside the tenants' prefixes, each of which begins with an object's name. */
const MARKS = '.leasehold/';

const answerSchema = z.object({
  success: z.literal(true),
  result: z.object({ accessKeyId: z.string().min(1), secretAccessKey: z.string().min(1), sessionToken: z.string().min(1) }),
});
const markSchema = z.object({ cut: z.boolean(), readOnly: z.boolean() });

/**
 * Sessions are made by POST /accounts/{account_id}/r2/temp-access-credentials (Cloudflare API reference, "Create Temporary Access
 * Credentials"). There is no call that ends one: it is good until its ttlSeconds have passed.
 */
export function createR2Provider({ config, installationId }: ProviderParts): StorageCredentialProvider {
  const { endpoint, region, admin: key, vendor, apiToken, mode } = config;
  const sessionsAllowed = vendor.late_cut === true && apiToken !== null;
  if (mode === 'prefix-scoped-temporary' && !sessionsAllowed)
    throw new Error(
      'sessions of R2 cannot be ended before their time: accept it with late_cut: true, and name the API token in api_token_env',
    );
  const s3 = new S3Client({ ...clientOptions({ endpoint, region, key }), forcePathStyle: true });
  const accountId = typeof vendor.account_id === 'string' ? vendor.account_id : (new URL(endpoint).hostname.split('.')[0] ?? '');
  const api = apiToken === null ? null : new VendorApi({ vendor: 'Cloudflare', endpoint: apiOf(vendor.api_endpoint), token: apiToken });
  const sessions = new R2Sessions({ api, accountId, parent: key.accessKeyId, ttlSeconds: config.sessionSeconds });
  const marks = new Marks(s3, sharedBucketName(installationId));
  /** False for what the platform signs. */
  const isSession = (place: StoragePlace): boolean => {
    if (place.mode === 'prefix-scoped-temporary') return true;
    assertSignedByPlatform(place, 'configure the store that it was made on, and this one as a backend with another name');
    return false;
  };
  return {
    name: 'r2',
    proof: 'double',
    // One bucket for each tenant would be of no use: no key that R2 gives by this API is good for longer than a session.
    capabilities: {
      bucketPerTenant: true,
      bucketScopedKeys: false,
      prefixScopedKeys: false,
      temporaryCredentials: sessionsAllowed,
      sharedKey: false,
    },
    signedUrlSeconds: PLATFORM_SIGNED_SECONDS,
    check: async (options = {}) => {
      if (sessionsAllowed) await sessions.create({ bucket: sharedBucketName(installationId), prefix: MARKS, readOnly: true }, options);
    },
    versions: async () => [],
    access: async (place, options) => (isSession(place) ? await marks.read(place.objectName, options) : PLATFORM_ACCESS),
    issue: async (request, options = {}) => {
      if (isSession(request.place)) await issueSession({ sessions, marks }, request, options);
    },
    // What is out stays good to its end; what is signed or issued from now on heeds it.
    setAccess: async (place, access, options) => {
      if (isSession(place)) await marks.write(place.objectName, access, options);
    },
    revoke: async (place) => void isSession(place),
    revokeAll: (objectName, options) => marks.remove(objectName, options),
    forget: async () => {},
    list: (prefix, options) => marks.list(prefix, options),
    close: () => s3.destroy(),
  };
}

function apiOf(option: string | boolean | undefined): string {
  return typeof option === 'string' ? option : API;
}

async function issueSession(
  { sessions, marks }: { sessions: R2Sessions; marks: Marks },
  { place, access, stored, store }: IssueRequest,
  options: CallOptions,
): Promise<void> {
  if (access.cut || access.readOnly) await marks.write(place.objectName, access, options);
  if (stored !== null) return;
  // It could not be taken back: whoever is cut off gets one that reaches nothing, and a new one by rotating once the cut is lifted.
  const reach = access.cut ? `${MARKS}nothing/` : place.prefix;
  await store(await sessions.create({ bucket: place.bucket, prefix: reach, readOnly: access.cut || access.readOnly }, options));
}

class R2Sessions {
  readonly #options: { api: VendorApi | null; accountId: string; parent: string; ttlSeconds: number };

  constructor(options: { api: VendorApi | null; accountId: string; parent: string; ttlSeconds: number }) {
    this.#options = options;
  }

  async create(scope: { bucket: string; prefix: string; readOnly: boolean }, options: CallOptions): Promise<IssuedKey> {
    const { api, accountId, parent, ttlSeconds } = this.#options;
    if (api === null) throw new Error('resources with sessions are here, and api_token_env names no token');
    // Before the call: said to end a little early, never late.
    const expiresAt = new Date(Date.now() + ttlSeconds * 1000).toISOString();
    const answer = await api.call({
      method: 'POST',
      path: `/accounts/${encodeURIComponent(accountId)}/r2/temp-access-credentials`,
      body: {
        bucket: scope.bucket,
        parentAccessKeyId: parent,
        permission: scope.readOnly ? 'object-read-only' : 'object-read-write',
        ttlSeconds,
        prefixes: [scope.prefix],
      },
      answer: answerSchema,
      signal: options.signal,
    });
    if (answer === NOT_FOUND) throw new Error('Cloudflare knows no such account: check account_id and the host of the admin url');
    return { ...answer.result, expiresAt };
  }
}

/** What holds for a resource whose sessions know nothing of it, kept at the store as an object for each that is not open. */
class Marks {
  readonly #s3: S3Client;
  readonly #bucket: string;

  constructor(s3: S3Client, bucket: string) {
    this.#s3 = s3;
    this.#bucket = bucket;
  }

  async read(objectName: string, options: CallOptions = {}): Promise<AccessState> {
    const answer = await absentOr(
      () => this.#s3.send(new GetObjectCommand(this.#at(objectName)), abort(options)),
      'NoSuchKey',
      'NoSuchBucket',
    );
    return answer?.Body === undefined ? OPEN : markSchema.parse(JSON.parse(await answer.Body.transformToString()));
  }

  async write(objectName: string, access: AccessState, options: CallOptions = {}): Promise<void> {
    if (access.cut || access.readOnly)
      await this.#s3.send(new PutObjectCommand({ ...this.#at(objectName), Body: JSON.stringify(access) }), abort(options));
    else await this.remove(objectName, options);
  }

  /** False = there was none. */
  async remove(objectName: string, options: CallOptions = {}): Promise<boolean> {
    const before = await this.list(objectName, options);
    if (!before.includes(objectName)) return false;
    await this.#s3.send(new DeleteObjectCommand(this.#at(objectName)), abort(options));
    return true;
  }

  async list(prefix: string, options: CallOptions = {}): Promise<string[]> {
    const names: string[] = [];
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: `${MARKS}${prefix}`, ContinuationToken: token });
      const page = await absentOr(() => this.#s3.send(command, abort(options)), 'NoSuchBucket');
      for (const { Key } of page?.Contents ?? []) names.push((Key ?? '').slice(MARKS.length, -1));
      token = page?.NextContinuationToken;
    } while (token !== undefined);
    return names;
  }

  #at(objectName: string) {
    return { Bucket: this.#bucket, Key: `${MARKS}${prefixOf(objectName)}` };
  }
}
