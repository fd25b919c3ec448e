// How many resources live on one machine at once: what each takes, and what the control processes do while nothing happens.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadBackends } from '../shared/plans';
import type { ResourceKind } from '../shared/resourcetype';
import { NATS } from '../stack/servers/nats';
import { readState } from '../stack/state';
import { stageOf } from '../stack/stop-order';
import { DRIVERS, type Granted } from './drivers';
import { hostedProcesses, ownCpuMs, pssKb, withChildren } from './memory';
import { Refused, type ResourceClient, resourceClient } from './resources';
import { type BenchStack, productPlans, startBenchStack } from './stack';

export interface DensityOptions {
  counts: { redis: number; mongodb: number; queue: number };
  idleSeconds: number;
}

const AT_ONCE = 6;
const SETTLE_MS = 20_000;
const BUILD_MS = 300_000;
const IDLE_BAR_PERCENT = 5;

const say = (line: string) => process.stdout.write(`${line}\n`);

export async function runDensityBench(options: DensityOptions): Promise<void> {
  const stack = await startBenchStack({
    plans: productPlans(),
    env: { LEASEHOLD_REQUESTS_PER_MINUTE: '1000000', LEASEHOLD_KINDS: 'postgres,redis,mongodb,queue' },
  });
  say('a stack of its own is ready');
  try {
    await measure(stack, options);
  } finally {
    const began = Date.now();
    await stack.stop();
    say(`stopped and removed, all of it, in ${((Date.now() - began) / 1000).toFixed(1)} s`);
  }
}

async function measure(stack: BenchStack, { counts, idleSeconds }: DensityOptions): Promise<void> {
  const client = resourceClient(stack.apiUrl);
  const natsBefore = natsKb(stack);
  const alive = new Map<ResourceKind, Granted[]>();
  for (const [kind, count] of Object.entries(counts) as ['redis' | 'mongodb' | 'queue', number][]) {
    if (count === 0) continue;
    const began = Date.now();
    alive.set(kind, await createMany(stack, client, { kind, count }));
    say(`${count} ${kind} made in ${((Date.now() - began) / 1000).toFixed(1)} s, ${AT_ONCE} at once`);
  }
  await sleep(SETTLE_MS);
  const idle = await idleCpu(stack, idleSeconds);
  for (const [kind, granted] of alive) say(`${granted.length} ${kind}: ${await answering(kind, granted)} answer their driver`);
  say('');
  printMemory(stack, { alive, natsBefore });
  printIdle(idle, idleSeconds);
}

/** `items` in order, so many at a time. */
async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const waiting = [...items];
  const next = async (): Promise<void> => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
}

async function createMany(
  stack: BenchStack,
  client: ResourceClient,
  { kind, count }: { kind: ResourceKind; count: number },
): Promise<Granted[]> {
  const made: Granted[] = [await createOne(stack, client, kind)];
  await inTurns([...Array(count - 1).keys()], async () => {
    made.push(await client.create(kind, 'density'));
  });
  return made;
}

/** The first one waits for a build of FerretDB. */
async function createOne(stack: BenchStack, client: ResourceClient, kind: ResourceKind): Promise<Granted> {
  const deadline = Date.now() + BUILD_MS;
  for (;;) {
    try {
      return await client.create(kind, 'density');
    } catch (error) {
      const building = error instanceof Refused && error.code === 'service_disabled' && stack.said().includes('building FerretDB');
      if (!building || Date.now() > deadline) throw error;
      await sleep(2_000);
    }
  }
}

async function answering(kind: ResourceKind, all: Granted[]): Promise<number> {
  let count = 0;
  await inTurns(all, async (granted) => {
    try {
      const session = await DRIVERS[kind].open(granted);
      await session.ping();
      await session.close();
      count += 1;
    } catch (error) {
      say(`${kind} ${granted.id} does not answer: ${error instanceof Error ? error.message : String(error)}`);
    }
  });
  return count;
}

function hostDirectories({ backendsFile, home }: BenchStack): string[] {
  return loadBackends(backendsFile).hosts.map(({ name }) => join(home, 'hosts', name));
}

function natsKb({ home }: BenchStack): number {
  const pid = readState(home).processes[NATS]?.pid;
  return pid === undefined ? 0 : pssKb(pid);
}

function printMemory(stack: BenchStack, { alive, natsBefore }: { alive: Map<ResourceKind, Granted[]>; natsBefore: number }): void {
  say(row(['kind', 'alive', 'memory each (PSS)', 'in all']));
  const hosted = hostDirectories(stack).flatMap(hostedProcesses);
  for (const [kind, granted] of alive) {
    const processes = hosted.filter((process) => process.kind === kind).flatMap(({ pid }) => withChildren(pid));
    const kb = kind === 'queue' ? natsKb(stack) - natsBefore : processes.reduce((sum, pid) => sum + pssKb(pid), 0);
    say(row([kind, String(granted.length), `${(kb / 1024 / granted.length).toFixed(2)} MB`, `${(kb / 1024).toFixed(0)} MB`]));
  }
  say('');
}

interface Idle {
  name: string;
  ours: boolean;
  percent: number;
}

/** Of one core, over the whole time; the supervisor is among them. */
async function idleCpu(stack: BenchStack, idleSeconds: number): Promise<Idle[]> {
  const pids = new Map([...stack.pids, ['supervisor', stack.supervisorPid]]);
  const hosted = hostDirectories(stack)
    .flatMap(hostedProcesses)
    .flatMap(({ pid }) => withChildren(pid));
  const before = new Map([...pids].map(([name, pid]) => [name, ownCpuMs(pid)]));
  const hostedBefore = hosted.reduce((sum, pid) => sum + ownCpuMs(pid), 0);
  await sleep(idleSeconds * 1000);
  const percentOf = (ms: number) => ms / 10 / idleSeconds;
  const named = [...pids].map(([name, pid]) => ({
    name,
    ours: name === 'supervisor' || ['edge', 'workers'].includes(stageOf(name)),
    percent: percentOf(ownCpuMs(pid) - (before.get(name) ?? 0)),
  }));
  const tenants = hosted.reduce((sum, pid) => sum + ownCpuMs(pid), 0) - hostedBefore;
  return [...named, { name: "tenants' processes", ours: false, percent: percentOf(tenants) }];
}

function printIdle(idle: Idle[], idleSeconds: number): void {
  say(row(['process', 'control', `idle cpu over ${idleSeconds} s`, '']));
  for (const { name, ours, percent } of idle) say(row([name, ours ? 'yes' : '', `${percent.toFixed(2)} %`, '']));
  const sum = idle.filter(({ ours }) => ours).reduce((total, { percent }) => total + percent, 0);
  say('');
  say(
    `${sum <= IDLE_BAR_PERCENT ? 'pass' : 'fail'}: idle cpu of the control processes <= ${IDLE_BAR_PERCENT} % of a core (${sum.toFixed(2)} %)`,
  );
}

function row(texts: string[]): string {
  return texts.map((text, index) => (index === 0 ? text.padEnd(20) : text.padStart(20))).join('');
}
