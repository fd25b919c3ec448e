// Signed tokens (sessions, claims, onboarding) under rotating keys.
import { randomUUID } from 'node:crypto';
import { errors, type JWTPayload, jwtVerify, SignJWT } from 'jose';
import { activeKey, parseKeys } from './keys';

const ALGORITHM = 'HS256';

export interface SignOptions {
  expiresInSeconds: number;
  /** What the token is for. A verifier that names an audience takes no other. */
  audience?: string;
  issuer?: string;
  subject?: string;
  /** Default the present. */
  nowMs?: number;
}

export interface VerifyOptions {
  audience?: string;
  issuer?: string;
  /** Claims that must be there besides `exp` and `iat`. */
  requiredClaims?: string[];
  /** Default the present. */
  nowMs?: number;
}

/** The `error_code` of the 401. A token that no key of ours signed is malformed, whatever it says. */
export type JwtFailure = 'malformed_token' | 'expired_token' | 'invalid_claims';
export type JwtVerification = { ok: true; claims: JWTPayload } | { ok: false; reason: JwtFailure };

function failureOf(error: unknown): JwtFailure {
  if (error instanceof errors.JWTExpired) return 'expired_token';
  if (error instanceof errors.JWTClaimValidationFailed) return 'invalid_claims';
  return 'malformed_token';
}

/** HS256; the header's `kid` says which key of the ring signed. */
export class JwtSigner {
  readonly #keys: ReadonlyMap<string, Buffer>;

  private constructor(keys: ReadonlyMap<string, Buffer>) {
    this.#keys = keys;
  }

  /**
   * Reads `k1:<base64 of 32 bytes>,k0:<...>`. The first key signs, all of them verify.
   * @throws Error that never holds a key
   */
  static parse(text: string): JwtSigner {
    return new JwtSigner(parseKeys(text));
  }

  /** Signs; `iat`, `exp` and, where the claims have none, `jti` are added. */
  async sign(claims: JWTPayload, options: SignOptions): Promise<string> {
    const [kid, key] = activeKey(this.#keys);
    const issuedAtSeconds = Math.floor((options.nowMs ?? Date.now()) / 1000);
    const jwt = new SignJWT({ jti: randomUUID(), ...claims })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT', kid })
      .setIssuedAt(issuedAtSeconds)
      .setExpirationTime(issuedAtSeconds + options.expiresInSeconds);
    if (options.audience !== undefined) jwt.setAudience(options.audience);
    if (options.issuer !== undefined) jwt.setIssuer(options.issuer);
    if (options.subject !== undefined) jwt.setSubject(options.subject);
    return await jwt.sign(key);
  }

  /** Never throws for what a client sent: every bad token is a reason. */
  async verify(token: string, options: VerifyOptions = {}): Promise<JwtVerification> {
    try {
      const { payload } = await jwtVerify(
        token,
        (header) => {
          const key = header.kid === undefined ? undefined : this.#keys.get(header.kid);
          if (!key) throw new errors.JWKSNoMatchingKey();
          return key;
        },
        {
          algorithms: [ALGORITHM],
          requiredClaims: ['exp', 'iat', ...(options.requiredClaims ?? [])],
          ...(options.audience === undefined ? {} : { audience: options.audience }),
          ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
          ...(options.nowMs === undefined ? {} : { currentDate: new Date(options.nowMs) }),
        },
      );
      return { ok: true, claims: payload };
    } catch (error) {
      return { ok: false, reason: failureOf(error) };
    }
  }
}
