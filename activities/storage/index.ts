// Object storage: a bucket or a prefix per resource, and credentials that reach nothing else.

import { type AccessState, isSignedByPlatform, isStorageMode, type StoragePlace, type StoreConfig } from '../../shared/storageprovider';
import type {
  Backend,
  BackendRef,
  CallOptions,
  ConnectionDetails,
  DeprovisionRequest,
  KindBackend,
  KindDependencies,
  MeasuredObject,
  ProvisionRequest,
  ReadOnlyRequest,
  RetireRequest,
  RotateRequest,
} from '../backend';
import { Fenced, ObjectMissing, ProviderMisconfigured, ProviderUnavailable } from '../errors';
import { assertOwnName, installationPrefix } from '../names';
import { eitherSignal, mapped } from '../verbs';
import { toStorageError } from './errors';
import { listObjects, measureObjects } from './inventory';
import { issuedKeyOf, secretsOf } from './issued';
import { deleteBucket, emptyPrefix, ensureBucket, removeFolders } from './objects';
import { type Store, Stores, versionOf } from './stores';

export interface StorageDependencies extends KindDependencies {
  /** Where a backend is and how it is used. @throws Error with the remedy */
  configOf: (backendName: string) => StoreConfig;
}

/** One removes, one finds nothing; more only where something takes effect late. */
const PASSES = 10;
const OPEN: AccessState = { cut: false, readOnly: false };

type Run<Request> = (request: Request, options: { signal: AbortSignal }) => Promise<void>;

export function createStorageBackend(dependencies: StorageDependencies): KindBackend {
  const room = new StorageRoom(dependencies);
  const ask = <T>(question: () => Promise<T>): Promise<T> => mapped(question, toStorageError);
  const verb =
    <Request extends Pick<BackendRef, 'objectName'>>(run: Run<Request>) =>
    async (request: Request, { signal }: CallOptions = {}): Promise<void> => {
      assertOwnName(request.objectName, room.prefix);
      await ask(() => run(request, { signal: signal ?? new AbortController().signal }));
    };
  const verbs: Backend = {
    provision: verb((request: ProvisionRequest, options) => room.provision(request, options)),
    claimWarm: verb((request: ProvisionRequest, options) => room.provision(request, options)),
    deprovision: verb((ref: DeprovisionRequest, options) => room.destroy(ref, options)),
    cut: verb((request: ProvisionRequest, options) => room.cut(request, options)),
    restore: verb((request: ProvisionRequest, options) => room.restore(request, options)),
    rotate: verb((request: RotateRequest, options) => room.rotate(request, options)),
    retireCredential: verb((request: RetireRequest, options) => room.retire(request, options)),
    setReadOnly: verb((request: ReadOnlyRequest, options) => room.setReadOnly(request, options)),
    // The store knows no limit of its own: the meter compares the bytes and calls setReadOnly or cut.
    applyLimits: verb(async () => {}),
  };
  return {
    ...verbs,
    list: (backendName) => ask(() => room.list(backendName)),
    measureAll: (backendName) => ask(() => room.measureAll(backendName)),
    prepareServer: (backendName) => ask(() => room.prepareServer(backendName)),
    serverVersion: (backendName) => ask(() => room.serverVersion(backendName)),
    unproven: (backendName) => room.unproven(backendName),
    destroyOrphan: (ref, options) => verb((orphan: typeof ref, signals) => room.destroy(orphan, signals))(ref, options),
    close: async () => room.close(),
  };
}

class StorageRoom {
  readonly prefix: string;
  readonly #dependencies: StorageDependencies;
  readonly #stores: Stores;

  constructor(dependencies: StorageDependencies) {
    this.#dependencies = dependencies;
    const { installationId, nameLock, configOf } = dependencies;
    this.prefix = installationPrefix(installationId);
    this.#stores = new Stores({ configOf, installationId, sharedBucketLock: (run) => nameLock(`${this.prefix}shared-bucket`, run) });
  }

