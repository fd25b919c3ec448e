// The handle that stands for a resource's token in claim links.
import { createHash } from 'node:crypto';
import { stringify as uuidOf } from 'uuid';

/**
 * Stands for the token in claim links, and is good for nothing else: it follows from the token and cannot be turned back.
 * Written like a token (a UUID).
 */
export function claimHandle(token: string): string {
  const bytes = createHash('sha256').update(`claim-handle\n${token}`).digest().subarray(0, 16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return uuidOf(bytes);
}
