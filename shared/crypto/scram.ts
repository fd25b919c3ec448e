// Postgres' SCRAM-SHA-256 verifier, made here so that no clear password is ever part of an SQL statement.
import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';
import { promisify } from 'node:util';

const deriveKey = promisify(pbkdf2);
const SALT_BYTES = 16;
const HASH_BYTES = 32;

export interface ScramOptions {
  /** Default 4096, as in Postgres itself: the passwords are random, so more buys nothing and slows every login. */
  iterations?: number;
  /** Default 16 random bytes. */
  salt?: Buffer;
}

/**
 * `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>`, to be given to `ALTER ROLE ... PASSWORD`.
 * @throws TypeError for a password that is not printable ASCII: it would have to be normalised (SASLprep) first
 */
export async function scramSha256Verifier(password: string, options: ScramOptions = {}): Promise<string> {
  if (!/^[\x20-\x7e]+$/.test(password)) throw new TypeError('the password must be printable ASCII');
  const iterations = options.iterations ?? 4096;
  const salt = options.salt ?? randomBytes(SALT_BYTES);
  const saltedPassword = await deriveKey(password, salt, iterations, HASH_BYTES, 'sha256');
  const clientKey = createHmac('sha256', saltedPassword).update('Client Key').digest();
  const storedKey = createHash('sha256').update(clientKey).digest('base64');
  const serverKey = createHmac('sha256', saltedPassword).update('Server Key').digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${serverKey}`;
}
