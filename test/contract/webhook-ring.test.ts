// The ring in Redis, and what becomes of it when Redis dies.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import type { ProvisionRequest } from '../../activities/backend';
import { canHaveRedis, startTestRedis, type TestRedis } from '../harness/redis';
import { startWebhookHarness, type WebhookHarness } from './webhook-harness';

/** Until it does not throw any more. */
async function again<T>(work: () => Promise<T>, { forMs = 60_000 } = {}): Promise<T> {
  const endsAtMs = Date.now() + forMs;
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (Date.now() > endsAtMs) throw error;
    }
    await sleep(50);
  }
}

function ringTests(): void {
  let redis: TestRedis;
  let client: Redis;
  let harness: WebhookHarness;
  let inbox: ProvisionRequest;

  beforeAll(async () => {
    redis = await startTestRedis();
    client = new Redis(redis.url, { lazyConnect: true, retryStrategy: () => 50 });
    client.on('error', () => undefined);
    harness = await startWebhookHarness({ redisUrl: redis.url });
  });
  afterAll(async () => {
    client.disconnect();
    await harness.close();
    await redis.stop();
  });
  beforeEach(async () => {
    await backInRedis();
    inbox = harness.newRequest();
    await harness.backend.provision(inbox);
    await again(async () => expect((await harness.send(inbox, { path: '/first' })).status).toBe(200));
  });
  afterEach(async () => {
    await again(() => harness.backend.deprovision(inbox));
  });

  const inPostgres = async (): Promise<number> =>
    (await harness.admin('SELECT FROM requests WHERE object_name = $1', [inbox.objectName])).length;
  const keys = () => client.keys(`*${inbox.objectName}*`);
  const listed = async (limit = 200) => (await harness.store.list(inbox.objectName, { before: null, limit })).map(({ id }) => id);
  /** Until receiver and worker both have Redis; tried on an inbox of its own, since every attempt takes a place in the ring. */
  async function backInRedis(): Promise<void> {
    const probe = harness.newRequest();
    const { objectName } = probe;
    await again(() => harness.backend.provision(probe));
    await again(async () => {
      const { body } = await harness.send(probe);
      expect(await client.hexists(`leasehold:inbox:{${objectName}}:meta`, body.id ?? '')).toBe(1);
      const [inbox] = await harness.admin<{ stored_bytes: number }>('SELECT stored_bytes::int FROM inboxes WHERE object_name = $1', [
        objectName,
      ]);
      const measured = (await harness.backend.measureAll('test')).find((found) => found.objectName === objectName);
      // An empty inbox weighs 512 bytes; what is more than Postgres has is in Redis.
      expect(measured?.bytes).toBeGreaterThan(512 + (inbox?.stored_bytes ?? 0));
    });
    await again(() => harness.backend.deprovision(probe));
  }

  test('requests go to Redis, in order, up to the length of the ring', async () => {
    const ids: string[] = [];
    for (let sent = 0; sent < 105; sent += 1) {
      const { body, headers } = await harness.send(inbox, { body: `${sent}` });
      ids.push(body.id ?? '');
      // The first came before these.
      expect(headers['x-webhook-rotated']).toBe(sent >= 99 ? 'true' : undefined);
    }
    expect(await listed()).toEqual(ids.slice(-100).reverse());
    expect(await inPostgres()).toBe(0);
    expect((await harness.store.get(inbox.objectName, ids.at(-1) ?? ''))?.body.toString()).toBe('104');
    expect(await harness.store.get(inbox.objectName, ids[0] ?? '')).toBeNull();
    await harness.backend.applyLimits({ ...inbox, limits: { requestsStored: 10 } });
    expect(await listed()).toEqual(ids.slice(-10).reverse());
    const measured = await harness.backend.measureAll('test');
    const ofRedis = Number(await client.get(`leasehold:inbox:{${inbox.objectName}}:size`));
    expect(measured).toContainEqual({ objectName: inbox.objectName, bytes: 512 + ofRedis });
    expect(ofRedis).toBeGreaterThan(10 * 256);
  });

  test('bytes are limited too', async () => {
    await harness.backend.applyLimits({ ...inbox, limits: { requestsStored: 100, ringMb: 2 } });
    const body = Buffer.alloc(700_000, 'x');
    for (let sent = 0; sent < 4; sent += 1) await harness.send(inbox, { body });
    expect(await listed()).toHaveLength(2);
    expect(Number(await client.get(`leasehold:inbox:{${inbox.objectName}}:size`))).toBeLessThanOrEqual(2 * 1024 * 1024);
  });

  test('Redis dies in the middle: every request is taken, none that was acknowledged is lost, and no state is', async () => {
    const acknowledged: string[] = [];
    const statuses = new Set<number>();
    const sender = async () => {
      for (let sent = 0; sent < 20; sent += 1) {
        const { status, body } = await harness.send(inbox, { body: 'x' });
        statuses.add(status);
        if (body.id) acknowledged.push(body.id);
      }
    };
    const sending = Promise.all([sender(), sender(), sender()]);
    await redis.kill();
    await sending;
    expect([...statuses]).toEqual([200]);
    expect(acknowledged).toHaveLength(60);
    expect(await inPostgres()).toBeGreaterThan(0);

    await harness.backend.cut(inbox);
    expect((await harness.send(inbox)).status).toBe(410);
    await harness.backend.restore(inbox);
    expect((await harness.send(inbox)).status).toBe(200);

    await redis.start();
    await backInRedis();
    expect(await listed()).toEqual(expect.arrayContaining(acknowledged));
    expect(await listed()).toEqual((await listed()).sort().reverse());
  });

  test('a delete waits for Redis, and leaves nothing there', async () => {
    expect(await keys()).not.toEqual([]);
    await redis.kill();
    await expect(harness.backend.deprovision(inbox)).rejects.toMatchObject({ name: 'ProviderUnavailable' });
    expect(await harness.backend.list('test')).toContain(inbox.objectName);
    await redis.start();
    await again(() => harness.backend.deprovision(inbox));
    await again(async () => expect(await keys()).toEqual([]));
    expect(await harness.backend.list('test')).not.toContain(inbox.objectName);
  });

  test('what only Redis has of an inbox is listed, and removed as an orphan', async () => {
    await backInRedis();
    const objectName = `${inbox.objectName.slice(0, -4)}aaaa`;
    await client.hset(`leasehold:inbox:{${objectName}}:meta`, 'x', '{}');
    await again(async () => expect(await harness.backend.list('test')).toContain(objectName));
    await harness.backend.destroyOrphan({ backendName: 'test', objectName, onlyIf: async () => false });
    expect(await harness.backend.list('test')).toContain(objectName);
    await harness.backend.destroyOrphan({ backendName: 'test', objectName });
    expect(await harness.backend.list('test')).not.toContain(objectName);
  });
}

if (canHaveRedis()) describe('the ring in Redis', ringTests);
else test.skip('the ring in Redis: skipped: no server', () => undefined);
