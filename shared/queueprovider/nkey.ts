import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign, verify } from 'node:crypto';
import type { KeyPair } from '@nats-io/jwt';

/** The first letter of a public key, by what it is the key of. */
const PREFIX = { operator: 14 << 3, account: 0, user: 20 << 3 } as const;
export type NkeyType = keyof typeof PREFIX;

const SEED = 18 << 3;
const KEY_BYTES = 32;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** What precedes the 32 bytes of an Ed25519 private key in PKCS #8. */
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');

/**
 * An nkey that signs with node:crypto, for the libraries that take a `KeyPair`. Theirs is JavaScript and blocks the event loop for
 * 27 ms a signature and as long for each look at the public key; this one takes microseconds.
 */
export class Nkey implements KeyPair {
  readonly #private: KeyObject;
  readonly #seed: string;
  readonly #public: string;

  private constructor(type: NkeyType, raw: Uint8Array) {
    this.#private = createPrivateKey({ key: Buffer.concat([PKCS8, raw]), format: 'der', type: 'pkcs8' });
    const { x = '' } = createPublicKey(this.#private).export({ format: 'jwk' });
    this.#public = encodePublicNkey(type, Buffer.from(x, 'base64url'));
    this.#seed = encode([SEED | (PREFIX[type] >> 5), (PREFIX[type] & 31) << 3], raw);
  }

  static fromRawSeed(type: NkeyType, raw: Uint8Array): Nkey {
    if (raw.length !== KEY_BYTES) throw new Error(`a raw seed has ${KEY_BYTES} bytes`);
    return new Nkey(type, raw);
  }

  static random(type: NkeyType): Nkey {
    return new Nkey(type, randomBytes(KEY_BYTES));
  }

  /** @throws Error that does not hold the seed */
  static fromSeed(type: NkeyType, seed: string): Nkey {
    const bytes = decode(seed);
    const isSeed = bytes?.length === KEY_BYTES + 2 && ((bytes[0] ?? 0) & 0xf8) === SEED;
    const prefix = (((bytes?.[0] ?? 0) & 7) << 5) | ((bytes?.[1] ?? 0) >> 3);
    if (!bytes || !isSeed || prefix !== PREFIX[type]) throw new Error(`not the seed of an nkey for an ${type}`);
    return new Nkey(type, bytes.subarray(2));
  }

  getPublicKey(): string {
    return this.#public;
  }

  /** Asked for by the libraries only to learn whether there is one. */
  getPrivateKey(): Uint8Array {
    return this.getSeed();
  }

  getSeed(): Uint8Array {
    return Buffer.from(this.#seed);
  }

  get seed(): string {
    return this.#seed;
  }

  sign(input: Uint8Array): Uint8Array {
    return sign(null, input, this.#private);
  }

  verify(input: Uint8Array, signature: Uint8Array): boolean {
    return verify(null, input, createPublicKey(this.#private), signature);
  }

  clear(): void {}

  seal(): Uint8Array {
    throw new Error('only curve keys seal');
  }

  open(): Uint8Array | null {
    throw new Error('only curve keys open');
  }
}

/** The public form of 32 bytes, whether or not anybody has the private key to them. */
export function encodePublicNkey(type: NkeyType, raw: Uint8Array): string {
  return encode([PREFIX[type]], raw);
}

function encode(prefix: number[], raw: Uint8Array): string {
  const body = Buffer.concat([Buffer.from(prefix), raw]);
  const sum = crc16(body);
  return base32(Buffer.concat([body, Buffer.from([sum & 0xff, sum >> 8])]));
}

/** Null unless the check sum is right. */
function decode(text: string): Buffer | null {
  let bits = 0;
  let value = 0;
  const bytes: number[] = [];
  for (const character of text) {
    const digit = BASE32.indexOf(character);
    if (digit < 0) return null;
    value = ((value << 5) | digit) & 0xffff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((value >> bits) & 0xff);
  }
  const all = Buffer.from(bytes);
  if (all.length < 4) return null;
  const body = all.subarray(0, -2);
  return crc16(body) === all.readUInt16LE(all.length - 2) ? body : null;
}

function base32(bytes: Uint8Array): string {
  let text = '';
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    value = ((value << 8) | byte) & 0xffff;
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      text += BASE32.charAt((value >> bits) & 31);
    }
  }
  return bits > 0 ? text + BASE32.charAt((value << (5 - bits)) & 31) : text;
}

/** CRC-16/XMODEM. */
function crc16(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}
