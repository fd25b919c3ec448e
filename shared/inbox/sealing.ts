// A sender's signing secret is stored sealed by the receive token, of which only the hash is stored: whoever reads the database has neither.
import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { constantTimeEquals } from '../crypto';
import type { SignatureRule } from './types';

const IV_BYTES = 12;
const TAG_BYTES = 16;

function keyOf(token: string): Buffer {
  return Buffer.from(hkdfSync('sha256', token, '', 'leasehold/inbox/signing-secret', 32));
}

export function seal(secret: string, token: string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', keyOf(token), iv);
  const text = Buffer.concat([cipher.update(secret, 'utf8'), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), text]).toString('base64');
}

/** @throws Error when the token is another one */
export function unseal(sealed: string, token: string): string {
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', keyOf(token), bytes.subarray(0, IV_BYTES));
  decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES));
  return Buffer.concat([decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES)), decipher.final()]).toString('utf8');
}

export function signatureMatches(rule: SignatureRule, request: { secret: string; body: Buffer; given: string | undefined }): boolean {
  if (!request.given?.startsWith(rule.prefix)) return false;
  const digest = createHmac('sha256', request.secret).update(request.body).digest(rule.encoding);
  const given = request.given.slice(rule.prefix.length);
  return constantTimeEquals(rule.encoding === 'hex' ? given.toLowerCase() : given, digest);
}
