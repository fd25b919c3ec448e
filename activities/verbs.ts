// What every verb of every room does around its work: check the name, wait for the name's lock, stop when told, map errors once.
import type { CallOptions, NameLock } from './backend';
import { toProviderError } from './errors';
import { assertOwnName } from './names';

/** The work's result, and its errors as those that every kind knows. */
export async function mapped<T>(work: () => Promise<T>, toError: (error: unknown) => Error = toProviderError): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toError(error);
  }
}

/** Aborted by whichever is first. */
export function eitherSignal(signal: AbortSignal | undefined, other: AbortSignal): AbortSignal {
  return signal === undefined ? other : AbortSignal.any([signal, other]);
}

/** Makes verbs that have their object to themselves; the signal ends with the caller's and with the lock. */
export function lockedVerbs({ prefix, nameLock }: { prefix: string; nameLock: NameLock }) {
  return <Request extends { objectName: string }>(run: (request: Request, signal: AbortSignal) => Promise<void>) =>
    async (request: Request, options: CallOptions = {}): Promise<void> => {
      assertOwnName(request.objectName, prefix);
      await mapped(async () => {
        options.signal?.throwIfAborted();
        await nameLock(request.objectName, async (lost) => {
          const signal = eitherSignal(options.signal, lost);
          signal.throwIfAborted();
          await run(request, signal);
        });
      });
    };
}
