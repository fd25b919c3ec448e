// What the links in a mail are good for: one resource's extension, and an end to mail. Signed; a credential for nothing else.
import type { JwtSigner } from '../crypto';

const AUDIENCE = 'leasehold:mail';
/** A mail is read late, and "no more of these" must work then too. */
const GOOD_FOR_SECONDS = 90 * 24 * 3600;

export interface MailLink {
  resourceId: string;
  /** Of the address that the mail went to. */
  addressId: string;
  /** The team whose mail it is, or `NO_TEAM`. */
  scope: string;
}

export function signMailLink(jwt: JwtSigner, { resourceId, addressId, scope }: MailLink): Promise<string> {
  return jwt.sign({ adr: addressId, scp: scope }, { audience: AUDIENCE, subject: resourceId, expiresInSeconds: GOOD_FOR_SECONDS });
}

/** Null when it is none of ours, or too old. */
export async function readMailLink(jwt: JwtSigner, token: string): Promise<MailLink | null> {
  const verified = await jwt.verify(token, { audience: AUDIENCE, requiredClaims: ['sub', 'adr', 'scp'] });
  if (!verified.ok) return null;
  const { sub, adr, scp } = verified.claims;
  return { resourceId: String(sub), addressId: String(adr), scope: String(scp) };
}
