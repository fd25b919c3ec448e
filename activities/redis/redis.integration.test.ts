// Servers of tenants' own through restarts of the server and of the host worker; limits and counts; servers that must not be shared.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Redis } from 'ioredis';
import { presentRedis } from '../../api/projection/connections/redis';
import { type RedisHarness, redisServerPath, startRedisHarness } from '../../test/contract/redis-harness';
import { startSharedRedis } from '../../test/contract/shared-redis';
import type { ProvisionRequest } from '../backend';
import { createRedisBackend } from './index';
import { createSharedServers } from './shared';

const serverPath = redisServerPath();
/** What other kinds are presented with. */
const UNUSED = { baseUrl: '', token: '' };
const whereThereIsOne = serverPath ? describe : describe.skip;
if (!serverPath) describe('redis', () => test.skip('skipped: no server', () => undefined));

whereThereIsOne('a server of one’s own', () => {
  let harness: RedisHarness;
  let nowMs = Date.parse('2026-11-21T12:00:00Z');
  beforeAll(async () => {
    harness = await startRedisHarness('own', { now: () => nowMs });
  });
  afterAll(() => harness.close());

  async function made(limits?: ProvisionRequest['limits']): Promise<ProvisionRequest> {
    const request = harness.newRequest(undefined, limits);
    await harness.backend.provision(request);
    return request;
  }

  const processes = () => {
    if (harness.host === null) throw new Error('it has a host');
    return harness.host.processes;
  };

  async function killServer(request: ProvisionRequest): Promise<void> {
    process.kill((await processes().inspect(request.objectName)).pid ?? 0, 'SIGKILL');
  }

  async function comesBack(request: ProvisionRequest): Promise<Redis> {
    for (let attempt = 0; attempt < 2_000; attempt += 1) {
      const client = await harness.client(request).catch(() => null);
      if (client) return client;
      await sleep(25);
    }
    throw new Error('it does not come back');
  }

  /** Of a server that may just be starting. */
  async function refusal(request: ProvisionRequest, version: number): Promise<string> {
    for (let attempt = 0; attempt < 2_000; attempt += 1) {
      const words = await harness.client(request, { version }).then(
        () => 'it was let in',
        (error: unknown) => String(error),
      );
      if (!/closed|ECONNREFUSED|ECONNRESET|LOADING/.test(words)) return words;
      await sleep(25);
    }
    return 'it does not come back';
  }

  const measured = async (request: ProvisionRequest) =>
    (await harness.backend.measureAll('test')).find((object) => object.objectName === request.objectName);

  test('nothing that was acknowledged is lost when it is killed in the middle of writing', async () => {
    const request = await made();
    const client = await harness.client(request);
    let acknowledged = 0;
    const writing = (async () => {
      for (;;) acknowledged = await client.incr('n');
    })().catch(() => undefined);
    while (acknowledged < 50) await sleep(1);
    await killServer(request);
    await writing;
    const again = await comesBack(request);
    expect(Number(await again.get('n'))).toBeGreaterThanOrEqual(acknowledged);
    again.disconnect();
    await harness.backend.deprovision(request);
  });

  test('the log is rewritten before it grows, and nothing is lost by that', async () => {
    const request = await made();
    const client = await harness.client(request);
    for (let index = 0; index < 120; index += 1) await client.set('k', String(index).padEnd(1024 * 1024, 'x'));
    const disk = async () => (await processes().inspect(request.objectName)).diskBytes;
    for (let attempt = 0; attempt < 1_000 && (await disk()) > 60 * 1024 * 1024; attempt += 1) await sleep(50);
    expect(await disk()).toBeLessThanOrEqual(60 * 1024 * 1024);
    await killServer(request);
    const again = await comesBack(request);
    expect(await again.getrange('k', 0, 3)).toBe('119x');
    again.disconnect();
    await harness.backend.deprovision(request);
  });

  test('what was cut, retired or limited stays so when it is killed and started again', async () => {
    const request = await made();
    await harness.backend.rotate({ ...request, credentialVersion: 2, previousVersion: 1 });
    await harness.backend.applyLimits({ ...request, limits: { memoryMb: 20 } });
    await harness.backend.retireCredential({ ...request, retireVersion: 1 });
    await harness.backend.cut(request);
    await killServer(request);
    for (const version of [1, 2]) expect(await refusal(request, version)).toMatch(/WRONGPASS|NOAUTH/);
    await harness.backend.restore(request);
    const client = await harness.client(request, { version: 2 });
    expect(await client.info('memory')).toContain(`maxmemory:${21.5 * 1024 * 1024}`);
    await expect(harness.client(request)).rejects.toThrow(/WRONGPASS|NOAUTH/);
    client.disconnect();
    await harness.backend.deprovision(request);
  });

  test('the plan’s memory holds, and more is given without closing a connection', async () => {
    const request = await made({ memoryMb: 4 });
    const client = await harness.client(request);
    const fill = async () => {
      for (let index = 0; index < 12; index += 1) await client.set(`k${index}`, 'x'.repeat(1024 * 1024));
    };
    await expect(fill()).rejects.toThrow('OOM');
    await harness.backend.applyLimits({ ...request, limits: { memoryMb: 32 } });
    await fill();
    await harness.backend.applyLimits({ ...request, limits: { memoryMb: 4 } });
    await expect(client.set('one-more', 'x')).rejects.toThrow('OOM');
    expect((await measured(request))?.bytes).toBeGreaterThan(12 * 1024 * 1024);
    client.disconnect();
    await harness.backend.deprovision(request);
  });

  test('another host worker takes it over with its connections, and every verb works', async () => {
    const request = await startRedisHarness('own').then(async (other) => {
      try {
        const mine = other.newRequest();
        await other.backend.provision(mine);
        const open = await other.client(mine);
        await open.set('k', 'v');
        await other.host?.reopen();
        const room = other.secondBackend();
        expect(await open.get('k')).toBe('v');
        await room.rotate({ ...mine, credentialVersion: 2, previousVersion: 1 });
        expect(await open.get('k')).toBe('v');
        await room.cut(mine);
        await expect(open.get('k')).rejects.toThrow();
        await room.restore(mine);
        const back = await other.client(mine, { version: 2 });
        expect(await back.get('k')).toBe('v');
        back.disconnect();
        expect(await room.list('test')).toEqual([mine.objectName]);
        await room.deprovision(mine);
        expect(await room.list('test')).toEqual([]);
        return mine;
      } finally {
        await other.close();
      }
    });
    expect(request.kind).toBe('redis');
  });

  test('what clients are told works as it stands', async () => {
    const request = await made();
    const resource = { object_name: request.objectName } as Parameters<typeof presentRedis>[0]['resource'];
    const username = `${request.objectName}_1`;
    const fields = presentRedis({
      resource,
      credential: { version: 1, username, password: harness.passwordOf(request.resourceId, 1) },
      issued: null,
      details: harness.detailsOf(request.resourceId),
      address: { host: '127.0.0.1', port: 0, protocol: '' },
      ...UNUSED,
    });
    expect(fields).toMatchObject({ key_prefix: '' });
    // As anybody would: with its ready check and client info, which INFO and CLIENT must be allowed for.
    const client = new Redis(fields.connection_url);
    await client.set('k', 'v');
    expect(await client.eval("return redis.call('get', 'k')", 0)).toBe('v');
    expect((await client.scan(0))[1]).toEqual(['k']);
    expect(await client.dbsize()).toBe(1);
    await client.quit();
    await harness.backend.deprovision(request);
  });

  test('a machine without a server says what to do', async () => {
    const backend = createRedisBackend({
      dependencies: { installationId: 'aaaaaaaa' } as Parameters<typeof createRedisBackend>[0]['dependencies'],
      host: processes(),
      serverPath: undefined,
      adminUrlOf: () => '',
    });
    await expect(backend.prepareServer('test')).rejects.toThrow(/install redis-server 7 or newer.*LEASEHOLD_REDIS_SERVER/);
  });

  test('commands of the day are the tenant’s alone, and outlive the server and the host worker', async () => {
    const request = await made();
    const client = await harness.client(request);
    expect((await measured(request))?.commandsToday).toBe(0);
    for (let index = 0; index < 10; index += 1) await client.incr('n');
    await client.ping();
    await client.info();
    expect((await measured(request))?.commandsToday).toBe(10);
    await harness.backend.setReadOnly({ ...request, readOnly: false });
    await harness.backend.applyLimits(request);
    expect((await measured(request))?.commandsToday).toBe(10);

    await killServer(request);
    const again = await comesBack(request);
    await again.incr('n');
    expect((await measured(request))?.commandsToday).toBe(11);

    await harness.host?.reopen();
    const adopted = harness.secondBackend();
    await again.incr('n');
    const after = (await adopted.measureAll('test')).find((object) => object.objectName === request.objectName);
    expect(after?.commandsToday).toBe(12);
    nowMs += 24 * 3_600_000;
    const nextDay = (await adopted.measureAll('test')).find((object) => object.objectName === request.objectName);
    expect(nextDay?.commandsToday).toBe(0);
    again.disconnect();
    await adopted.deprovision(request);
  });
});

