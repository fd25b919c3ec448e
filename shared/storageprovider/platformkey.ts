// Mode broker on a store that has no key for a tenant: the platform's own signs, is shown to nobody, and is kept with no resource.
import type { AccessState, StoragePlace } from './types';

/** Nothing at the store can end what this key signed, so nothing is signed for longer. */
export const PLATFORM_SIGNED_SECONDS = 300;

/** The api signs for an active resource alone, and no PUT for one that is over its limit: that is the whole of what holds here. */
export const PLATFORM_ACCESS: AccessState = { cut: false, readOnly: false };

/** By what was recorded when the resource was made, whatever its store is configured for now. */
export function isSignedByPlatform({ mode, signed_url_seconds }: Readonly<Record<string, unknown>>): boolean {
  return mode === 'broker' && typeof signed_url_seconds === 'number';
}

/** Of any other resource the tenant may hold a key, which a success that did nothing would leave at work. @throws Error with the remedy */
export function assertSignedByPlatform({ objectName, mode, signedByPlatform }: StoragePlace, remedy: string): void {
  if (signedByPlatform !== true) throw new Error(`${objectName} is of mode ${mode} and has keys of its own: ${remedy}`);
}
