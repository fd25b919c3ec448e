// Who may ask how often: requests of a credential, or of an address and its network; what mints credentials; guessing.
import type { IncomingHttpHeaders } from 'node:http';
import ipaddr from 'ipaddr.js';
import { hashToken } from '../../shared/crypto';
import type { Plans, RateName } from '../../shared/plans';
import type { Policies } from '../../shared/policy';
import { type RateCounter, type RateDecision, type RateFigure, RateStoreAway } from '../../shared/ratelimit';
import type { AuthFailure } from '../auth/authenticate';
import { type Caller, type ClientAddress, credentialName } from '../auth/caller';
import { ApiError } from '../errors';
import { CredentialMemory, type KnownCredential } from './known';

export interface RateSubject {
  teamId?: string;
  fingerprint: string;
}

export interface RateGateOptions {
  counter: RateCounter;
  /** What is in force now, for this subject. */
  figure(name: RateName, subject: RateSubject): RateFigure;
  /** Callers on this machine are not counted. */
  loopbackExempt: boolean;
  logger: { warn(message: string, meta?: object): void };
}

/** What `LEASEHOLD_REQUESTS_PER_MINUTE` stands in for: all that is in the way of a load test. */
const LOAD_RATES: ReadonlySet<RateName> = new Set<RateName>([
  'requests_per_credential',
  'requests_per_address',
  'requests_per_fingerprint',
  'provisions',
  'credential_mints',
  'presigns',
]);
/** Of a figure that is said to be unlimited. */
const UNLIMITED = 1_000_000_000;

/** A policy comes first, then the environment, then plans.yaml. */
export function rateFigures(sources: {
  plans: { current(): Pick<Plans, 'rates'> };
  policies: Pick<Policies, 'figure'>;
  requestsPerMinute: number | null;
}): RateGateOptions['figure'] {
  return (name, subject) => {
    const figure = sources.plans.current().rates[name];
    const limit = sources.policies.figure(name, subject);
    if (limit !== null) return { ...figure, limit: limit < 0 ? UNLIMITED : limit };
    const { requestsPerMinute } = sources;
    return requestsPerMinute !== null && LOAD_RATES.has(name) ? { limit: requestsPerMinute, windowSeconds: 60 } : figure;
  };
}

const IPV6_NETWORK_BYTES = 8;

/** What an anonymous caller is counted by. A single IPv6 client has a /64 to itself, so its address alone says nothing. */
export function addressKey(ip: string): string {
  const parsed = ipaddr.process(ip.split('%')[0] ?? ip);
  return hashToken(parsed.kind() === 'ipv4' ? parsed.toString() : parsed.toByteArray().slice(0, IPV6_NETWORK_BYTES).join('.'));
}

export function rateHeaders(decision: RateDecision): Record<string, string> {
  return {
    'X-RateLimit-Limit': String(decision.limit),
    'X-RateLimit-Remaining': String(decision.remaining),
    'X-RateLimit-Reset': String(decision.resetSeconds),
    RateLimit: `"requests";r=${decision.remaining};t=${decision.resetSeconds}`,
    'RateLimit-Policy': `"requests";q=${decision.limit};w=${decision.windowSeconds}`,
  };
}

function tooMany(what: string, { limit, windowSeconds, resetSeconds }: RateDecision): ApiError {
  return new ApiError({
    code: 'rate_limited',
    message: `More than ${limit} ${what} in ${windowSeconds} s. Wait ${resetSeconds} s.`,
    retryAfterSeconds: resetSeconds,
  });
}

function uncounted(figure: RateFigure): RateDecision {
  return { ...figure, allowed: true, remaining: figure.limit, resetSeconds: figure.windowSeconds };
}

export class RateGate {
  readonly #options: RateGateOptions;
  readonly #known = new CredentialMemory();

  constructor(options: RateGateOptions) {
    this.#options = options;
  }

