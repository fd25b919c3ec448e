// What holds when processes die: one resource a key, nothing leaked, tenants undisturbed, timers late by seconds at most.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Body } from '../harness/http';
import { processesOf, psql, Stack, stretched, until } from '../harness/stack';
import { findSecrets } from './secrets';

// The rungs are so far apart that a stop and a start fit between them on a busy machine, too.
const stack = new Stack({ LEASEHOLD_KINDS: 'postgres' }, { rungs: ['55s', '40s', '15s'] });
const measured: string[] = [];
beforeAll(() => stack.start());
afterAll(async () => {
  await stack.dispose();
  console.info(measured.join('\n'));
});

async function create(body: object): Promise<Body> {
  const answer = await stack.call('POST /db/new', { body });
  expect(answer).toMatchObject({ status: 201 });
  return answer.body;
}

const own = (resource: Body, route: string) => stack.call(route, { headers: { 'x-resource-token': resource.token } });
const read = async (resource: Body) => (await own(resource, `GET /api/v1/resources/${resource.id}`)).body;
const remove = (resource: Body) => own(resource, `DELETE /api/v1/resources/${resource.id}`);
const eventsOf = async (resource: Body) => (await own(resource, `GET /api/v1/resources/${resource.id}/events?limit=100`)).body.items;
const answersOne = async (url: string) => (await psql(url, 'select 1')).stdout === '1';

/** A client that repeats its request until it has its database, whatever happens to the other side. */
async function insist(name: string, key: string): Promise<Body> {
  return await until(
    `a database under ${key}`,
    async () => {
      const answer = await stack.call('POST /db/new', { body: { name }, headers: { 'idempotency-key': key } }).catch(() => null);
      if (answer !== null && answer.status >= 400 && answer.status < 500) throw new Error(`${key}: ${answer.text}`);
      return answer?.status === 201 ? answer.body : null;
    },
    { timeoutMs: 120_000, everyMs: 250 },
  );
}

/** Objects on the tenants' server that no live row and no pool item has, and live rows without their database; with what is known of them. */
async function unaccounted(): Promise<string[]> {
  const prefix = `lh${stack.secrets.installationId}_`;
  // The server first: a name is in a row before it is here, and out of here before it is out of the row.
  const objects = await stack.objectsNamed(prefix);
  const known = await stack.platform<{ name: string; state: string; holds: boolean; needs: boolean }>(
    `SELECT object_name AS name, status AS state, status NOT IN ('deleted', 'failed') AS holds,
            status IN ('active', 'paused', 'suspended') AS needs FROM resources
     UNION ALL SELECT object_name, 'pool item, ' || state, state <> 'claimed', false FROM pool_items
     UNION ALL SELECT object_name, 'retired name', false, false FROM retired_names`,
  );
  const knownOf = (name: string) => known.filter((row) => row.name === name);
  const nameOf = (object: string) => (object.split(' ')[1] ?? '').slice(0, prefix.length + 24);
  const leaked = objects.filter((object) => !knownOf(nameOf(object)).some((row) => row.holds));
  const lost = known.filter((row) => row.needs && !objects.includes(`database ${row.name}`));
  const states = (name: string) =>
    knownOf(name)
      .map((row) => row.state)
      .join(', ') || 'nothing known of it';
  return [...leaked.map((object) => `leaked ${object} (${states(nameOf(object))})`), ...lost.map((row) => `lost ${row.name}`)];
}

async function nothingUnaccounted(): Promise<void> {
  let left: string[] = [];
  await until(
    'every object is accounted for',
    async () => {
      left = await unaccounted();
      return left.length === 0;
    },
    { everyMs: 500 },
  ).catch(() => undefined);
  expect(left).toEqual([]);
}

