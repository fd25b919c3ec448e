// Verifiers worked out ahead: deriving one takes milliseconds of hashing, which `reserve` lets begin while the workflow moves on.

export interface VerifierRequest {
  resourceId: string;
  objectName: string;
  credentialVersion: number;
}

type Derive = (request: VerifierRequest) => Promise<string>;

/** A provision follows its reservation at once, or on another worker. */
const KEPT_MS = 10_000;
const MOST_KEPT = 1_000;

/** A version's password never changes once it is stored, so what was derived ahead is as good as what would be derived now. */
export class Verifiers {
  readonly #derive: Derive;
  readonly #ahead = new Map<string, Promise<string>>();

  constructor(derive: Derive) {
    this.#derive = derive;
  }

  /** Best effort: whoever finds nothing ready derives it. */
  begin(request: VerifierRequest): void {
    const key = keyOf(request);
    if (this.#ahead.has(key) || this.#ahead.size >= MOST_KEPT) return;
    const verifier = this.#derive(request);
    verifier.catch(() => undefined);
    this.#ahead.set(key, verifier);
    setTimeout(() => {
      if (this.#ahead.get(key) === verifier) this.#ahead.delete(key);
    }, KEPT_MS).unref();
  }

  /** Each is handed out once. */
  async take(request: VerifierRequest): Promise<string> {
    const key = keyOf(request);
    const ahead = this.#ahead.get(key);
    this.#ahead.delete(key);
    return await (ahead?.catch(() => this.#derive(request)) ?? this.#derive(request));
  }
}

function keyOf({ resourceId, objectName, credentialVersion }: VerifierRequest): string {
  return `${resourceId}/${objectName}/${credentialVersion}`;
}