  /**
   * Counts one request, before anything else is done for it. A credential that has worked here is counted by itself; everybody else by
   * address and by network. One round trip: both counts are asked at once. With nothing to count in, requests go through.
   */
  async admit(address: ClientAddress, authorization: string | undefined): Promise<RateDecision> {
    const credential = authorization === undefined ? null : this.#known.find(authorization);
    const counts: [RateName, string, RateSubject][] =
      credential === null
        ? [
            ['requests_per_address', addressKey(address.ip), { fingerprint: address.fingerprint }],
            ['requests_per_fingerprint', address.fingerprint, { fingerprint: address.fingerprint }],
          ]
        : [['requests_per_credential', credential.name, { teamId: credential.teamId, fingerprint: address.fingerprint }]];
    const decisions = await Promise.all(counts.map((count) => this.#countOpen(address, ...count)));
    return decisions.reduce((tightest, decision) => (isTighter(decision, tightest) ? decision : tightest));
  }

  /** @throws ApiError rate_limited */
  refuse(decision: RateDecision): void {
    if (!decision.allowed) throw tooMany('requests', decision);
  }

  /**
   * Counts one call of a route that hands out access. With nothing to count in, nothing is handed out.
   * @param key what it is counted by; absent = by the caller
   * @throws ApiError rate_limited, temporarily_unavailable
   */
  async admitRoute(name: RateName, caller: Caller, key?: string): Promise<void> {
    const { address } = caller;
    // A limit of a resource is nobody's to be exempt from.
    if (key === undefined && this.#isExempt(address)) return;
    const subject = { fingerprint: address.fingerprint, ...(caller.type === 'team' ? { teamId: caller.teamId } : {}) };
    const counted =
      key ?? (caller.type === 'team' ? credentialName(caller) : caller.type === 'operator' ? 'operator' : addressKey(address.ip));
    const decision = await this.#options.counter.take(name, counted, this.#options.figure(name, subject)).catch((error: unknown) => {
      if (!(error instanceof RateStoreAway)) throw error;
      throw new ApiError({
        code: 'temporarily_unavailable',
        message: 'How often this was asked cannot be counted at the moment, so nothing is handed out. Repeat the request.',
        cause: error,
      });
    });
    if (!decision.allowed) throw tooMany(`requests of this kind (${name})`, decision);
  }

  /**
   * Whoever has guessed too often is not looked up any more. What has worked here before passes: a guesser must not lock out its neighbours.
   * @param presented credentials in clear, as they came
   * @throws ApiError rate_limited
   */
  refuseGuesser(address: ClientAddress, presented: readonly string[]): void {
    if (presented.length === 0 || this.#isExempt(address)) return;
    const figure = this.#options.figure('failed_credentials', { fingerprint: address.fingerprint });
    const waitMs = this.#options.counter.spentMs('failed_credentials', addressKey(address.ip), figure);
    if (waitMs <= 0 || presented.every((text) => this.#known.find(text) !== null)) return;
    throw guessing({ ...uncounted(figure), allowed: false, resetSeconds: Math.ceil(waitMs / 1000) });
  }

  /**
   * A credential that opened nothing.
   * @throws ApiError rate_limited once there were too many from the address
   */
  async countFailure(address: ClientAddress): Promise<void> {
    if (this.#isExempt(address)) return;
    const decision = await this.#countOpen(address, 'failed_credentials', addressKey(address.ip), { fingerprint: address.fingerprint });
    if (!decision.allowed) throw guessing(decision);
  }

  /** What worked, as it came. */
  remember(presented: string, credential: KnownCredential): void {
    this.#known.add(presented, credential);
  }

  forget(presented: string): void {
    this.#known.remove(presented);
  }

  async #countOpen(address: ClientAddress, name: RateName, key: string, subject: RateSubject): Promise<RateDecision> {
    const figure = this.#options.figure(name, subject);
    if (this.#isExempt(address)) return uncounted(figure);
    try {
      return await this.#options.counter.take(name, key, figure);
    } catch (error) {
      if (!(error instanceof RateStoreAway)) throw error;
      this.#options.logger.warn('requests are not counted', { rate: name, error });
      return uncounted(figure);
    }
  }

  #isExempt(address: ClientAddress): boolean {
    return address.loopback && this.#options.loopbackExempt;
  }
}

function isTighter(one: RateDecision, other: RateDecision): boolean {
  if (one.allowed !== other.allowed) return !one.allowed;
  return one.allowed ? one.remaining < other.remaining : one.resetSeconds > other.resetSeconds;
}

function guessing(decision: RateDecision): ApiError {
  return tooMany('credentials from this address opened nothing', decision);
}

const GUESSED: ReadonlySet<AuthFailure | undefined> = new Set<AuthFailure>(['invalid_claims', 'malformed_token']);

/** Whether the Authorization header was made up: what has expired or was revoked was once ours. */
export function isGuess(error: unknown): boolean {
  return error instanceof ApiError && error.code === 'unauthorized' && GUESSED.has(error.errorCode);
}

/** Whether a token opened nothing. */
export function isUnknownToken(error: unknown): boolean {
  return error instanceof ApiError && (error.code === 'unauthorized' || error.code === 'not_found');
}

/** What a caller with this credential is counted by. */
export function knownAs(caller: Caller): KnownCredential {
  return caller.type === 'team' ? { name: credentialName(caller), teamId: caller.teamId } : { name: caller.type };
}

/** The credentials that a request carries besides `Authorization`: an id in its path may be the token of an anonymous resource. */
export function presentedTokens(headers: IncomingHttpHeaders, params: unknown): string[] {
  const { id, token } = (params ?? {}) as { id?: unknown; token?: unknown };
  return [headers['x-resource-token'], ...(headers.authorization === undefined ? [token ?? id] : [])]
    .flat()
    .filter((text): text is string => typeof text === 'string');
}
