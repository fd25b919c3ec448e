// Mode broker on a store that has no key for a tenant: the platform's own signs, and is shown to nobody.
import type { AccessState, IssueRequest, StorageKey } from './types';

/** Nothing at the store can end what this key signed, so nothing is signed for longer. */
export const PLATFORM_SIGNED_SECONDS = 300;

/** The api signs for an active resource alone, and no PUT for one that is over its limit: that is the whole of what holds here. */
export class PlatformKey {
  readonly #key: StorageKey;

  constructor(key: StorageKey) {
    this.#key = key;
  }

  access(): AccessState {
    return { cut: false, readOnly: false };
  }

  async issue({ stored, store }: IssueRequest): Promise<void> {
    if (stored === null) await store(this.#key);
  }
}
