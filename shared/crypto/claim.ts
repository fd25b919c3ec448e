// Claim links: what an anonymous resource is taken over with. The handle stands for the token and opens nothing else.
import { createHash } from 'node:crypto';
import { stringify as uuidOf } from 'uuid';
import type { JwtSigner } from './jwt';

const CLAIM_SECONDS = 7 * 24 * 3600;
/** Sign-in and sessions verify other audiences, so a claim link is good for claiming alone. */
export const CLAIM_AUDIENCE = 'leasehold:claim';

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

/** The claim link's token for one resource. */
export function signClaim(jwt: JwtSigner, resource: { fingerprint: string | null; token: string; kind: string }): Promise<string> {
  return jwt.sign(
    { fp: resource.fingerprint, tok: [claimHandle(resource.token)], rt: [resource.kind] },
    { expiresInSeconds: CLAIM_SECONDS, audience: CLAIM_AUDIENCE },
  );
}