describe('api and worker are killed while twenty clients ask', () => {
  const clients = Array.from({ length: 20 }, (_, index) => ({ name: `chaos ${index}`, key: `chaos-${index}-${crypto.randomUUID()}` }));
  const kills = { api: 0, worker: 0 };
  let made: Body[] = [];

  /** One that is ready: what a start was about is the start's own matter. */
  async function kill(name: keyof typeof kills): Promise<void> {
    await stack.isBack(name, kills[name]);
    kills[name] += 1;
    stack.killHard(name);
  }

  it('every client gets one database, and the same one again', async () => {
    const began = Date.now();
    const asking = clients.map(async ({ name, key }, index) => {
      await sleep(index * 400);
      return await insist(name, key);
    });
    const killing = (async () => {
      for (const [name, pauseMs] of [
        ['worker', 700],
        ['api', 1_500],
        ['worker', 1_000],
        ['api', 1_000],
      ] as const) {
        await sleep(pauseMs);
        await kill(name);
      }
    })();
    made = await Promise.all(asking);
    await killing;
    measured.push(`twenty clients under four kills: ${((Date.now() - began) / 1000).toFixed(1)} s`);

    await until('the api answers', async () => (await stack.call('GET /livez').catch(() => null))?.status === 200);
    const rows = await stack.platform<{ id: string; status: string }>(`SELECT id, status FROM resources WHERE name LIKE 'chaos %'`);
    expect(new Set(made.map((body) => body.id)).size).toBe(clients.length);
    expect(
      rows
        .filter((row) => row.status !== 'failed')
        .map((row) => row.id)
        .sort(),
    ).toEqual(made.map((body) => body.id).sort());
    expect(rows.filter((row) => row.status !== 'active' && row.status !== 'failed')).toEqual([]);
    for (const [index, { name, key }] of clients.entries()) {
      const again = await stack.call('POST /db/new', { body: { name }, headers: { 'idempotency-key': key } });
      expect(again.headers['x-idempotent-replay']).toBe('true');
      expect(again.body).toMatchObject({ id: made[index]?.id, connection_url: made[index]?.connection_url });
    }
    expect(await Promise.all(made.map((body) => answersOne(body.connection_url)))).toEqual(made.map(() => true));
  });

  it('nothing is leaked and nothing is lost', async () => {
    await nothingUnaccounted();
  });

  it('all of them can be deleted while the worker is killed once more', async () => {
    const names = await Promise.all(made.map((body) => stack.objectNameOf(body.id)));
    await stack.isBack('worker', kills.worker);
    const began = Date.now();
    const deleting = Promise.all(made.map(remove));
    await sleep(100);
    await kill('worker');
    expect((await deleting).map((answer) => answer.status)).toEqual(made.map(() => 200));
    await until(
      'the rows are closed',
      async () => {
        const [row] = await stack.platform<{ count: string }>(
          `SELECT count(*) FROM resources WHERE name LIKE 'chaos %' AND status NOT IN ('deleted', 'failed')`,
        );
        return Number(row?.count) === 0;
      },
      { timeoutMs: 120_000, everyMs: 250 },
    );
    measured.push(`twenty deletes under a kill: ${((Date.now() - began) / 1000).toFixed(1)} s`);
    const left = await stack.objectsNamed(`lh${stack.secrets.installationId}_`);
    expect(left.filter((object) => names.some((name) => object.includes(name)))).toEqual([]);
    await nothingUnaccounted();
  });
});

