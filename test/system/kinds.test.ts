// All kinds on one stack: what kills, a stop, a crash of the supervisor and the starts after them do to what tenants have.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { DRIVERS, type Granted, type Session } from '../../bench/drivers';
import { resourceClient } from '../../bench/resources';
import type { ResourceKind } from '../../shared/resourcetype';
import { builtFerretdb } from '../../stack/servers/ferretdb';
import { runChaos, subjectsOf } from '../chaos/kinds';
import { processesOf, ROOT, Stack, stretched, until } from '../harness/stack';

jest.setTimeout(240_000);

const CACHE = process.env.LEASEHOLD_CACHE ?? join(ROOT, '.leasehold/cache');
// Building FerretDB takes minutes; the tests of its kind do that, and then it is here too.
const KINDS: ResourceKind[] = ['postgres', 'vector', 'redis', 'queue', 'storage', 'webhook'];
if (existsSync(builtFerretdb(CACHE))) KINDS.push('mongodb');

const stack = new Stack(
  { LEASEHOLD_KINDS: KINDS.join(','), LEASEHOLD_POOL_REFILL: 'off', LEASEHOLD_REQUESTS_PER_MINUTE: '1000000' },
  { secondHost: 'second' },
);
beforeAll(() => stack.start());
afterAll(() => stack.dispose());

const VALUE = 'written before';
const made = new Map<ResourceKind, Granted>();
const client = () => resourceClient(stack.baseUrl);

async function finds(kind: ResourceKind): Promise<string> {
  const session = await DRIVERS[kind].open(made.get(kind) as Granted);
  try {
    return await session.read();
  } finally {
    await session.close();
  }
}

function pidOf(name: string): number {
  const { processes } = JSON.parse(readFileSync(join(stack.home, 'state/stack.json'), 'utf8')) as {
    processes: Record<string, { pid: number } | undefined>;
  };
  return processes[name]?.pid ?? Number.NaN;
}

describe('every kind that this machine can have', () => {
  it('is disabled by nothing', () => {
    expect(stack.output).not.toMatch(/is not there|does not start/);
  });

  it('survives kills of the worker and of a host worker; nothing leaks, is lost or doubled, and no held session drops', async () => {
    const report = await runChaos({ stack, waves: [{ subjects: subjectsOf(KINDS) }], victims: ['worker', 'host-local'], times: 1 });
    expect(report.faults).toEqual([]);
    expect(report.kills).toBe(4);
    // Each once unkilled, which says how long it takes, and once for each victim.
    expect(report.made).toBe(3 * KINDS.length);
  });

  it('is made and holds data', async () => {
    for (const kind of KINDS) {
      const granted = await client().create(kind, `kept ${kind}`);
      made.set(kind, granted);
      const session = await DRIVERS[kind].open(granted);
      await session.write(VALUE);
      await session.close();
      expect([kind, await finds(kind)]).toEqual([kind, VALUE]);
    }
  });
});

describe('kill -9 of the supervisor', () => {
  it('cuts no session of what serves tenants, and the next start takes the servers over', async () => {
    const sessions = new Map<ResourceKind, Session>();
    const serving = KINDS.filter((kind) => kind !== 'webhook');
    for (const kind of serving) sessions.set(kind, await DRIVERS[kind].open(made.get(kind) as Granted));
    const servers = ['nats', 'seaweedfs', 'postgres-tenants', 'redis-platform'];
    const before = servers.map(pidOf);
    process.kill(stack.supervisorPid, 'SIGKILL');
    await stack.ended();
    for (const session of sessions.values()) await session.ping();
    await stack.start();
    expect(servers.map(pidOf)).toEqual(before);
    for (const [kind, session] of sessions) {
      await session.ping();
      expect([kind, await session.read()]).toEqual([kind, VALUE]);
      await session.close();
    }
    for (const kind of KINDS) expect([kind, await finds(kind)]).toEqual([kind, VALUE]);
  });
});

describe('SIGTERM', () => {
  it('leaves nothing running, tenants’ own processes included, and the next start brings back what should run', async () => {
    process.kill(stack.supervisorPid, 'SIGTERM');
    const { ms, code } = await stack.ended();
    expect(code).toBe(0);
    expect(ms).toBeLessThan(stretched(15_000));
    expect(processesOf(stack.home)).toEqual([]);
    await stack.start();
    for (const kind of KINDS) {
      // A host worker says that it is ready before all that it starts again is.
      const found = await until(`${kind} is back`, () => finds(kind).catch(() => null), { everyMs: 200 });
      expect([kind, found]).toEqual([kind, VALUE]);
    }
  });

  it('deletes leave nothing on any server', async () => {
    for (const granted of made.values()) await client().remove(granted);
    for (const granted of made.values()) await client().becomes(granted, 'deleted', 120_000);
    const left = [...(await stack.inventory())].filter(([, names]) => names.length > 0);
    expect(left).toEqual([]);
  });
});
