// Encrypts what is stored, under a ring of keys that can be rotated.
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { activeKey, parseKeys } from './keys';

const IV_BYTES = 12;
const TAG_BYTES = 16;

/** The text was not made by a key of this ring for this associated data, or was changed since. It says nothing about which. */
export class DecryptError extends Error {
  override readonly name = 'DecryptError';
}

function fromBase64Url(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  // Node skips what is not base64url, and a text must have one spelling only.
  if (bytes.toString('base64url') !== text) throw new DecryptError('not an encrypted text');
  return bytes;
}

function open(key: Buffer, iv: Buffer, sealed: Buffer, associatedData: string): Buffer | null {
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(associatedData, 'utf8'));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plain = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
  try {
    return Buffer.concat([plain, decipher.final()]);
  } catch {
    return null;
  }
}

/** What a ring made of bytes: the key's id stands beside them, iv, ciphertext and tag are in them. */
export interface SealedBytes {
  keyId: string;
  bytes: Uint8Array;
}

/** AES-256-GCM. Text form: `v1.<key id>.<base64url iv>.<base64url ciphertext and tag>`. */
export class Keyring {
  readonly #keys: ReadonlyMap<string, Buffer>;

  private constructor(keys: ReadonlyMap<string, Buffer>) {
    this.#keys = keys;
  }

  /**
   * Reads `k1:<base64 of 32 bytes>,k0:<...>`. The first key encrypts, all of them decrypt.
   * @throws Error that never holds a key
   */
  static parse(text: string): Keyring {
    return new Keyring(parseKeys(text));
  }

  get activeKeyId(): string {
    return activeKey(this.#keys)[0];
  }

  /** @param associatedData what the text belongs to (such as `resource/<id>/1`); it must be given again to decrypt */
  encrypt(plaintext: string, associatedData: string): string {
    const { keyId, iv, sealed } = this.#seal(Buffer.from(plaintext, 'utf8'), associatedData);
    return `v1.${keyId}.${iv.toString('base64url')}.${sealed.toString('base64url')}`;
  }

  /** @param associatedData as for `encrypt`: what was made for one purpose is not opened for another */
  encryptBytes(plain: Uint8Array, associatedData: string): SealedBytes {
    const { keyId, iv, sealed } = this.#seal(plain, associatedData);
    return { keyId, bytes: Buffer.concat([iv, sealed]) };
  }

  #seal(plain: Uint8Array, associatedData: string): { keyId: string; iv: Buffer; sealed: Buffer } {
    const [keyId, key] = activeKey(this.#keys);
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(associatedData, 'utf8'));
    return { keyId, iv, sealed: Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]) };
  }

  /**
   * The key is found by its id; a ring that has no such id tries every key, so that a renamed key never breaks a read.
   * @throws DecryptError
   */
  decrypt(text: string, associatedData: string): string {
    const [version, keyId, ivText, sealedText, ...rest] = text.split('.');
    if (version !== 'v1' || !keyId || !ivText || !sealedText || rest.length > 0) throw new DecryptError('not an encrypted text');
    return this.#open({ keyId, iv: fromBase64Url(ivText), sealed: fromBase64Url(sealedText) }, associatedData).toString('utf8');
  }

  /**
   * As `decrypt`.
   * @throws DecryptError
   */
  decryptBytes({ keyId, bytes }: SealedBytes, associatedData: string): Uint8Array {
    const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return this.#open({ keyId, iv: all.subarray(0, IV_BYTES), sealed: all.subarray(IV_BYTES) }, associatedData);
  }

  #open({ keyId, iv, sealed }: { keyId: string; iv: Buffer; sealed: Buffer }, associatedData: string): Buffer {
    if (iv.length !== IV_BYTES || sealed.length < TAG_BYTES) throw new DecryptError('not an encrypted text');
    const named = this.#keys.get(keyId);
    for (const key of named ? [named] : this.#keys.values()) {
      const plaintext = open(key, iv, sealed, associatedData);
      if (plaintext !== null) return plaintext;
    }
    throw new DecryptError(named ? 'changed, or made for other associated data' : `no key of the ring opens it (made with "${keyId}")`);
  }
}
