// Tokens of the configured issuers: which issuer one names, and whether it is what it says.
import { decodeJwt, decodeProtectedHeader, errors, type JWTPayload, type JWTVerifyResult, jwtVerify } from 'jose';
import { z } from 'zod';
import type { JwtFailure } from '../../shared/crypto';
import { isPlainText } from '../schemas/fields';
import type { OidcIssuer } from './oidc-config';
import { DEFAULT_KEY_TIMES, IssuerKeys, type KeyTimes } from './oidc-keys';

/** Public keys only: with a shared secret whoever can verify could also sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
const LEEWAY_SECONDS = 30;
const SUBJECT_MAX = 255;
const EMAIL_MAX = 254;
const NAME_MAX = 64;

/** What somebody is according to an issuer that we trust. */
export interface OidcIdentity {
  issuer: string;
  subject: string;
  /** Null when the token names none, or none that can be one. */
  email: string | null;
  emailVerified: boolean;
  name: string | null;
  /** Of the issuer's team claim. */
  team: string | null;
  /** By its type an access token, which proves that a client may call us, not that somebody signs in. */
  accessToken: boolean;
}

export type OidcVerification = { ok: true; identity: OidcIdentity } | { ok: false; reason: JwtFailure };

const TOKEN_TYPES = new Set(['jwt', 'at+jwt', 'id_token+jwt', 'it+jwt']);
const emailSchema = z.email().max(EMAIL_MAX);

/**
 * The issuer that a token names, unproved: it chooses whose keys may be tried, nothing else.
 * Null for one that names none (ours do not); undefined for what is no token.
 */
export function namedIssuer(token: string): string | null | undefined {
  try {
    decodeProtectedHeader(token);
    const { iss } = decodeJwt(token);
    return iss === undefined ? null : typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}

function failureOf(error: unknown): JwtFailure | null {
  if (error instanceof errors.JWTExpired) return 'expired_token';
  if (error instanceof errors.JWTClaimValidationFailed) return 'invalid_claims';
  return error instanceof errors.JOSEError ? 'malformed_token' : null;
}

function typeOf(header: { typ?: string }): string {
  return (header.typ ?? 'JWT').toLowerCase().replace(/^application\//, '');
}

/** Logout and event tokens are signed by the same keys; one that is bound to a client's key is no bearer token. */
function isForUs(payload: JWTPayload, type: string): boolean {
  return TOKEN_TYPES.has(type) && payload.events === undefined && payload.cnf === undefined;
}

function emailOf(claim: unknown): string | null {
  const parsed = emailSchema.safeParse(claim);
  return parsed.success ? parsed.data : null;
}

function nameOf(claim: unknown): string | null {
  const name = typeof claim === 'string' ? claim.trim() : '';
  return name !== '' && name.length <= NAME_MAX && isPlainText(name) ? name : null;
}

function identityOf(issuer: OidcIssuer, { payload, protectedHeader }: JWTVerifyResult): OidcVerification {
  const { sub, email_verified: verified } = payload;
  const type = typeOf(protectedHeader);
  const invalid = { ok: false, reason: 'invalid_claims' } as const;
  if (typeof sub !== 'string' || sub === '' || sub.length > SUBJECT_MAX || !isPlainText(sub) || !isForUs(payload, type)) return invalid;
  const team = issuer.teamClaim === null ? undefined : payload[issuer.teamClaim];
  if (team !== undefined && typeof team !== 'string') return invalid;
  return {
    ok: true,
    identity: {
      issuer: issuer.issuer,
      subject: sub,
      email: emailOf(payload.email),
      // Some issuers write it as a text.
      emailVerified: issuer.trustEmail && (verified === true || verified === 'true'),
      name: nameOf(payload.name),
      team: team ?? null,
      accessToken: type === 'at+jwt',
    },
  };
}

export class OidcVerifier {
  readonly #issuers: ReadonlyMap<string, { issuer: OidcIssuer; keys: IssuerKeys }>;

  constructor(issuers: readonly OidcIssuer[], times: KeyTimes = DEFAULT_KEY_TIMES) {
    this.#issuers = new Map(issuers.map((issuer) => [issuer.issuer, { issuer, keys: new IssuerKeys(issuer, times) }]));
  }

  knows(issuer: string): boolean {
    return this.#issuers.has(issuer);
  }

  /**
   * Whether the issuer that the token names has signed it, for us, and for now. Every bad token is a reason.
   * @throws IssuerUnavailable when that cannot be known
   */
  async verify(token: string): Promise<OidcVerification> {
    const named = namedIssuer(token);
    if (typeof named !== 'string') return { ok: false, reason: 'malformed_token' };
    const known = this.#issuers.get(named);
    if (known === undefined) return { ok: false, reason: 'invalid_claims' };
    const { issuer, keys } = known;
    try {
      const verified = await jwtVerify(token, keys.key, {
        issuer: issuer.issuer,
        audience: [...issuer.audiences],
        algorithms: ALGORITHMS,
        clockTolerance: LEEWAY_SECONDS,
        requiredClaims: ['sub', 'exp', 'iat'],
      });
      return identityOf(issuer, verified);
    } catch (error) {
      const reason = failureOf(error);
      if (reason === null) throw error;
      return { ok: false, reason };
    }
  }
}
