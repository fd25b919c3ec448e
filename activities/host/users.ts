// One user id for each object, out of the host's range; the next one is the one that was not in use for longest.
import { ProviderUnavailable } from '../errors';

export class UserIds {
  readonly #range: { first: number; last: number };
  readonly #taken = new Set<number>();
  #next: number;

  constructor(range: { first: number; last: number }, taken: Iterable<number>) {
    this.#range = range;
    for (const uid of taken) this.#taken.add(uid);
    // Past all that are taken, where nothing of a former object can be left.
    this.#next = Math.max(range.first - 1, ...[...this.#taken].filter((uid) => uid <= range.last)) + 1;
  }

  take(): number {
    const { first, last } = this.#range;
    const size = last - first + 1;
    for (let step = 0; step < size; step += 1) {
      const uid = first + ((this.#next - first + step) % size);
      if (this.#taken.has(uid)) continue;
      this.#taken.add(uid);
      this.#next = uid + 1;
      return uid;
    }
    throw new ProviderUnavailable(`all ${size} user ids of this host are taken`);
  }

  free(uid: number): void {
    this.#taken.delete(uid);
  }
}
