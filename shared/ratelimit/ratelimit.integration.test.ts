// Limits on a real Redis that dies and comes back, on Postgres alone, and with neither.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database';
import { startTestRedis, type TestRedis } from '../../test/harness/redis';
import { eventually } from '../../test/harness/rows';
import { createPool } from '../db';
import { type RateFigure, RateStoreAway, StoredRateCounter } from './index';

/** A window that no test outlives. */
const FIGURE: RateFigure = { limit: 50, windowSeconds: 600 };
const logger = { warn: () => undefined, info: () => undefined };

let database: TestDatabase;
let redis: TestRedis;
const open: StoredRateCounter[] = [];
beforeAll(async () => {
  [database, redis] = await Promise.all([createTestDatabase(), startTestRedis()]);
});
afterAll(async () => {
  for (const counter of open) await counter.close();
  await redis.stop();
  await database.drop();
});

function counterOn(redisUrl?: string): StoredRateCounter {
  const counter = new StoredRateCounter({ pool: database.pool, redisUrl, logger });
  open.push(counter);
  return counter;
}

async function rowsOf(key: string): Promise<number[]> {
  const { rows } = await database.pool.query<{ points: number }>('SELECT points FROM rate_limits WHERE key LIKE $1', [`%:${key}`]);
  return rows.map(({ points }) => points);
}

/** Until Redis counts, which shows in no row being there. */
async function connected(counter: StoredRateCounter): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    await counter.take('test', `probe-${attempt}`, FIGURE);
    if ((await rowsOf(`probe-${attempt}`)).length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function allowedOf(counter: StoredRateCounter, key: string, calls: number): Promise<number> {
  const decisions = await Promise.all(Array.from({ length: calls }, () => counter.take('test', key, FIGURE)));
  return decisions.filter(({ allowed }) => allowed).length;
}

describe('Postgres alone', () => {
  it('lets through exactly the limit of a hundred at once, and knows it then without asking', async () => {
    const counter = counterOn();
    expect(await allowedOf(counter, 'alone', 100)).toBe(50);
    expect(counter.spentMs('test', 'alone', FIGURE)).toBeGreaterThan(0);
    expect(counter.spentMs('test', 'another', FIGURE)).toBe(0);
    const before = await rowsOf('alone');
    expect(await counter.take('test', 'alone', FIGURE)).toMatchObject({ allowed: false, remaining: 0, limit: 50 });
    expect(await rowsOf('alone')).toEqual(before);
  });

  it('counts for several processes as for one', async () => {
    const [one, other] = [counterOn(), counterOn()];
    const allowed = await Promise.all([allowedOf(one, 'two', 40), allowedOf(other, 'two', 40)]);
    expect(allowed[0] + allowed[1]).toBe(50);
  });

  it('goes on with the same count when the figure is changed', async () => {
    const counter = counterOn();
    expect(await allowedOf(counter, 'changed', 20)).toBe(20);
    expect(await counter.take('test', 'changed', { ...FIGURE, limit: 10 })).toMatchObject({ allowed: false });
    expect(await counter.take('test', 'changed', { ...FIGURE, limit: 1_000 })).toMatchObject({ allowed: true, remaining: 978 });
  });

  it('begins anew after its window, and sweeps what has ended', async () => {
    const counter = counterOn();
    // Long enough for a busy machine to ask twice within it.
    const short = { limit: 1, windowSeconds: 5 };
    const take = async () => (await counter.take('short', 'a', short)).allowed;
    expect(await take()).toBe(true);
    expect(await take()).toBe(false);
    await eventually(take, Boolean);
    const swept = async () => {
      await counter.sweep();
      return await rowsOf('a');
    };
    await eventually(swept, (rows) => rows.length === 0);
  });

  it('says so when even Postgres is away', async () => {
    const pool = createPool({ url: 'postgres://nobody@127.0.0.1:1/none', applicationName: 'test' });
    const counter = new StoredRateCounter({ pool, logger });
    open.push(counter);
    await expect(counter.take('test', 'x', FIGURE)).rejects.toThrow(RateStoreAway);
    await pool.end();
  });
});

describe('Redis, insured by Postgres', () => {
  it('holds the limit while Redis is killed in mid-run, and when it is back', async () => {
    const counter = counterOn(redis.url);
    await connected(counter);
    expect(await allowedOf(counter, 'killed', 30)).toBe(30);
    expect(await rowsOf('killed')).toEqual([]);
    await redis.kill();
    expect(await allowedOf(counter, 'killed', 10)).toBe(10);
    await redis.start();
    await connected(counter);
    expect(await allowedOf(counter, 'killed', 30)).toBe(10);
  });

  it('holds while Redis dies under a hundred calls', async () => {
    const counter = counterOn(redis.url);
    await connected(counter);
    const running = allowedOf(counter, 'under', 40);
    await redis.kill();
    const first = await running;
    const second = await allowedOf(counter, 'under', 60);
    await redis.start();
    // A call that Redis counted and could not answer any more is counted again: never more than the limit, and little less.
    expect(first + second).toBeLessThanOrEqual(50);
    expect(first + second).toBeGreaterThan(0);
  });

  it('remembers whom it had refused', async () => {
    const counter = counterOn(redis.url);
    await connected(counter);
    expect(await allowedOf(counter, 'refused', 60)).toBe(50);
    await redis.kill();
    expect(await allowedOf(counter, 'refused', 20)).toBe(0);
    await redis.start();
  });
});
