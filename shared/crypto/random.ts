// Random texts, and the comparing and hashing of tokens.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

const BASE32 = 'abcdefghijklmnopqrstuvwxyz234567';
const PASSWORD_LENGTH = 32;

/** So many characters of `[a-z2-7]`, five random bits each. */
export function randomBase32(length: number): string {
  let text = '';
  // 256 is a multiple of 32, so the remainder favours no letter.
  for (const byte of randomBytes(length)) text += BASE32.charAt(byte % 32);
  return text;
}

/** A password of 160 random bits that needs no escaping in a url, in SQL or in a shell. */
export function generatePassword(): string {
  return randomBase32(PASSWORD_LENGTH);
}

/** SHA-256 in hex: how tokens and keys are stored. They are random, so no salt and no stretching is needed. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex');
}

/** Equality that takes the same time whatever differs, the length included. */
export function constantTimeEquals(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a, 'utf8').digest(), createHash('sha256').update(b, 'utf8').digest());
}
