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

function open(key: Buffer, iv: Buffer, sealed: Buffer, associatedData: string): string | null {
  const decipher = createDecipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
  decipher.setAAD(Buffer.from(associatedData, 'utf8'));
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES));
  const plain = decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES));
  try {
    return Buffer.concat([plain, decipher.final()]).toString('utf8');
  } catch {
    return null;
  }
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
    const [keyId, key] = activeKey(this.#keys);
    const iv = randomBytes(IV_BYTES);
    const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
    cipher.setAAD(Buffer.from(associatedData, 'utf8'));
    const sealed = Buffer.concat([cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()]);
    return `v1.${keyId}.${iv.toString('base64url')}.${sealed.toString('base64url')}`;
  }

  /**
   * The key is found by its id; a ring that has no such id tries every key, so that a renamed key never breaks a read.
   * @throws DecryptError
   */
  decrypt(text: string, associatedData: string): string {
    const [version, keyId, ivText, sealedText, ...rest] = text.split('.');
    if (version !== 'v1' || !keyId || !ivText || !sealedText || rest.length > 0) throw new DecryptError('not an encrypted text');
    const iv = fromBase64Url(ivText);
    const sealed = fromBase64Url(sealedText);
    if (iv.length !== IV_BYTES || sealed.length < TAG_BYTES) throw new DecryptError('not an encrypted text');
    const named = this.#keys.get(keyId);
    for (const key of named ? [named] : this.#keys.values()) {
      const plaintext = open(key, iv, sealed, associatedData);
      if (plaintext !== null) return plaintext;
    }
    throw new DecryptError(named ? 'changed, or made for other associated data' : `no key of the ring opens it (made with "${keyId}")`);
  }
}
