// One key for all tenants of a shared bucket: they must trust each other. Which prefixes it may not use is the bucket's policy.
import { DeleteBucketPolicyCommand, GetBucketPolicyCommand, PutBucketPolicyCommand, type S3Client } from '@aws-sdk/client-s3';
import { abort } from './clients';
import { marksOfSharedPolicy, sharedBucketPolicy } from './policies';
import { absentOr } from './storeerrors';
import type { AccessState, CallOptions, IssueRequest, StorageKey } from './types';

/** Makes changes of one document wait for each other, in every process. */
export type DocumentLock = <T>(run: (signal: AbortSignal) => Promise<T>) => Promise<T>;

export interface SharedKeyOptions {
  s3: S3Client;
  bucket: string;
  key: StorageKey;
  /** The ARN by which the bucket's policy knows the key's user. */
  principal: string;
  lock: DocumentLock;
}

const OPEN: AccessState = { cut: false, readOnly: false };

export class SharedKey {
  readonly #options: SharedKeyOptions;

  constructor(options: SharedKeyOptions) {
    this.#options = options;
  }

  async access(objectName: string, options: CallOptions = {}): Promise<AccessState> {
    return (await this.#marks(options)).get(objectName) ?? OPEN;
  }

  async issue({ stored, store, place, access }: IssueRequest, options: CallOptions = {}): Promise<void> {
    if (access.cut || access.readOnly) await this.setAccess(place.objectName, access, options);
    if (stored === null) await store(this.#options.key);
  }

  async setAccess(objectName: string, access: AccessState, options: CallOptions = {}): Promise<void> {
    const before = await this.access(objectName, options);
    if (before.cut === access.cut && before.readOnly === access.readOnly) return;
    await this.#options.lock(async (lost) => {
      const locked = { signal: options.signal ? AbortSignal.any([options.signal, lost]) : lost };
      const marks = await this.#marks(locked);
      if (access.cut || access.readOnly) marks.set(objectName, access);
      else marks.delete(objectName);
      await this.#write(marks, locked);
    });
  }

  async list(prefix: string, options: CallOptions = {}): Promise<string[]> {
    return [...(await this.#marks(options)).keys()].filter((objectName) => objectName.startsWith(prefix));
  }

  async #marks(options: CallOptions): Promise<Map<string, AccessState>> {
    const command = new GetBucketPolicyCommand({ Bucket: this.#options.bucket });
    const answer = await absentOr(() => this.#options.s3.send(command, abort(options)), 'NoSuchBucketPolicy', 'NoSuchBucket');
    return answer?.Policy === undefined ? new Map() : marksOfSharedPolicy(answer.Policy);
  }

  async #write(marks: ReadonlyMap<string, AccessState>, options: CallOptions): Promise<void> {
    const { s3, bucket, principal } = this.#options;
    const document = sharedBucketPolicy(marks, bucket, principal);
    if (document === null) await s3.send(new DeleteBucketPolicyCommand({ Bucket: bucket }), abort(options));
    else await s3.send(new PutBucketPolicyCommand({ Bucket: bucket, Policy: JSON.stringify(document) }), abort(options));
  }
}
