import type { QueueEngine } from '../resourcetype';

export type { QueueEngine } from '../resourcetype';

/** `isolated`: a namespace and credentials of one's own. `legacy_open`: a server shared without credentials, for tenants from before. */
export type QueueAuthMode = 'isolated' | 'legacy_open';

/** Who keeps a limit: the server itself, the platform by measuring and cutting, or nobody. */
export type Enforcement = 'server' | 'watchdog' | 'none';

/** What an engine can do; docs, tests and `/readyz` tell what it cannot. */
export interface QueueCapabilities {
  /** Access can be taken away, open connections included. */
  cut: Enforcement;
  storage: Enforcement;
  connections: Enforcement;
  /** Writes can be stopped while reads go on. */
  readOnly: Enforcement;
}

/** One resource on one server: an account, a vhost, a prefix. */
export interface QueueTenant {
  backendName: string;
  objectName: string;
}

/** A version as the platform stored it, before any server heard of it. */
export interface QueueCredential {
  version: number;
  username: string;
  password: string;
}

/** -1 = not limited. */
export interface QueueLimits {
  storageBytes: number;
  connections: number;
  /** NATS: streams. RabbitMQ: queues. Kafka: nothing that its server could hold. */
  streams: number;
  consumersPerStream: number;
  messageBytes: number;
}

/** What a tenant's streams may come to, whether or not they hold it yet. */
export interface QueueUse {
  reservedBytes: number;
  streams: number;
  consumersOfLargest: number;
}

/** Facts that clients need and that are no secret: an account's id, a vhost, a topic prefix. */
export type QueueDetails = Readonly<Record<string, string>>;

/** What the holder of a credential needs besides its user name and password; flat, since it is stored encrypted. */
export type QueueSecrets = Readonly<Record<string, string>>;

export interface IssueRequest extends QueueTenant {
  credential: QueueCredential;
  limits: QueueLimits;
}

export interface RotateCredentialRequest extends IssueRequest {
  /** Stays good beside the new one; every other version ends. */
  previousVersion: number | null;
}

export interface CallSignal {
  signal?: AbortSignal;
}

/**
 * One engine in one mode. The caller holds the tenant's name lock during every call that changes something, and each such call may be
 * repeated after it took effect unseen. State is asked of the server, never kept here.
 */
export interface QueueCredentialProvider {
  readonly engine: QueueEngine;
  readonly authMode: QueueAuthMode;
  readonly capabilities: QueueCapabilities;

  /** Connects and probes; repeats are cheap. Throws with one line that holds the remedy. */
  prepareServer(backendName: string): Promise<void>;
  serverVersion(backendName: string): Promise<string>;

  detailsOf(tenant: QueueTenant): QueueDetails;
  /** Computed; no server hears of it. Where an engine knows users by password alone there is nothing to mint. */
  mintSecrets(tenant: QueueTenant, credential: QueueCredential): Promise<QueueSecrets>;

  /** Completes the tenant with this credential and opens it. A version older than the newest is refused as fenced. */
  issueCredential(request: IssueRequest, call?: CallSignal): Promise<void>;
  /** A tenant that is cut stays cut. */
  rotateCredential(request: RotateCredentialRequest, call?: CallSignal): Promise<void>;
  /** Never good again, its open connections included. */
  revokeCredential(request: QueueTenant & { version: number }, call?: CallSignal): Promise<void>;

  /** No new connection and no old one left; data stays. Absent is success. */
  cut(tenant: QueueTenant, call?: CallSignal): Promise<void>;
  restore(tenant: QueueTenant, call?: CallSignal): Promise<void>;
  /**
   * Applied to what is cut too, which stays cut. Limits below what is there must not lose it: the server then keeps to what is there, and
   * the watchdog to the plan.
   */
  applyLimits(request: QueueTenant & { limits: QueueLimits }, call?: CallSignal): Promise<void>;
  /** The limits once more, since what was too much may have gone meanwhile. */
  setReadOnly(request: QueueTenant & { readOnly: boolean; limits: QueueLimits }, call?: CallSignal): Promise<void>;

  /** Credentials, messages, streams and what is below them on disk, until nothing of the name is left. Absent is success. */
  remove(tenant: QueueTenant, call?: CallSignal): Promise<void>;

  /** Object names that begin so, in any order. */
  list(backendName: string, prefix: string): Promise<string[]>;
  measure(backendName: string, prefix: string): Promise<{ objectName: string; bytes: number }[]>;

  close(): Promise<void>;
}
