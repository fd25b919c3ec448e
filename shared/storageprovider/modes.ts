// How a tenant is separated from the others on one object store, chosen from what the store can do.

export const STORAGE_MODES = ['dedicated-bucket', 'prefix-scoped', 'prefix-scoped-temporary', 'broker', 'shared-master-key'] as const;
export type StorageMode = (typeof STORAGE_MODES)[number];

/** What a store can do, as its provider declares it. */
export interface StorageCapabilities {
  /** As many buckets as tenants. */
  bucketPerTenant: boolean;
  /** Keys that are good for one bucket. */
  bucketScopedKeys: boolean;
  /** Keys that are good for the keys below one prefix of a bucket. */
  prefixScopedKeys: boolean;
  /** STS: credentials with a session token, a policy of their own and an end. */
  temporaryCredentials: boolean;
  /** One key of the operator's for the shared bucket, which may be handed to tenants. */
  sharedKey: boolean;
}

export interface ModeWish {
  /** The one mode that is wanted; absent = the first that the store can. */
  mode?: StorageMode;
  /** Tenants of this backend may reach each other's objects: they trust each other. */
  weakIsolationAllowed?: boolean;
}

export type ModeChoice = { mode: StorageMode } | { refused: string };

/** From the strongest to the weakest; broker before the shared key, since it shows no key at all. */
const ORDER: readonly StorageMode[] = STORAGE_MODES;

export function isStorageMode(text: string): text is StorageMode {
  return (STORAGE_MODES as readonly string[]).includes(text);
}

/** What the store lacks for a mode; empty = it can. */
export function missingFor(mode: StorageMode, capabilities: StorageCapabilities): (keyof StorageCapabilities)[] {
  return NEEDS[mode].filter((capability) => !capabilities[capability]);
}

const NEEDS: Readonly<Record<StorageMode, readonly (keyof StorageCapabilities)[]>> = {
  'dedicated-bucket': ['bucketPerTenant', 'bucketScopedKeys'],
  'prefix-scoped': ['prefixScopedKeys'],
  'prefix-scoped-temporary': ['temporaryCredentials'],
  // Whoever may sign at all can sign for others.
  broker: [],
  'shared-master-key': ['sharedKey'],
};

/** Whether one tenant's credentials reach another's objects in this mode. */
export function isIsolated(mode: StorageMode): boolean {
  return mode !== 'shared-master-key';
}

export function chooseMode(capabilities: StorageCapabilities, wish: ModeWish = {}): ModeChoice {
  if (wish.mode === undefined) {
    // Broker needs nothing, so there always is one, and the shared key is never taken unasked.
    return { mode: ORDER.find((mode) => isIsolated(mode) && missingFor(mode, capabilities).length === 0) ?? 'broker' };
  }
  const missing = missingFor(wish.mode, capabilities);
  if (missing.length > 0) return { refused: `mode ${wish.mode} needs ${missing.join(' and ')}, which this store does not have` };
  if (!isIsolated(wish.mode) && !wish.weakIsolationAllowed) {
    return { refused: `mode ${wish.mode} lets tenants reach each other's objects: allow it with isolation: weak_allowed` };
  }
  return { mode: wish.mode };
}