whereThereIsOne('a server that is shared', () => {
  const options = (adminUrl: string) => ({
    dependencies: { nameLock: async () => undefined } as unknown as Parameters<typeof createSharedServers>[0]['dependencies'],
    prefix: 'lhaaaaaaaa_',
    adminUrlOf: () => adminUrl,
  });

  test('one that forgets its users is refused with the remedy', async () => {
    const server = await startSharedRedis(serverPath ?? '', { aclFile: false });
    try {
      await expect(createSharedServers(options(server.adminUrl)).prepareServer('test')).rejects.toThrow(/forgets its users.*aclfile/);
    } finally {
      await server.stop();
    }
  });

  test('what it is asked leaves no user behind, and its version is told', async () => {
    const server = await startSharedRedis(serverPath ?? '');
    try {
      const room = createSharedServers(options(server.adminUrl));
      await room.prepareServer('test');
      expect(await room.list('test')).toEqual([]);
      expect(await room.serverVersion('test')).toMatch(/^\d+\.\d+\.\d+$/);
    } finally {
      await server.stop();
    }
  });

  test('one that is away says so, without the password', async () => {
    const away = createSharedServers(options('redis://admin:hidden@127.0.0.1:1'));
    await expect(away.prepareServer('test')).rejects.toMatchObject({
      name: 'ProviderUnavailable',
      message: expect.not.stringContaining('hidden'),
    });
  });

  test('its url is presented with the prefix', () => {
    const fields = presentRedis({
      resource: {} as Parameters<typeof presentRedis>[0]['resource'],
      credential: { version: 1, username: 'n_1', password: 'p' },
      issued: null,
      details: { key_prefix: 'n:' },
      address: { host: 'cache.example', port: 6380, protocol: 'rediss' },
      ...UNUSED,
    });
    expect(fields).toEqual({ connection_url: 'rediss://n_1:p@cache.example:6380/0', key_prefix: 'n:' });
  });
});