describe('api, worker and temporal are away', () => {
  it('databases go on serving, and what fell due is done within 5 s of the return', async () => {
    const lasting = await create({ name: 'lasting' });
    await psql(lasting.connection_url, 'create table t (n int); insert into t values (7)');
    const [ending, warned] = await Promise.all([create({ name: 'ending', ttl: '45s' }), create({ name: 'warned', ttl: '85s' })]);
    const endingName = await stack.objectNameOf(ending.id);
    const stopped = await stack.cli('stop', 'api', 'worker', 'temporal');
    expect(stopped).toMatchObject({ code: 0, stderr: '' });
    const downAt = Date.now();
    for (const name of ['api', 'worker', 'temporal']) expect(stack.runs(name)).toBe(false);
    await expect(stack.call('GET /livez')).rejects.toThrow('ECONNREFUSED');
    expect((await psql(lasting.connection_url, 'select n from t')).stdout).toBe('7');
    expect(await Promise.all([ending, warned].map((body) => answersOne(body.connection_url)))).toEqual([true, true]);

    const secondRungAt = new Date(warned.expires_at).getTime() - 40_000;
    await sleep(Math.max(new Date(ending.expires_at).getTime(), secondRungAt) + 500 - Date.now());
    expect(await Promise.all([lasting, ending].map((body) => answersOne(body.connection_url)))).toEqual([true, true]);

    const began = Date.now();
    expect(await stack.cli('start', 'temporal', 'worker', 'api')).toMatchObject({ code: 0, stderr: '' });
    const readyAt = Date.now();
    measured.push(`temporal, worker and api started again: ${((readyAt - began) / 1000).toFixed(1)} s`);
    await until('what ended meanwhile is gone', async () => (await stack.objectsNamed(endingName)).length === 0, { everyMs: 20 });
    const goneMs = Date.now() - readyAt;
    const late = await until('the late warning', async () =>
      (await eventsOf(warned)).find((event) => event.type === 'resource.expiring' && new Date(event.occurred_at).getTime() > downAt),
    );
    const lateMs = new Date(late.occurred_at).getTime() - readyAt;
    measured.push(`overdue deletion ${goneMs} ms and overdue warning ${lateMs} ms after ready`);
    expect(goneMs).toBeLessThan(stretched(5_000));
    expect(lateMs).toBeLessThan(stretched(5_000));
    // Only the most urgent of those that fell due meanwhile.
    const leftMs = new Date(warned.expires_at).getTime() - new Date(late.occurred_at).getTime();
    expect(late.data.rung).toBe(leftMs <= 15_000 ? '15s' : '40s');
    expect((await read(lasting)).status).toBe('active');
    expect((await psql(lasting.connection_url, 'select n from t')).stdout).toBe('7');
    await remove(warned);
  });
});

describe('stop and start', () => {
  it('a second start finds the same resources, alive', async () => {
    const resource = await create({ name: 'kept' });
    await psql(resource.connection_url, 'create table t (n int); insert into t values (11)');
    expect(await stack.cli('stop')).toMatchObject({ code: 0, stdout: 'stopped; data is kept\n' });
    expect((await stack.ended()).code).toBe(0);
    expect(processesOf(stack.home)).toEqual([]);
    expect((await psql(resource.connection_url, 'select 1')).code).not.toBe(0);

    await stack.start();
    measured.push(`second start: ${(stack.startMs / 1000).toFixed(1)} s`);
    expect(stack.startMs).toBeLessThan(stretched(15_000));
    expect(stack.output).not.toContain(stack.secrets.bootstrapApiKey);
    expect((await psql(resource.connection_url, 'select n from t')).stdout).toBe('11');
    expect(await read(resource)).toMatchObject({ id: resource.id, status: 'active', expires_at: resource.expires_at });
    const extended = await stack.call(`POST /api/v1/resources/${resource.id}/extend`, {
      body: { ttl: '1h' },
      headers: { 'x-resource-token': resource.token },
    });
    expect(extended.status).toBe(200);
  });

  it('no secret was written down on the way', async () => {
    const marker = `marker-${crypto.randomUUID().slice(0, 8)}`;
    const resource = await create({ name: marker });
    const { found, controls } = await findSecrets(stack, {
      workflowId: `resource/${resource.id}`,
      inPayload: marker,
      resourceId: resource.id,
    });
    expect(controls.payloadInTemporal).toBe(true);
    expect(found).toEqual([]);
  });

  it('SIGTERM ends everything within 15 s, also while resources are made', async () => {
    const asking = Array.from({ length: 10 }, (_, index) =>
      stack.call('POST /db/new', { body: { name: `late ${index}` } }).catch(() => null),
    );
    await until('some have come in', async () => (await stack.platform(`SELECT 1 FROM resources WHERE name LIKE 'late %'`)).length > 0, {
      everyMs: 5,
    });
    const began = Date.now();
    process.kill(stack.supervisorPid, 'SIGTERM');
    const { code } = await stack.ended();
    const tookMs = Date.now() - began;
    measured.push(`SIGTERM under load: ${(tookMs / 1000).toFixed(1)} s`);
    expect(code).toBe(0);
    expect(tookMs).toBeLessThan(stretched(15_000));
    expect(processesOf(stack.home)).toEqual([]);
    // Who came in time got a database, who came late no connection.
    const answers = (await Promise.all(asking)).filter((answer) => answer !== null);
    expect(answers.length).toBeGreaterThan(0);
    expect(answers.map((answer) => answer.status)).toEqual(answers.map(() => 201));
  });
});
