// What stores answer when something is not there, or is there already.

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
