// The ring in Redis: a sorted set of ids, and a hash each for what is said about a request and for its body.
import { Redis } from 'ioredis';
import { type CapturedRequest, costOf, type InboxLogger, type RequestSummary, type StoredRequest } from './types';

/** A request waits this long for Redis at most, then Postgres takes it. */
const COMMAND_TIMEOUT_MS = 1_000;
/** After a failure Redis is left alone so long, or every request would wait for it anew. */
const COOL_DOWN_MS = 5_000;
const LONGEST_RECONNECT_MS = 2_000;
/** Others count in the same Redis: above this part of its memory new requests go to Postgres. */
const MEMORY_SHARE = 0.6;
const MEMORY_LOOK_MS = 1_000;

/** Stores and trims in one step. Pushing an id that is there changes nothing. Answers how many of the oldest went. */
const PUSH = `
local ids, meta, body, size = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local id, cost, most, mostBytes = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[5]), tonumber(ARGV[6])
if id ~= '' and redis.call('HEXISTS', meta, id) == 0 then
  redis.call('ZADD', ids, 0, id)
  redis.call('HSET', meta, id, ARGV[3])
  redis.call('HSET', body, id, ARGV[4])
  redis.call('INCRBY', size, cost)
end
local gone = 0
while redis.call('ZCARD', ids) > most or tonumber(redis.call('GET', size) or '0') > mostBytes do
  local oldest = redis.call('ZPOPMIN', ids)[1]
  if not oldest then break end
  local known = cjson.decode(redis.call('HGET', meta, oldest) or '{}')
  redis.call('HDEL', meta, oldest)
  redis.call('HDEL', body, oldest)
  redis.call('DECRBY', size, known.cost or 0)
  gone = gone + 1
end
return gone`;

interface Meta {
  receivedAtMs: number;
  method: string;
  path: string;
  query: string;
  headers: Record<string, string>;
  bodyBytes: number;
  cost: number;
}

interface PushCommand {
  inboxPush(...keysAndArguments: (string | number | Buffer)[]): Promise<number>;
}

export class RedisRing {
  readonly #redis: Redis & PushCommand;
  readonly #logger: InboxLogger | undefined;
  #leftAloneUntilMs = 0;
  #told = false;
  #full = false;
  #memoryLookedAtMs = 0;