  async provision(request: ProvisionRequest, options: { signal: AbortSignal }): Promise<void> {
    const store = await this.#stores.ready(request.backendName, options);
    await this.#locked(request.objectName, options, async (locked) => {
      // After the lock: whoever held it before may have been the delete.
      if (!(await this.#dependencies.fence(request))) throw new Fenced(`${request.objectName} is not to be made any more`);
      const place = await this.#record(store, request);
      const bucket = place.mode === 'dedicated-bucket' ? ensureBucket(store.s3, place.bucket, locked) : Promise.resolve();
      // Both end before the lock is given back, whichever fails.
      const made = await Promise.allSettled([bucket, this.#issue(store, place, request, OPEN, locked)]);
      for (const part of made) if (part.status === 'rejected') throw part.reason;
    });
  }

  /** Access first; what is left then is listed, by bucket or by prefix, until it is gone too. */
  async destroy(
    ref: Partial<Versions> & { backendName: string; objectName: string; onlyIf?: () => Promise<boolean> },
    options: { signal: AbortSignal },
  ): Promise<void> {
    const { objectName } = ref;
    const knownVersions = versionsOf(ref);
    const store = this.#stores.get(ref.backendName);
    const gone = await this.#locked(objectName, options, async (locked) => {
      if (ref.onlyIf && !(await ref.onlyIf())) return false;
      // A call whose client was killed may still take effect: it is over once nothing is found any more.
      for (let pass = 0; await this.#remove(store, { objectName, knownVersions }, locked); pass += 1)
        if (pass === PASSES) throw new ProviderUnavailable(`${objectName} comes back to ${ref.backendName} as often as it is removed`);
      return true;
    });
    if (gone) await store.provider.forget(objectName, options);
  }

  /** In whichever mode it was made: its row may know, an orphan has none. False = there was nothing. */
  async #remove(
    store: Store,
    { objectName, knownVersions }: { objectName: string; knownVersions: number[] },
    locked: { signal: AbortSignal },
  ): Promise<boolean> {
    const { own, shared } = this.#stores.possiblePlaces(store, objectName);
    const hadUsers = await store.provider.revokeAll(objectName, { ...locked, knownVersions });
    const hadBucket = await deleteBucket(store.s3, own.bucket, locked);
    const hadObjects = await emptyPrefix(store.s3, shared.bucket, shared.prefix, locked);
    await removeFolders(store.s3, shared.bucket, shared.prefix, locked);
    return hadBucket || hadObjects || hadUsers;
  }

