// The counts, by rate-limiter-flexible: Redis first, insured by Postgres; without a Redis, Postgres alone.
import { Redis } from 'ioredis';
import type pg from 'pg';
import { RateLimiterPostgres, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';
import { type Level, Levels, missingCount } from './levels';
import { type RateCounter, type RateDecision, type RateFigure, RateStoreAway } from './types';

/** Made by the migration: the role of the processes owns no table. */
const TABLE = 'rate_limits';
const COMMAND_TIMEOUT_MS = 500;
/** A Redis that is there and does not answer is left alone so long, or every request would wait for it anew. */
const REST_MS = 2_000;
const LONGEST_RECONNECT_MS = 2_000;
const SWEEP_EVERY_MS = 60_000;
const MOST_LEVELS = 50_000;
/** Figures change when plans.yaml does; limiters of figures that are gone are forgotten. */
const MOST_LIMITERS = 200;
const NOTHING_TOLD = { missing: 0, count: Promise.resolve(0) };

export interface StoredRateCounterOptions {
  pool: pg.Pool;
  /** Absent = Postgres alone. */
  redisUrl?: string;
  logger: { warn(message: string, meta?: object): void; info(message: string, meta?: object): void };
}

interface Limiters {
  /** Null without a Redis. */
  redis: RateLimiterRedis | null;
  postgres: Insurance;
}

/** Remembers which answers are its own: the limiter that it insures hands them on as if they were Redis'. */
class Insurance extends RateLimiterPostgres {
  constructor(
    options: ConstructorParameters<typeof RateLimiterPostgres>[0],
    private readonly onAnswer: (answer: object) => void,
  ) {
    super(options);
  }

  override async consume(...call: Parameters<RateLimiterPostgres['consume']>): Promise<RateLimiterRes> {
    try {
      const answer = await super.consume(...call);
      this.onAnswer(answer);
      return answer;
    } catch (thrown) {
      if (thrown instanceof RateLimiterRes) this.onAnswer(thrown);
      throw thrown;
    }
  }
}

export class StoredRateCounter implements RateCounter {
  readonly #options: StoredRateCounterOptions;
  readonly #redis: Redis | null;
  readonly #limiters = new Map<string, Limiters>();
  readonly #levels = new Levels(MOST_LEVELS);
  readonly #insured = new WeakSet<object>();
  readonly #sweeper: NodeJS.Timeout;
  #restUntilMs = 0;
  #told = false;

  constructor(options: StoredRateCounterOptions) {
    this.#options = options;
    this.#redis = options.redisUrl === undefined ? null : this.#connect(options.redisUrl);
    this.#sweeper = setInterval(() => void this.sweep(), SWEEP_EVERY_MS).unref();
  }

  async take(name: string, key: string, figure: RateFigure): Promise<RateDecision> {
    const limiters = this.#limitersFor(name, figure);
    const askedAtMs = performance.now();
    const answer = await this.#consume(limiters, key);
    const nowMs = Date.now();
    const resetAtMs = nowMs + Math.max(0, answer.msBeforeNext);
    // Blocked in memory: the limiter no longer says how much was consumed.
    const counted = answer.consumedPoints === 0 ? figure.limit + 1 : answer.consumedPoints;
    const levelKey = levelKeyOf(name, key, figure);
    const consumed = await this.#levelled(limiters, {
      levelKey,
      key,
      counted,
      resetAtMs,
      windowMs: figure.windowSeconds * 1_000,
      answer,
      askedAtMs,
    });
    const level = this.#levels.get(levelKey, nowMs);
    const allowed = consumed <= figure.limit && (level?.passed ?? 0) < figure.limit;
    if (allowed && level !== null) level.passed += 1;
    return {
      ...figure,
      allowed,
      remaining: allowed ? figure.limit - consumed : 0,
      resetSeconds: Math.max(1, Math.ceil((resetAtMs - nowMs) / 1000)),
    };
  }

  spentMs(name: string, key: string, figure: RateFigure): number {
    const nowMs = Date.now();
    const level = this.#levels.get(levelKeyOf(name, key, figure), nowMs);
    return level === null || level.consumed < figure.limit ? 0 : level.resetAtMs - nowMs;
  }

  /** Drops what has expired; counts of the last minute that nobody asks for again would stay for ever. */
  async sweep(): Promise<void> {
    await this.#options.pool.query(`DELETE FROM ${TABLE} WHERE expire < $1`, [Date.now()]).catch(() => undefined);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#redis?.disconnect();
  }

  async #consume({ redis, postgres }: Limiters, key: string): Promise<RateLimiterRes> {
    try {
      return await (redis === null || Date.now() < this.#restUntilMs ? postgres : redis).consume(key);
    } catch (thrown) {
      if (thrown instanceof RateLimiterRes) return thrown;
      throw new RateStoreAway('neither Redis nor Postgres could count', { cause: thrown });
    }
  }

  /**
   * When the store under a count has changed, the new one is told what the old one had counted: nobody starts anew because a server
   * died, and nobody is counted twice because it came back.
   */
  async #levelled(
    limiters: Limiters,
    seen: {
      levelKey: string;
      key: string;
      counted: number;
      resetAtMs: number;
      windowMs: number;
      answer: RateLimiterRes;
      askedAtMs: number;
    },
  ): Promise<number> {
    const nowMs = Date.now();
    const insured = limiters.redis === null || this.#insured.has(seen.answer);
    const known = this.#levels.get(seen.levelKey, nowMs);
    if (known !== null && known.insured === insured && seen.askedAtMs <= known.settledAtMs) return await this.#behind(known, seen);
    const missing = missingCount(known, seen.counted, insured);
    const consumed = seen.counted + missing;
    const same = known?.insured === insured ? known : null;
    const settledAtMs = missing > 0 ? Number.POSITIVE_INFINITY : (same?.settledAtMs ?? 0);
    const told = missing > 0 ? { missing, count: this.#tell(limiters, { key: seen.key, missing, insured }) } : (same?.told ?? NOTHING_TOLD);
    // The store's window ends a moment before we think so: an end that jumps is the next window's.
    const isNextWindow = same !== null && seen.resetAtMs - same.resetAtMs > seen.windowMs / 2;
    const passed = isNextWindow ? 0 : (known?.passed ?? 0);
    const level = { consumed, resetAtMs: seen.resetAtMs, insured, settledAtMs, told, passed };
    this.#levels.set(seen.levelKey, level, nowMs);
    if (missing > 0) {
      await told.count;
      const now = this.#levels.get(seen.levelKey, nowMs);
      if (now !== null) now.settledAtMs = performance.now();
    }
    return consumed;
  }

  /** Its count right after. */
  async #tell(
    { redis, postgres }: Limiters,
    { key, missing, insured }: { key: string; missing: number; insured: boolean },
  ): Promise<number> {
    try {
      return (await (insured ? postgres : (redis ?? postgres)).penalty(key, missing)).consumedPoints;
    } catch {
      return Number.POSITIVE_INFINITY;
    }
  }

  /** Asked before the store had been told: answers come in any order, and each says by its count whether it holds what was told. */
  async #behind({ told }: Level, { levelKey, counted }: { levelKey: string; counted: number }): Promise<number> {
    const consumed = counted > (await told.count) ? counted : counted + told.missing;
    const now = this.#levels.get(levelKey, Date.now());
    if (now?.told === told) now.consumed = Math.max(now.consumed, consumed);
    return consumed;
  }

  #limitersFor(name: string, figure: RateFigure): Limiters {
    const id = `${name}/${figure.limit}/${figure.windowSeconds}`;
    let limiters = this.#limiters.get(id);
    if (limiters === undefined) {
      if (this.#limiters.size >= MOST_LIMITERS) this.#limiters.clear();
      limiters = this.#createLimiters(name, figure);
      this.#limiters.set(id, limiters);
    }
    return limiters;
  }

  #createLimiters(name: string, { limit, windowSeconds }: RateFigure): Limiters {
    const common = {
      // Not the limit: a changed figure goes on with the same counts.
      keyPrefix: `leasehold:rate:${name}:${windowSeconds}`,
      points: limit,
      duration: windowSeconds,
      // Whoever has used up a window costs no round trip until its end.
      inMemoryBlockOnConsumed: Math.max(1, limit),
    };
    const store = { ...common, storeClient: this.#options.pool, storeType: 'pool', tableName: TABLE, tableCreated: true };
    const postgres = new Insurance({ ...store, clearExpiredByTimeout: false }, (answer) => this.#onInsured(answer));
    if (this.#redis === null) return { redis: null, postgres };
    return {
      redis: new RateLimiterRedis({ ...common, storeClient: this.#redis, rejectIfRedisNotReady: true, insuranceLimiter: postgres }),
      postgres,
    };
  }

  #onInsured(answer: object): void {
    this.#insured.add(answer);
    if (this.#redis?.status === 'ready' && Date.now() >= this.#restUntilMs) this.#restUntilMs = Date.now() + REST_MS;
  }

  #connect(url: string): Redis {
    const redis = new Redis(url, {
      // What is not sent at once is refused at once: Postgres takes it.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      connectTimeout: 2_000,
      commandTimeout: COMMAND_TIMEOUT_MS,
      retryStrategy: (attempt) => Math.min(attempt * 100, LONGEST_RECONNECT_MS),
    });
    redis.on('error', (error: Error) => {
      if (!this.#told) this.#options.logger.warn('rate limits are counted in Postgres: Redis does not answer', { error });
      this.#told = true;
    });
    redis.on('ready', () => {
      if (this.#told) this.#options.logger.info('rate limits are counted in Redis again');
      this.#told = false;
      this.#restUntilMs = 0;
    });
    return redis;
  }
}

function levelKeyOf(name: string, key: string, { windowSeconds }: RateFigure): string {
  return `${name}/${windowSeconds}/${key}`;
}
