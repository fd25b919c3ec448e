// One at a time for each name, within one process; the product's lock is in the platform's database.
import type { NameLock } from '../../activities/backend';

export function inProcessLock(): NameLock {
  const tails = new Map<string, Promise<unknown>>();
  return async (objectName, run) => {
    const before = tails.get(objectName) ?? Promise.resolve();
    const mine = before.then(() => run(new AbortController().signal));
    tails.set(
      objectName,
      mine.catch(() => {}),
    );
    return await mine;
  };
}
