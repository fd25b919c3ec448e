// The public keys of one issuer: fetched, cached, fetched again when they rotate, and kept when the issuer is away.
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  customFetch,
  errors,
  type JSONWebKeySet,
  type JWKSCacheInput,
  type JWSHeaderParameters,
  type JWTVerifyGetKey,
  jwksCache,
} from 'jose';
import { z } from 'zod';
import { isTrustworthyUrl, type OidcIssuer } from './oidc-config';

export interface KeyTimes {
  /** For each call to the issuer. */
  timeoutMs: number;
  /** An unknown key id asks the issuer again only when the keys are older than this. */
  cooldownMs: number;
  /** Keys older than this are fetched again. */
  maxAgeMs: number;
  /** How long keys go on while the issuer is away. */
  staleMs: number;
  /** The issuer is left alone for so long after a call that failed. */
  failureCooldownMs: number;
}

export const DEFAULT_KEY_TIMES: KeyTimes = {
  timeoutMs: 3_000,
  cooldownMs: 30_000,
  maxAgeMs: 600_000,
  staleMs: 86_400_000,
  failureCooldownMs: 5_000,
};

const DISCOVERY_MAX_AGE_MS = 3_600_000;
const ANSWER_MAX_BYTES = 1_048_576;

/** Nothing can be said about the token, for the issuer's keys cannot be had. */
export class IssuerUnavailable extends Error {
  override readonly name = 'IssuerUnavailable';
}

const discoverySchema = z.looseObject({ issuer: z.string(), jwks_uri: z.string().refine(isTrustworthyUrl) });

type RemoteKeys = ReturnType<typeof createRemoteJWKSet>;

/** The token is at fault, not the issuer. */
function isVerdict(error: unknown): boolean {
  return (
    error instanceof errors.JWKSNoMatchingKey ||
    error instanceof errors.JWKSMultipleMatchingKeys ||
    error instanceof errors.JOSENotSupported
  );
}

export class IssuerKeys {
  readonly #issuer: OidcIssuer;
  readonly #times: KeyTimes;
  /** jose writes into it: the set of keys and when it was fetched. */
  #cache: JWKSCacheInput = {};
  #remote: { uri: string; keys: RemoteKeys } | null = null;
  #discoveredAtMs = 0;
  #discovering: Promise<string> | null = null;
  #failedUntilMs = 0;

  constructor(issuer: OidcIssuer, times: KeyTimes = DEFAULT_KEY_TIMES) {
    this.#issuer = issuer;
    this.#times = times;
  }

  /**
   * The key for a token's header, as jose's `jwtVerify` asks for it.
   * @throws IssuerUnavailable, and jose's errors where no key matches
   */
  readonly key: JWTVerifyGetKey = async (header, token) => {
    try {
      const remote = await this.#remoteKeys();
      return await remote(header, token);
    } catch (error) {
      if (isVerdict(error)) throw error;
      this.#failed();
      return await this.#staleKey(header, token, error);
    }
  };

  async #staleKey(header: JWSHeaderParameters | undefined, token: Parameters<JWTVerifyGetKey>[1], cause: unknown) {
    const { uat, jwks } = this.#cache as { uat?: number; jwks?: JSONWebKeySet };
    if (uat === undefined || jwks === undefined || Date.now() - uat > this.#times.staleMs) {
      throw new IssuerUnavailable('the keys of the issuer cannot be fetched', { cause });
    }
    try {
      return await createLocalJWKSet(jwks)(header, token);
    } catch (error) {
      // It may be a key that was made since: not ours to call it wrong.
      if (error instanceof errors.JWKSNoMatchingKey) throw new IssuerUnavailable('the issuer cannot be asked for a new key', { cause });
      throw error;
    }
  }

  async #remoteKeys(): Promise<RemoteKeys> {
    const uri = await this.#keysUri();
    if (this.#remote?.uri !== uri) {
      this.#cache = {};
      const { timeoutMs, cooldownMs, maxAgeMs } = this.#times;
      const keys = createRemoteJWKSet(new URL(uri), {
        timeoutDuration: timeoutMs,
        cooldownDuration: cooldownMs,
        cacheMaxAge: maxAgeMs,
        [jwksCache]: this.#cache,
        [customFetch]: async (url, init) => Response.json(await this.#fetchJson(url, init.signal)),
      });
      this.#remote = { uri, keys };
    }
    return this.#remote.keys;
  }

  async #keysUri(): Promise<string> {
    if (this.#issuer.jwksUri !== null) return this.#issuer.jwksUri;
    const known = this.#remote?.uri;
    if (known !== undefined && Date.now() - this.#discoveredAtMs < DISCOVERY_MAX_AGE_MS) return known;
    this.#discovering ??= this.#discover().finally(() => {
      this.#discovering = null;
    });
    try {
      return await this.#discovering;
    } catch (error) {
      if (known !== undefined) return known;
      throw error;
    }
  }

  async #discover(): Promise<string> {
    const { issuer } = this.#issuer;
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
    const document = discoverySchema.parse(await this.#fetchJson(url, AbortSignal.timeout(this.#times.timeoutMs)));
    if (document.issuer !== issuer) throw new Error('the discovery document is of another issuer');
    this.#discoveredAtMs = Date.now();
    return document.jwks_uri;
  }

  /** Follows no redirect: only the configured issuer speaks for itself. */
  async #fetchJson(url: string, signal: AbortSignal): Promise<unknown> {
    if (Date.now() < this.#failedUntilMs) throw new Error('the issuer did not answer a moment ago');
    try {
      const response = await fetch(url, { signal, redirect: 'error', headers: { accept: 'application/json, application/jwk-set+json' } });
      if (response.status !== 200) throw new Error(`the issuer answered ${response.status}`);
      if (Number(response.headers.get('content-length') ?? 0) > ANSWER_MAX_BYTES) throw new Error('the answer of the issuer is too large');
      return await response.json();
    } catch (error) {
      this.#failed();
      throw error;
    }
  }

  /** A refusal within the window does not prolong it, or a busy api would never ask again. */
  #failed(): void {
    if (Date.now() >= this.#failedUntilMs) this.#failedUntilMs = Date.now() + this.#times.failureCooldownMs;
  }
}
