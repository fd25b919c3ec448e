// The object stores that this process reaches: clients, provider and mode of each, made once and checked again when asked.
import { S3Client } from '@aws-sdk/client-s3';
import {
  type CallOptions,
  chooseMode,
  clientOptions,
  createStorageProvider,
  type DocumentLock,
  isSignedByPlatform,
  type ProviderParts,
  placeOf,
  type StorageCredentialProvider,
  type StorageMode,
  type StoragePlace,
  type StoreConfig,
  sharedBucketName,
} from '../../shared/storageprovider';
import { ProviderMisconfigured } from '../errors';
import { ensureBucket, listBuckets } from './objects';

const ANONYMOUS_MS = 5_000;

export interface Store {
  config: StoreConfig;
  provider: StorageCredentialProvider;
  s3: S3Client;
  sharedBucket: string;
  /** Of what is made from now on; what is there keeps its own. */
  mode: StorageMode;
}

export interface StoresOptions {
  configOf: (backendName: string) => StoreConfig;
  installationId: string;
  sharedBucketLock: DocumentLock;
}

export class Stores {
  readonly #options: StoresOptions;
  readonly #stores = new Map<string, Store>();
  readonly #prepared = new Set<string>();

  constructor(options: StoresOptions) {
    this.#options = options;
  }

  /** Made from configuration alone. */
  get(backendName: string): Store {
    const known = this.#stores.get(backendName);
    if (known) return known;
    const { installationId, sharedBucketLock } = this.#options;
    const config = this.#options.configOf(backendName);
    const provider = providerOf(backendName, { config, installationId, sharedBucketLock });
    const choice = chooseMode(provider.capabilities, config);
    if ('refused' in choice) throw new ProviderMisconfigured(`${backendName}: ${choice.refused}`);
    const { endpoint, region, admin: key } = config;
    const s3 = new S3Client({ ...clientOptions({ endpoint, region, key }), forcePathStyle: true });
    const store: Store = { config, provider, s3, sharedBucket: sharedBucketName(installationId), mode: choice.mode };
    this.#stores.set(backendName, store);
    return store;
  }

  /** Looks whether the store is there and ours, each time; makes it ready for tenants once. */
  async prepare(backendName: string, options: CallOptions = {}): Promise<Store> {
    const store = this.get(backendName);
    const buckets = await listBuckets(store.s3, options);
    if (this.#prepared.has(backendName)) return store;
    const inSharedBucket = store.mode !== 'dedicated-bucket';
    if (inSharedBucket && !buckets.includes(store.sharedBucket)) await ensureBucket(store.s3, store.sharedBucket, options);
    await store.provider.check(options);
    await refusesStrangers(store, backendName, options);
    this.#prepared.add(backendName);
    return store;
  }

  /** Only once in the life of the process. */
  async ready(backendName: string, options: CallOptions = {}): Promise<Store> {
    return this.#prepared.has(backendName) ? this.get(backendName) : await this.prepare(backendName, options);
  }

  newPlace(store: Store, objectName: string): StoragePlace {
    const place = placeOf(objectName, store.mode, this.#options.installationId);
    return { ...place, signedByPlatform: isSignedByPlatform({ mode: place.mode, signed_url_seconds: store.provider.signedUrlSeconds }) };
  }

  /** Where an object can be whatever mode it was made in. */
  possiblePlaces(store: Store, objectName: string): { own: StoragePlace; shared: StoragePlace } {
    const { installationId } = this.#options;
    const own = placeOf(objectName, 'dedicated-bucket', installationId);
    return { own, shared: { ...placeOf(objectName, 'prefix-scoped', installationId), bucket: store.sharedBucket } };
  }

  close(): void {
    for (const { provider, s3 } of this.#stores.values()) {
      provider.close();
      s3.destroy();
    }
    this.#stores.clear();
    this.#prepared.clear();
  }
}

function providerOf(backendName: string, parts: ProviderParts): StorageCredentialProvider {
  try {
    return createStorageProvider(parts);
  } catch (error) {
    throw new ProviderMisconfigured(`${backendName}: ${error instanceof Error ? error.message : 'its configuration cannot be used'}`);
  }
}

/** A store without identities of its own lets everybody in, and every policy of ours would be for nothing. */
async function refusesStrangers({ config }: Store, backendName: string, { signal }: CallOptions): Promise<void> {
  const timeout = AbortSignal.timeout(ANONYMOUS_MS);
  // AWS sends strangers to its product page, which anybody may read.
  const answer = await fetch(`${config.endpoint}/`, { redirect: 'manual', signal: signal ? AbortSignal.any([signal, timeout]) : timeout });
  await answer.body?.cancel();
  if (answer.status >= 200 && answer.status < 300)
    throw new ProviderMisconfigured(`${backendName} lists its buckets to anybody: give the object store identities before tenants`);
}

/** As the store calls itself. */
export async function versionOf({ config }: Store): Promise<string> {
  const answer = await fetch(`${config.endpoint}/`, { redirect: 'manual', signal: AbortSignal.timeout(ANONYMOUS_MS) });
  await answer.body?.cancel();
  return answer.headers.get('server') ?? config.provider;
}