  async cut(request: ProvisionRequest, options: { signal: AbortSignal }): Promise<void> {
    await this.#onPlace(request, options, async (store, place, locked) => {
      const access = await store.provider.access(place, locked);
      if (access !== null) await store.provider.setAccess(place, { ...access, cut: true }, locked);
    });
  }

  async restore(request: ProvisionRequest, options: { signal: AbortSignal }): Promise<void> {
    await this.#onPlace(request, options, async (store, place, locked) => {
      const access = existing(await store.provider.access(place, locked), request);
      await store.provider.setAccess(place, { ...access, cut: false }, locked);
    });
  }

  async setReadOnly(request: ReadOnlyRequest, options: { signal: AbortSignal }): Promise<void> {
    await this.#onPlace(request, options, async (store, place, locked) => {
      const access = existing(await store.provider.access(place, locked), request);
      await store.provider.setAccess(place, { ...access, readOnly: request.readOnly }, locked);
    });
  }

  /** The new version beside the one before; whatever is older ends first, so there are never more than two. */
  async rotate(request: RotateRequest, options: { signal: AbortSignal }): Promise<void> {
    const { objectName, credentialVersion, previousVersion } = request;
    await this.#onPlace(request, options, async (store, place, locked) => {
      const access = existing(await store.provider.access(place, locked), request);
      const versions = await store.provider.versions(place, locked);
      if (versions.some((version) => version > credentialVersion))
        throw new Fenced(`${objectName} has a newer credential than version ${credentialVersion}`);
      for (const version of versions)
        if (version !== credentialVersion && version !== previousVersion) await store.provider.revoke(place, version, locked);
      await this.#issue(store, place, request, access, locked);
    });
  }

  async retire(request: RetireRequest, options: { signal: AbortSignal }): Promise<void> {
    await this.#onPlace(request, options, (store, place, locked) => store.provider.revoke(place, request.retireVersion, locked));
  }

  list(backendName: string): Promise<string[]> {
    return listObjects(this.#stores.get(backendName), this.prefix);
  }

  measureAll(backendName: string): Promise<MeasuredObject[]> {
    return measureObjects(this.#stores.get(backendName), this.prefix);
  }

  async prepareServer(backendName: string): Promise<void> {
    await this.#stores.prepare(backendName);
  }

  serverVersion(backendName: string): Promise<string> {
    return versionOf(this.#stores.get(backendName));
  }

  unproven(backendName: string): string | null {
    const { name, proof } = this.#stores.get(backendName).provider;
    return proof === 'server' ? null : `${name}: its requests were tested against a double only, never against the vendor`;
  }

  close(): void {
    this.#stores.close();
  }

  async #issue(store: Store, place: StoragePlace, request: ProvisionRequest, access: AccessState, options: CallOptions): Promise<void> {
    const { issuedSecrets } = this.#dependencies;
    const { resourceId, credentialVersion: version } = request;
    const stored = await issuedSecrets.read({ resourceId, version });
    await store.provider.issue(
      {
        place,
        version,
        access,
        stored: stored === null ? null : issuedKeyOf(stored),
        store: async (key) => issuedKeyOf(await issuedSecrets.store({ resourceId, version, secrets: secretsOf(key) })),
      },
      options,
    );
  }

  async #record(store: Store, { resourceId, objectName }: ProvisionRequest): Promise<StoragePlace> {
    const { mode, bucket, prefix } = this.#stores.newPlace(store, objectName);
    const { signedUrlSeconds } = store.provider;
    const details = await this.#dependencies.connections.record({
      resourceId,
      details: {
        ...{ mode, bucket, prefix, region: store.config.region },
        ...(signedUrlSeconds === undefined ? {} : { signed_url_seconds: signedUrlSeconds }),
      },
    });
    return placeFrom(objectName, details);
  }

  /** Under the lock of the object; what tenants of the shared key have in common has a lock of its own, which must not be waited for inside. */
  async #onPlace(
    request: ProvisionRequest,
    options: { signal: AbortSignal },
    run: (store: Store, place: StoragePlace, options: { signal: AbortSignal }) => Promise<void>,
  ): Promise<void> {
    const store = this.#stores.get(request.backendName);
    const details = await this.#dependencies.connections.read(request.resourceId);
    const found = details === null ? this.#stores.newPlace(store, request.objectName) : placeFrom(request.objectName, details);
    const place = { ...found, knownVersions: versionsOf(request) };
    if (place.mode === 'shared-master-key') return await run(store, place, options);
    await this.#locked(request.objectName, options, (locked) => run(store, place, locked));
  }

  #locked<T>(objectName: string, { signal }: { signal: AbortSignal }, run: (options: { signal: AbortSignal }) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    return this.#dependencies.nameLock(objectName, (lost) => run({ signal: eitherSignal(signal, lost) }));
  }
}

type Versions = Pick<RotateRequest, 'credentialVersion' | 'retiringVersion' | 'previousVersion'>;

function versionsOf({ credentialVersion, retiringVersion, previousVersion }: Partial<Versions>): number[] {
  return [credentialVersion, retiringVersion, previousVersion].filter((version) => typeof version === 'number');
}

function existing(access: AccessState | null, { objectName, backendName }: BackendRef): AccessState {
  if (access === null) throw new ObjectMissing(`${objectName} is not on ${backendName}`);
  return access;
}

function placeFrom(objectName: string, details: ConnectionDetails): StoragePlace {
  const { mode, bucket, prefix } = details;
  if (typeof mode !== 'string' || !isStorageMode(mode) || typeof bucket !== 'string' || typeof prefix !== 'string')
    throw new ProviderMisconfigured(`what is recorded of ${objectName} names no bucket`);
  return { objectName, mode, bucket, prefix, signedByPlatform: isSignedByPlatform(details) };
}
