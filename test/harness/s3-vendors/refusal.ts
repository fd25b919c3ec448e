// What a double refuses with: the vendor's code, and whether only a fault of ours can have led to it.
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** No right client ever does this: the test fails. */
    readonly isFault = false,
  ) {
    super(message);
  }
}
