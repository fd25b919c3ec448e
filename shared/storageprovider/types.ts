// What a provider of storage credentials is: the one port that every object store is reached through.
import type { StoreConfig } from './config';
import type { StorageCapabilities, StorageMode } from './modes';
import type { DocumentLock } from './sharedkey';

/** A key pair, with a session token where it is temporary. */
export interface StorageKey {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

/** What the store issued for one credential version. */
export interface IssuedKey extends StorageKey {
  /** ISO 8601 UTC; only for temporary credentials. */
  expiresAt?: string;
}

/** Where a tenant's objects are. */
export interface StoragePlace {
  objectName: string;
  mode: StorageMode;
  bucket: string;
  /** Empty, or ends with a slash. */
  prefix: string;
  /** It has no key of its own: the platform's signs. */
  signedByPlatform?: boolean;
  /** Versions that the platform knows of: where a store lists its users late, they are looked for by name. */
  knownVersions?: readonly number[];
}

/** Two separate facts: access that was cut stays read-only when it is given back. */
export interface AccessState {
  cut: boolean;
  readOnly: boolean;
}

export interface IssueRequest {
  place: StoragePlace;
  version: number;
  /** In force before anybody knows the key. */
  access: AccessState;
  /** What an earlier attempt stored, if it came so far. */
  stored: IssuedKey | null;
  /** Keeps a new key; the first one stays and is answered. */
  store: (key: IssuedKey) => Promise<IssuedKey>;
}

export interface CallOptions {
  signal?: AbortSignal;
}

export interface RevokeAllOptions extends CallOptions {
  /** As in a place. */
  knownVersions?: readonly number[];
}

/** Tenants' credentials on one store. Every call is safe to repeat; the caller holds the object's lock. */
export interface StorageCredentialProvider {
  readonly name: string;
  readonly capabilities: StorageCapabilities;
  /** Whether this provider has been run against the vendor's own server, or against a double of it alone. */
  readonly proof: 'server' | 'double';
  /** Where nothing ends a signed url before its time: the longest that the platform signs for. */
  readonly signedUrlSeconds?: number;
  /** Connects, and throws with one line that holds the remedy when tenants' credentials cannot be made here. */
  check(options?: CallOptions): Promise<void>;
  /** The versions that are there, or known of, oldest first; empty also where versions are not told apart (the shared key). */
  versions(place: StoragePlace, options?: CallOptions): Promise<number[]>;
  /** Null when nothing of the object is there. */
  access(place: StoragePlace, options?: CallOptions): Promise<AccessState | null>;
  /** Makes the version's credentials, or completes them. */
  issue(request: IssueRequest, options?: CallOptions): Promise<void>;
  /** For every version at once, what was signed before included; nothing to do is success. */
  setAccess(place: StoragePlace, access: AccessState, options?: CallOptions): Promise<void>;
  /** Ends one version; absent is success. */
  revoke(place: StoragePlace, version: number, options?: CallOptions): Promise<void>;
  /** No version of the object is left, in whichever mode they were made. False = there was none. */
  revokeAll(objectName: string, options?: RevokeAllOptions): Promise<boolean>;
  /** Takes the object out of what tenants have in common. It waits for a lock of its own: to be called without the object's. */
  forget(objectName: string, options?: CallOptions): Promise<void>;
  /** Object names that begin with the prefix and have credentials or marks here. */
  list(prefix: string, options?: CallOptions): Promise<string[]>;
  close(): void;
}

/** What a vendor can, whatever the operator's configuration adds to it. */
export type VendorCapabilities = Omit<StorageCapabilities, 'sharedKey'>;

/** What a provider is made from. */
export interface ProviderParts {
  config: StoreConfig;
  installationId: string;
  /** For the one document that tenants of the shared key have in common. */
  sharedBucketLock: DocumentLock;
}
