// What every kind's room implements: one object of verbs, each safe to run twice, at once, and after a timeout that took effect.
import type { ResourceLimits } from '../shared/resourcetype';

/** Where an object is and what it is called there. Holds no secret, so it may travel through Temporal. */
export interface BackendRef {
  resourceId: string;
  backendName: string;
  /** Chosen by `reserve` before the first backend call. */
  objectName: string;
  /** The attempt under one idempotency key; the fence compares it. */
  generation: number;
}

export interface ProvisionRequest extends BackendRef {
  limits: ResourceLimits;
  credentialVersion: number;
}

export interface RotateRequest extends BackendRef {
  limits: ResourceLimits;
  /** Already stored by the platform; applied here under its own login role. */
  credentialVersion: number;
  /** The version that stays good until it is retired, or null. */
  previousVersion: number | null;
}

export interface MeasuredObject {
  objectName: string;
  bytes: number;
}

/** The verbs. `cut` and `restore` serve pause, suspension, expiry and quota alike. */
export interface Backend {
  /** Makes the object with this credential version; the fence is read under the name's lock. */
  provision(request: ProvisionRequest): Promise<void>;
  /** Gives a claimed warm item its password, limits and label. */
  claimWarm(request: ProvisionRequest): Promise<void>;
  /** Until nothing of that name is left; "absent" is success. */
  deprovision(ref: BackendRef): Promise<void>;
  /** No new connection, and no old one left. */
  cut(ref: BackendRef): Promise<void>;
  restore(ref: BackendRef): Promise<void>;
  rotate(request: RotateRequest): Promise<void>;
  /** Ends a credential version; repeats are success. */
  retireCredential(request: BackendRef & { credentialVersion: number }): Promise<void>;
  /** Writes stop (softly, where the server has no hard quota); lifted by `false`. */
  setReadOnly(request: BackendRef & { readOnly: boolean }): Promise<void>;
  applyLimits(request: BackendRef & { limits: ResourceLimits }): Promise<void>;
}

/** Verbs over a whole backend, for the pool, the sweep and the meter. */
export interface BackendInventory {
  /** Every object of this installation, found by prefix. */
  list(backendName: string): Promise<string[]>;
  measureAll(backendName: string): Promise<MeasuredObject[]>;
}

/** Reads the fence for `provision`: is the row still pending, with this name and generation? */
export type Fence = (ref: BackendRef) => Promise<boolean>;

/** The clear credential of a version, decrypted from the row for the length of one backend call. */
export type CredentialReader = (request: { resourceId: string; version: number }) => Promise<{ username: string; password: string }>;
