// Requests under one key on a real Postgres: at once, after a death, after a refusal, and from two callers.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Keyring } from '../../shared/crypto';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database';
import { ApiError } from '../errors';
import type { Reply } from '../http/route';
import { once } from './layer';
import { type IdempotentRequest, PgIdempotentRequests } from './requests';

const keyring = Keyring.parse(`k1:${Buffer.alloc(32, 7).toString('base64')}`);
let database: TestDatabase;
const open: PgIdempotentRequests[] = [];
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  for (const requests of open) requests.stop();
  await database.drop();
});

function processOf(options: { leaseMs?: number; waitMs?: number; keptMs?: number } = {}): PgIdempotentRequests {
  const requests = new PgIdempotentRequests({ pool: database.pool, keyring, ...options, keptMs: () => options.keptMs ?? 3_600_000 });
  open.push(requests);
  return requests;
}

let count = 0;
function aRequest(changes: Partial<IdempotentRequest> = {}): IdempotentRequest {
  count += 1;
  return { scope: 'team:one', key: `key-${count}`, route: 'post /x', requestHash: 'hash', ...changes };
}

const SECRET = 'the-secret-of-the-answer';
const answer = (made: number): Reply => ({ status: 201, body: { ok: true, made, secret: SECRET }, headers: { Location: '/x' } });

describe('requests under one Idempotency-Key', () => {
  it('a hundred at once from two processes do the work once and get equal answers', async () => {
    const processes = [processOf(), processOf()];
    const request = aRequest();
    let made = 0;
    const work = async () => {
      made += 1;
      await new Promise((resolve) => setTimeout(resolve, 100));
      return answer(made);
    };
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, index) => once(processes[index % 2] as PgIdempotentRequests, request, work)),
    );
    expect(made).toBe(1);
    expect(new Set(replies.map(({ status, body }) => JSON.stringify([status, body])))).toEqual(
      new Set([JSON.stringify([201, answer(1).body])]),
    );
    const replays = replies.filter(({ headers }) => headers?.['X-Idempotent-Replay'] === 'true');
    expect(replays).toHaveLength(99);
    expect(replays[0]?.headers).toMatchObject({ Location: '/x' });
  });

  it('keeps no secret in clear', async () => {
    const request = aRequest();
    await once(processOf(), request, async () => answer(1));
    const { rows } = await database.pool.query('SELECT * FROM idempotent_requests WHERE key = $1', [request.key]);
    expect(rows).toHaveLength(1);
    expect(JSON.stringify(rows)).not.toContain(SECRET);
  });

  it('another body is refused, in whatever state the first one is', async () => {
    const requests = processOf({ waitMs: 200 });
    const request = aRequest();
    const other = { ...request, requestHash: 'another' };
    const running = await requests.claim(request);
    await expect(once(requests, other, async () => answer(2))).rejects.toMatchObject({ code: 'idempotency_key_reuse' });
    if (running.outcome !== 'claimed') throw new Error(running.outcome);
    await running.lease.finish(answer(1));
    await expect(once(requests, other, async () => answer(2))).rejects.toMatchObject({ code: 'idempotency_key_reuse' });
  });

  it('a key in two scopes is two keys', async () => {
    const requests = processOf();
    const request = aRequest();
    await once(requests, request, async () => answer(1));
    const theirs = await once(requests, { ...request, scope: 'anonymous:another' }, async () => answer(2));
    expect(theirs.body).toMatchObject({ made: 2 });
    expect(theirs.headers).not.toHaveProperty('X-Idempotent-Replay');
  });

  it('what failed or was refused is tried anew, and what was only accepted too', async () => {
    const requests = processOf();
    for (const first of [
      () => Promise.reject(new ApiError({ code: 'internal_error', message: 'x' })),
      () => Promise.reject(new ApiError({ code: 'postgres_limit_reached', message: 'x' })),
      async (): Promise<Reply> => ({ status: 202, body: {} }),
    ]) {
      const request = aRequest();
      await once(requests, request, first).catch(() => undefined);
      const reply = await once(requests, request, async () => answer(2));
      expect(reply.body).toMatchObject({ made: 2 });
      expect(reply.headers).not.toHaveProperty('X-Idempotent-Replay');
    }
  });

  it('a process that died leaves the key to the next when its lease ends; a late answer of the first overwrites nothing', async () => {
    const request = aRequest();
    // So long a lease that its next renewal does not come while the test runs.
    const dead = processOf({ leaseMs: 600_000 });
    const first = await dead.claim(request);
    if (first.outcome !== 'claimed') throw new Error(first.outcome);
    // As a process that stands still: nothing renews the lease.
    await database.pool.query(`UPDATE idempotent_requests SET lease_until = now() - interval '1 s' WHERE key = $1`, [request.key]);
    const second = await once(processOf(), request, async () => answer(2));
    expect(second.body).toMatchObject({ made: 2 });
    expect(await first.lease.finish(answer(1))).toBe(false);
    expect((await once(processOf(), request, async () => answer(3))).body).toMatchObject({ made: 2 });
  });

  it('whoever is late gets the answer of whoever took over', async () => {
    const request = aRequest();
    const late = once(processOf({ leaseMs: 60_000 }), request, async () => {
      await database.pool.query(`UPDATE idempotent_requests SET lease_until = now() - interval '1 s' WHERE key = $1`, [request.key]);
      await once(processOf(), request, async () => answer(2));
      return answer(1);
    });
    expect((await late).body).toMatchObject({ made: 2 });
  });

  it('a long request keeps its lease', async () => {
    const request = aRequest();
    let made = 0;
    const work = async () => {
      made += 1;
      await new Promise((resolve) => setTimeout(resolve, 12_000));
      return answer(made);
    };
    const replies = await Promise.all([1, 2].map(() => once(processOf({ leaseMs: 5_000 }), request, work)));
    expect(made).toBe(1);
    expect(replies[0]?.body).toEqual(replies[1]?.body);
  });

  it('what is still under way when patience ends is asked for again', async () => {
    const requests = processOf({ waitMs: 100 });
    const request = aRequest();
    const running = await requests.claim(request);
    await expect(once(requests, request, async () => answer(1))).rejects.toMatchObject({ code: 'temporarily_unavailable' });
    if (running.outcome === 'claimed') await running.lease.open();
  });

  it('is forgotten when its time has passed', async () => {
    const requests = processOf({ keptMs: 1 });
    const request = aRequest();
    await once(requests, request, async () => answer(1));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await once(requests, { ...request, requestHash: 'another' }, async () => answer(2))).body).toMatchObject({ made: 2 });
    await requests.sweep();
  });
});
