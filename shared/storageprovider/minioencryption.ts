// How MinIO's admin API wants a body that holds a secret: sealed with the admin's own secret, in the format of its Go client.
import { createCipheriv, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

const derive = promisify(pbkdf2);

// Of the three algorithms that the server reads, the one of its FIPS builds: PBKDF2-HMAC-SHA256 and AES-256-GCM, both of which Node has.
const ALGORITHM = 0x02;
const ROUNDS = 8_192;
const SALT_BYTES = 32;
const NONCE_BYTES = 8;
/** A longer text would be cut into fragments; ours is one user's secret. */
const FRAGMENT_BYTES = 16 * 1024;
const LAST_FRAGMENT = 0x80;

/**
 * `salt | algorithm | nonce | fragment`. Each fragment is sealed with the nonce and its number, and names what fragment zero, which is
 * empty and not sent, was sealed to.
 */
export async function sealForMinio(secret: string, text: string): Promise<Buffer> {
  const plain = Buffer.from(text);
  if (plain.length > FRAGMENT_BYTES) throw new Error(`MinIO's admin API takes ${FRAGMENT_BYTES} bytes here, and these are ${plain.length}`);
  const salt = randomBytes(SALT_BYTES);
  const nonce = randomBytes(NONCE_BYTES);
  const key = await keyOf(secret, salt);
  const cipher = createCipheriv('aes-256-gcm', key, numbered(nonce, 1)).setAAD(bound(key, nonce));
  const sealed = Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  return Buffer.concat([salt, Buffer.of(ALGORITHM), nonce, sealed]);
}

function keyOf(secret: string, salt: Buffer): Promise<Buffer> {
  return derive(secret, salt, ROUNDS, 32, 'sha256');
}

function numbered(nonce: Buffer, fragment: number): Buffer {
  const number = Buffer.alloc(4);
  number.writeUInt32LE(fragment);
  return Buffer.concat([nonce, number]);
}

function bound(key: Buffer, nonce: Buffer): Buffer {
  const empty = createCipheriv('aes-256-gcm', key, numbered(nonce, 0));
  empty.final();
  return Buffer.concat([Buffer.of(LAST_FRAGMENT), empty.getAuthTag()]);
}