  constructor(options: { url: string; commandTimeoutMs?: number; logger?: InboxLogger }) {
    this.#logger = options.logger;
    const redis = new Redis(options.url, {
      lazyConnect: true,
      // What is not sent at once is refused at once: a queue in here would be lost with us.
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      connectTimeout: 2_000,
      commandTimeout: options.commandTimeoutMs ?? COMMAND_TIMEOUT_MS,
      retryStrategy: (attempt) => Math.min(attempt * 100, LONGEST_RECONNECT_MS),
    });
    redis.on('error', (error: Error) => this.#tell(error));
    redis.on('ready', () => {
      this.#told = false;
      this.#leftAloneUntilMs = 0;
      void this.#checkDurability();
      void this.#lookAtMemory();
    });
    redis.defineCommand('inboxPush', { numberOfKeys: 4, lua: PUSH });
    this.#redis = redis as Redis & PushCommand;
    redis.connect().catch(() => undefined);
  }

  /** Whether it is worth asking: connected, and not failing just now. */
  get available(): boolean {
    return this.#redis.status === 'ready' && Date.now() >= this.#leftAloneUntilMs;
  }

  /** Whether a new request may go there. */
  get hasRoom(): boolean {
    if (!this.available) return false;
    if (Date.now() - this.#memoryLookedAtMs >= MEMORY_LOOK_MS) void this.#lookAtMemory();
    return !this.#full;
  }

  async push(
    objectName: string,
    request: { id: string; receivedAt: Date; captured: CapturedRequest },
    limits: { maxRequests: number; maxBytes: number },
  ): Promise<boolean> {
    const { id, receivedAt, captured } = request;
    const { body, ...rest } = captured;
    const cost = costOf(captured);
    const meta: Meta = { receivedAtMs: receivedAt.getTime(), ...rest, bodyBytes: body.length, cost };
    const gone = await this.#ask(() =>
      this.#redis.inboxPush(...keysOf(objectName), id, cost, JSON.stringify(meta), body, limits.maxRequests, limits.maxBytes),
    );
    return gone > 0;
  }

  async trim(objectName: string, limits: { maxRequests: number; maxBytes: number }): Promise<void> {
    await this.#ask(() => this.#redis.inboxPush(...keysOf(objectName), '', 0, '', '', limits.maxRequests, limits.maxBytes));
  }

  async remove(objectName: string): Promise<void> {
    await this.#ask(() => this.#redis.unlink(...keysOf(objectName)));
  }

  /** The inboxes of which anything is stored; none when Redis cannot be asked. */
  async names(prefix: string): Promise<string[]> {
    if (!this.available) return [];
    const names = new Set<string>();
    let cursor = '0';
    do {
      const [next, keys] = await this.#ask(() => this.#redis.scan(cursor, 'MATCH', `leasehold:inbox:{${prefix}*`, 'COUNT', 1_000));
      for (const key of keys) names.add(/\{(.+)\}/.exec(key)?.[1] ?? '');
      cursor = next;
    } while (cursor !== '0');
    return [...names].filter((name) => name !== '');
  }

  /** Those that cannot be asked count as empty; the next measurement has them again. */
  async measure(objectNames: string[]): Promise<Map<string, number>> {
    if (objectNames.length === 0 || !this.available) return new Map();
    const pipeline = this.#redis.pipeline();
    for (const objectName of objectNames) pipeline.get(keysOf(objectName)[3]);
    const answers = (await this.#ask(() => pipeline.exec())) ?? [];
    return new Map(objectNames.map((objectName, index) => [objectName, Number(answers[index]?.[1] ?? 0)]));
  }

  async list(objectName: string, page: { before: string | null; limit: number }): Promise<RequestSummary[]> {
    const [ids] = keysOf(objectName);
    const below = page.before === null ? '+' : `(${page.before}`;
    const found = await this.#ask(() => this.#redis.zrevrangebylex(ids, below, '-', 'LIMIT', 0, page.limit));
    return await this.#summaries(objectName, found);
  }

  async after(objectName: string, page: { after: string; limit: number }): Promise<RequestSummary[]> {
    const [ids] = keysOf(objectName);
    const found = await this.#ask(() => this.#redis.zrangebylex(ids, `(${page.after}`, '+', 'LIMIT', 0, page.limit));
    return await this.#summaries(objectName, found);
  }

  async get(objectName: string, id: string): Promise<StoredRequest | null> {
    const [, metaKey, bodyKey] = keysOf(objectName);
    const [summary] = await this.#summaries(objectName, [id], metaKey);
    const body = await this.#ask(() => this.#redis.hgetBuffer(bodyKey, id));
    return summary === undefined || body === null ? null : { ...summary, body };
  }

  close(): void {
    this.#redis.disconnect();
  }

  async #summaries(objectName: string, ids: string[], metaKey = keysOf(objectName)[1]): Promise<RequestSummary[]> {
    if (ids.length === 0) return [];
    const texts = await this.#ask(() => this.#redis.hmget(metaKey, ...ids));
    return ids.flatMap((id, index) => {
      const text = texts[index];
      if (!text) return [];
      const { receivedAtMs, cost: _cost, ...meta } = JSON.parse(text) as Meta;
      return [{ id, receivedAt: new Date(receivedAtMs), ...meta }];
    });
  }

  async #ask<T>(command: () => Promise<T>): Promise<T> {
    try {
      return await command();
    } catch (error) {
      this.#leftAloneUntilMs = Date.now() + COOL_DOWN_MS;
      this.#tell(error);
      throw error;
    }
  }

  /** Once until it is back: a server that is away reports every attempt. */
  #tell(error: unknown): void {
    if (this.#told) return;
    this.#told = true;
    this.#logger?.warn('Redis does not take requests: they go to Postgres', { error });
  }

  async #lookAtMemory(): Promise<void> {
    this.#memoryLookedAtMs = Date.now();
    const info = await this.#redis.info('memory').catch(() => '');
    const read = (field: string) => Number(new RegExp(`^${field}:(\\d+)`, 'm').exec(info)?.[1] ?? 0);
    const most = read('maxmemory');
    this.#full = most > 0 && read('used_memory') > most * MEMORY_SHARE;
  }

  async #checkDurability(): Promise<void> {
    const info = await this.#redis.info('persistence').catch(() => '');
    if (info.includes('aof_enabled:0'))
      this.#logger?.warn('Redis keeps no append-only file: a restart of it loses stored requests; set appendonly yes');
  }
}

/** The braces keep one inbox's keys on one node of a cluster. */
function keysOf(objectName: string): [ids: string, meta: string, body: string, size: string] {
  const base = `leasehold:inbox:{${objectName}}`;
  return [`${base}:ids`, `${base}:meta`, `${base}:body`, `${base}:size`];
}
