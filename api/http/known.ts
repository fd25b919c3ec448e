// Credentials that have worked in this process lately, by their hashes. It grants nothing: each is looked up anew all the same.
import { hashToken } from '../../shared/crypto';

export interface KnownCredential {
  /** Stable over renewals: a key's id, a session's, a service account's subject. */
  name: string;
  teamId?: string;
}

const KEPT_MS = 600_000;
const MOST = 20_000;

export class CredentialMemory {
  readonly #entries = new Map<string, KnownCredential & { untilMs: number }>();

  find(presented: string): KnownCredential | null {
    const entry = this.#entries.get(hashToken(presented));
    return entry === undefined || entry.untilMs <= Date.now() ? null : entry;
  }

  add(presented: string, credential: KnownCredential): void {
    const key = hashToken(presented);
    // Newest last: what was used least lately goes first.
    this.#entries.delete(key);
    this.#entries.set(key, { ...credential, untilMs: Date.now() + KEPT_MS });
    if (this.#entries.size > MOST) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.#entries.delete(oldest);
    }
  }

  remove(presented: string): void {
    this.#entries.delete(hashToken(presented));
  }
}
