// What every kind's room implements: one object of verbs, each safe to run twice, at once, and after a timeout that took effect.
import type { ResourceKind, ResourceLimits, ResourceOptions } from '../shared/resourcetype';

/** Where an object is and what it is called there. Holds no secret, so it may travel through Temporal. */
export interface BackendRef {
  resourceId: string;
  kind: ResourceKind;
  backendName: string;
  /** Chosen by `reserve` before the first backend call. */
  objectName: string;
  /** The attempt under one idempotency key; the fence compares it. */
  generation: number;
}

/** An object with what its row says of it, for the verbs that make it so. */
export interface ProvisionRequest extends BackendRef {
  limits: ResourceLimits;
  options: ResourceOptions;
  credentialVersion: number;
  /** The version before it that is still good, or null. */
  retiringVersion: number | null;
}

/** With the versions that its row knows, where there is one: a server may list its users late. */
export interface DeprovisionRequest extends BackendRef, Partial<Pick<ProvisionRequest, 'credentialVersion' | 'retiringVersion'>> {}

export interface RotateRequest extends ProvisionRequest {
  /** The version that stays good until it is retired, or null. `credentialVersion` is the new one, already stored by the platform. */
  previousVersion: number | null;
}

export interface RetireRequest extends ProvisionRequest {
  /** The version to end. */
  retireVersion: number;
}

export interface ReadOnlyRequest extends ProvisionRequest {
  readOnly: boolean;
}

export interface MeasuredObject {
  objectName: string;
  bytes: number;
  /** Of the tenant alone, since midnight UTC; only where the plan limits them. */
  commandsToday?: number;
}

export interface CallOptions {
  /** Aborted when the caller gives up. */
  signal?: AbortSignal;
}

type Verb<Request> = (request: Request, options?: CallOptions) => Promise<void>;

/** The verbs. `cut` and `restore` serve pause, suspension, expiry and quota alike. */
export interface Backend {
  /** Makes the object with this credential version; the fence is read under the name's lock. */
  provision: Verb<ProvisionRequest>;
  /** Gives a claimed warm item its password, limits and label. Only kinds with a warm pool are ever asked to. */
  claimWarm: Verb<ProvisionRequest>;
  /** Until nothing of that name is left; "absent" is success. */
  deprovision: Verb<DeprovisionRequest>;
  /** No new connection, and no old one left. */
  cut: Verb<ProvisionRequest>;
  restore: Verb<ProvisionRequest>;
  rotate: Verb<RotateRequest>;
  /** Ends a credential version; repeats are success. */
  retireCredential: Verb<RetireRequest>;
  /** Writes stop (softly, where the server has no hard quota); lifted by `false`. */
  setReadOnly: Verb<ReadOnlyRequest>;
  applyLimits: Verb<ProvisionRequest>;
}

export interface IsolationRequest extends ProvisionRequest {
  /** The backend with accounts; `backendName` is the open one. `credentialVersion` is the new one, already stored by the platform. */
  targetName: string;
  isCut: boolean;
  isReadOnly: boolean;
}

/** What only a queue's worker does, and only where there is an open server. */
export interface QueueIsolation {
  /** Stops writes, copies every stream, and answers how clients reach the copy. Safe to repeat; the source stays whole. */
  copyToIsolated(request: IsolationRequest, options?: CallOptions): Promise<ConnectionDetails>;
}

/** Verbs over a whole backend, for the pool, the sweep and the meter. */
export interface BackendInventory {
  /** Every object of this installation, found by prefix. */
  list(backendName: string): Promise<string[]>;
  measureAll(backendName: string): Promise<MeasuredObject[]>;
}

/** What a kind's room exports, for one or more backends of the kind. */
export interface KindBackend extends Backend, BackendInventory {
  /** Connects, hardens and probes; repeats are cheap. Throws with one line that holds the remedy. */
  prepareServer(backendName: string): Promise<void>;
  serverVersion(backendName: string): Promise<string>;
  /** What of this backend was never tried against the vendor's own server, in words; null or absent = everything was. */
  unproven?(backendName: string): string | null;
  /** Removes an object that no row knows. `onlyIf` is asked under the name's lock: false = leave it all as it is. */
  destroyOrphan(ref: { backendName: string; objectName: string; onlyIf?: () => Promise<boolean> }, options?: CallOptions): Promise<void>;
  /**
   * Makes an item of the warm pool: complete but for its credential, so that nobody can log in to it. Safe to repeat; leaves one that is
   * claimed already as it is. Absent where nothing can be made ahead. It is unmade by `destroyOrphan`, and claimed by `claimWarm`.
   */
  createWarmItem?(item: WarmItem, options?: CallOptions): Promise<void>;
  close(): Promise<void>;
}

export interface WarmItem {
  backendName: string;
  objectName: string;
  /** What it is made from; it is handed out only for the same. */
  template: string;
  /** Asked under the name's lock: false = leave it all as it is. */
  onlyIf?: () => Promise<boolean>;
}

/** Reads the fence for `provision`: is the row still pending, with this name and generation? */
export type Fence = (ref: Pick<BackendRef, 'resourceId' | 'objectName' | 'generation'>) => Promise<boolean>;

/** The clear credential of a version, decrypted from the row for the length of one backend call. */
export type CredentialReader = (request: { resourceId: string; version: number }) => Promise<{ username: string; password: string }>;

/** Makes the calls for one name wait for each other, whichever worker they run in. The signal ends when the lock was lost. */
export type NameLock = <T>(objectName: string, run: (signal: AbortSignal) => Promise<T>) => Promise<T>;

export type ConnectionDetails = Record<string, string | number | boolean | null>;

/** Keeps what a provision decided and clients need: a port, a bucket, an account's id. Never a secret. */
export interface ConnectionRecorder {
  /** The first value stays; answers what is stored. */
  record(request: { resourceId: string; details: ConnectionDetails }): Promise<ConnectionDetails>;
  /** Null until recorded. */
  read(resourceId: string): Promise<ConnectionDetails | null>;
}

/** Keeps what a provider itself issues for a credential version, encrypted: an access key, a signed token. */
export interface IssuedSecrets {
  /** Null while nothing is stored. */
  read(request: { resourceId: string; version: number }): Promise<Record<string, string> | null>;
  /** The first value stays; answers what is stored. */
  store(request: { resourceId: string; version: number; secrets: Record<string, string> }): Promise<Record<string, string>>;
}

/** What every room gets from the process that runs it. */
export interface KindDependencies {
  readCredential: CredentialReader;
  fence: Fence;
  nameLock: NameLock;
  connections: ConnectionRecorder;
  issuedSecrets: IssuedSecrets;
  /** Eight characters of base32; only names that begin with `lh<installationId>_` are ever touched. */
  installationId: string;
  logger: KindLogger;
}

export interface KindLogger {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}
