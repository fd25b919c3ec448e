// What stores answer when something is not there, or is there already.
import { setTimeout as sleep } from 'node:timers/promises';

const FIRST_WAIT_MS = 50;
const LONGEST_WAIT_MS = 2_000;

/** A key that was handed out is not at the store any more; nobody but the store can make one, so the version is of no use. */
export class KeyLost extends Error {
  override readonly name = 'KeyLost';
}

/** By the code of the answer, however the SDK spells its class (`NoSuchEntity`, `NoSuchEntityException`). */
export function isStoreError(error: unknown, ...codes: string[]): boolean {
  const { name, Code } = Object(error) as { name?: unknown; Code?: unknown };
  return codes.some((code) => [name, Code].some((given) => given === code || given === `${code}Exception`));
}

/** The answer, or undefined when the store says one of the codes. */
export async function absentOr<T>(call: () => Promise<T>, ...codes: string[]): Promise<T | undefined> {
  try {
    return await call();
  } catch (error) {
    if (isStoreError(error, ...codes)) return undefined;
    throw error;
  }
}

/** A store knows a key and its rights a moment after it has acknowledged them; until then it answers one of `notYet` to what they allow. */
export async function onceKnown<T>(
  call: () => Promise<T>,
  { notYet, withinMs, signal }: { notYet: readonly string[]; withinMs: number; signal?: AbortSignal },
): Promise<T> {
  const givesUpAtMs = performance.now() + withinMs;
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
    try {
      return await call();
    } catch (error) {
      if (!isStoreError(error, ...notYet)) throw error;
      // Not as the store's own refusal, which would be final: it may still come to know the key, and who called asks again.
      if (performance.now() + waitMs > givesUpAtMs)
        throw new Error(`the store does not know a new key after ${withinMs / 1000} s: ${error instanceof Error ? error.name : error}`);
    }
    await sleep(waitMs, undefined, { signal });
  }
}
