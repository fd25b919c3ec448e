// Two hosts on one machine: processes of tenants that outlive their host's worker, and hosts that are taken out of use.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import Redis from 'ioredis';
import { stringify } from 'yaml';
import type { Body } from '../harness/http';
import { canHaveRedis } from '../harness/redis';
import { eventually } from '../harness/rows';
import { processesOf, Stack, until } from '../harness/stack';

const HOSTS = ['a', 'b'];
const backendsFile = {
  hosts: HOSTS.map((name, index) => ({
    name,
    region: 'local',
    address: '127.0.0.1',
    ports: `${16_000 + index * 100}-${16_099 + index * 100}`,
  })),
  backends: HOSTS.map((name) => ({ name: `redis-${name}`, kind: 'redis', region: 'local', capacity: 50, weight: 1, host: name })),
};

const stack = new Stack({ LEASEHOLD_KINDS: 'redis' });
const clients: Redis[] = [];
const hasRedis = canHaveRedis();
const onServer = hasRedis ? it : (title: string, _run: () => Promise<void>) => it.skip(`${title} (skipped: no server)`, () => undefined);

beforeAll(async () => {
  if (!hasRedis) return;
  const file = join(stack.home, 'backends.yaml');
  writeFileSync(file, stringify(backendsFile));
  stack.settings.LEASEHOLD_BACKENDS = file;
  await stack.start();
});
afterAll(async () => {
  for (const client of clients) client.disconnect();
  await stack.dispose();
});

const operator = () => ({ authorization: `Bearer ${stack.secrets.operatorKey}` });
const own = (resource: Body, route: string) => stack.call(route, { headers: { 'x-resource-token': resource.token } });
const hostOf = async (resource: Body) =>
  (await stack.platform<{ host_name: string }>('SELECT host_name FROM resources WHERE id = $1', [resource.id]))[0]?.host_name;

async function create(): Promise<Body> {
  const answer = await stack.call('POST /cache/new', { body: { name: 'a' } });
  expect(answer.status).toBe(201);
  return answer.body;
}

function connect(resource: Body): Redis {
  const client = new Redis(resource.connection_url, { retryStrategy: () => null, maxRetriesPerRequest: 0 });
  client.on('error', () => undefined);
  clients.push(client);
  return client;
}

async function warmItems(what: string, wanted: Record<string, number>): Promise<void> {
  await until(`warm items ${what}`, async () => {
    const rows = await stack.platform<{ host: string; held: number }>(
      `SELECT replace(backend_name, 'redis-', '') AS host, count(*)::int AS held FROM pool_items WHERE state <> 'claimed' GROUP BY backend_name`,
    );
    const ready = await stack.platform(`SELECT 1 FROM pool_items WHERE state IN ('creating', 'destroying')`);
    return (
      ready.length === 0 && JSON.stringify(Object.fromEntries(rows.map(({ host, held }) => [host, held]).sort())) === JSON.stringify(wanted)
    );
  });
}

describe('two hosts', () => {
  let caches: Body[] = [];

  onServer('share the resources, and a drained one takes nothing new', async () => {
    await warmItems('are ready on both', { a: 4, b: 4 });
    for (let made = 0; made < 4; made += 1) caches.push(await create());
    expect(await stack.platform('SELECT 1 FROM resources WHERE from_pool')).toHaveLength(4);
    expect((await Promise.all(caches.map(hostOf))).sort()).toEqual(['a', 'a', 'b', 'b']);
    expect((await stack.call('POST /api/v1/admin/hosts/a/drain', { headers: operator() })).status).toBe(200);
    await warmItems('are gone from the drained one', { b: 4 });
    const meanwhile = [await create(), await create()];
    expect(await Promise.all(meanwhile.map(hostOf))).toEqual(['b', 'b']);
    expect((await stack.call('POST /api/v1/admin/hosts/a/undrain', { headers: operator() })).status).toBe(200);
    caches = [...caches, ...meanwhile];
  });

  onServer('lose no connection of a tenant when their workers are killed, and go on with what runs', async () => {
    const connections = caches.map(connect);
    await Promise.all(connections.map((client, index) => client.set('kept', index)));
    const dropped: number[] = [];
    for (const [index, client] of connections.entries()) client.on('close', () => dropped.push(index));
    for (const host of HOSTS) stack.killHard(`host-${host}`);
    await Promise.all(HOSTS.map((host) => stack.isBack(`host-${host}`, 1)));
    expect(await Promise.all(connections.map((client) => client.get('kept')))).toEqual(caches.map((_, index) => String(index)));
    expect(dropped).toEqual([]);
    // The workers that came back act on what the ones before had started.
    const [first] = caches;
    if (first === undefined) throw new Error('nothing was made');
    expect((await own(first, `POST /api/v1/resources/${first.id}/pause`)).status).toBe(200);
    await expect(connect(first).ping()).rejects.toThrow();
    expect((await own(first, `POST /api/v1/resources/${first.id}/resume`)).status).toBe(200);
    expect(await connect(first).get('kept')).toBe('0');
  });

  onServer('keep nothing of what is deleted', async () => {
    for (const cache of caches) expect((await own(cache, `DELETE /api/v1/resources/${cache.id}`)).status).toBe(200);
    await until('all are gone', async () => {
      const left = await stack.platform(`SELECT 1 FROM resources WHERE status <> 'deleted'`);
      return left.length === 0;
    });
    const left = async (): Promise<string[]> => {
      const servers = processesOf(stack.home).filter((line) => /redis-server|valkey-server/.test(line));
      const ports = await stack.platform<{ object_name: string }>('SELECT object_name FROM host_ports WHERE object_name IS NOT NULL');
      // What is made ahead stays. Asked last: the pool may be making some, and its row comes first.
      const warm = await stack.platform<{ object_name: string }>('SELECT object_name FROM pool_items');
      return [...servers, ...ports.map((port) => port.object_name)].filter(
        (text) => /lh[a-z2-7]{8}_/.test(text) && !warm.some((item) => text.includes(item.object_name)),
      );
    };
    // The pool may also be taking some away while it is looked at.
    expect(await eventually(left, (found) => found.length === 0)).toEqual([]);
  });
});
