// What one kind's trouble does to the others: nothing.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Body } from '../harness/http';
import { psql, Stack, until } from '../harness/stack';

const stack = new Stack({ LEASEHOLD_KINDS: 'postgres,queue,webhook' });
beforeAll(() => stack.start());
afterAll(() => stack.dispose());

const own = (resource: Body, route: string) => stack.call(route, { headers: { 'x-resource-token': resource.token } });
const statusOf = async (resource: Body) => (await own(resource, `GET /api/v1/resources/${resource.id}`)).body.status;
const create = (route: string, headers: Record<string, string> = {}) => stack.call(route, { body: { name: 'a' }, headers });

describe('while one backend hangs', () => {
  it('the other kinds are made, read and deleted, and its own wait and are made when it is back', async () => {
    const before = (await create('POST /queue/new')).body;
    expect(before).toMatchObject({ ok: true, status: 'active' });
    stack.signal('nats', 'SIGSTOP');
    const waiting: Body[] = [];
    try {
      for (let call = 0; call < 4; call += 1) {
        const answer = await create('POST /queue/new', { prefer: 'respond-async' });
        expect(answer.status).toBe(202);
        waiting.push(answer.body);
      }
      for (let call = 0; call < 4; call += 1) {
        const database = await create('POST /db/new');
        expect(database.status).toBe(201);
        expect((await psql(database.body.connection_url, 'select 1')).stdout).toBe('1');
        expect((await own(database.body, `DELETE /api/v1/resources/${database.body.id}`)).status).toBe(200);
      }
      const inbox = await create('POST /webhook/new');
      expect(inbox.status).toBe(201);
      for (const queue of waiting) expect(await statusOf(queue)).toBe('pending');
    } finally {
      stack.signal('nats', 'SIGCONT');
    }
    // Tried again after up to half a minute, and each of the four for itself.
    for (const queue of waiting)
      await until('the queue is made', async () => (await statusOf(queue)) === 'active', { timeoutMs: 120_000, everyMs: 250 });
    for (const queue of [before, ...waiting]) expect((await own(queue, `DELETE /api/v1/resources/${queue.id}`)).status).toBe(200);
    await until('all are gone', async () => {
      const rows = await stack.platform<{ status: string }>(`SELECT status FROM resources WHERE kind = 'queue' AND status <> 'deleted'`);
      return rows.length === 0;
    });
  });
});

describe('a kind that this installation leaves out', () => {
  it('answers 503 and makes nothing', async () => {
    const answer = await create('POST /storage/new');
    expect(answer.status).toBe(503);
    expect(answer.body).toMatchObject({ error: 'service_disabled', details: { kind: 'storage' } });
    expect(answer.headers['retry-after']).toBeDefined();
  });
});
