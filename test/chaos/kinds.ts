// kill -9 of the worker and of each host worker while every kind is being made and while it is being deleted. Nothing may be leaked, lost
// or doubled, and sessions that tenants hold must not notice.
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DRIVERS, type Granted, type Session } from '../../bench/drivers';
import { Refused, resourceClient } from '../../bench/resources';
import type { ResourceKind } from '../../shared/resourcetype';
import { type Stack, until } from '../harness/stack';

export interface ChaosOptions {
  stack: Stack;
  kinds: readonly ResourceKind[];
  /** Names of processes, as `status` shows them. */
  victims: readonly string[];
  /** Rounds; in each every victim is killed once while all kinds are made, and once while they are deleted. */
  times: number;
  say?: (line: string) => void;
}

export interface ChaosReport {
  kills: number;
  made: number;
  /** Whatever broke a promise, in words. */
  faults: string[];
  /** First commands that had to be sent again, and why. */
  repeated: string[];
  held: { kind: ResourceKind; pings: number }[];
}

const VALUE = 'written before the kill';
/** Longer than any kind takes to be made or deleted here, so that kills meet every step. */
const LATEST_KILL_MS = 700;
const PATIENCE_MS = 120_000;
const SERVES_WITHIN_MS = 30_000;
const PING_MS = 100;
/** The anonymous plan allows 100 operations a minute there, and a ping is two. */
const MONGODB_PING_MS = 2_000;

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { stack, kinds, victims, times, say = () => {} } = options;
  const report: ChaosReport = { kills: 0, made: 0, faults: [], repeated: [], held: [] };
  const client = resourceClient(stack.baseUrl);
  const holders = await Promise.all(kinds.map(async (kind) => hold(kind, await client.create(kind, `held ${kind}`))));
  for (let round = 1; round <= times; round += 1) {
    for (const victim of victims) {
      const began = Date.now();
      const made = await whileKilled(options, report, victim, () => Promise.all(kinds.map((kind) => makeOne(options, kind, report))));
      const alive = made.filter((granted) => granted !== null);
      await Promise.all(alive.map((granted) => serves(granted, report)));
      await whileKilled(options, report, victim, () => Promise.all(alive.map(({ granted }) => client.remove(granted))));
      await Promise.all(alive.map((granted) => isGone(client, granted, report)));
      say(
        `round ${round} of ${times}: ${victim} killed twice, ${alive.length} made and deleted, ${((Date.now() - began) / 1000).toFixed(1)} s`,
      );
    }
  }
  for (const holder of holders) report.held.push(await letGo(holder, report));
  for (const { granted } of holders) await client.remove(granted);
  await Promise.all(holders.map(({ kind, granted }) => isGone(client, { kind, granted }, report)));
  await nothingIsLeft(stack, report);
  return report;
}

interface Made {
  kind: ResourceKind;
  granted: Granted;
}

/** The kill comes somewhere while `work` is under way; resolves when both are done and the victim is back. */
async function whileKilled<T>({ stack }: ChaosOptions, report: ChaosReport, victim: string, work: () => Promise<T>): Promise<T> {
  await until(`${victim} runs`, async () => stack.runs(victim), { timeoutMs: 60_000 });
  const times = backs(stack, victim) + 1;
  const working = work();
  working.catch(() => {});
  await sleep(randomInt(LATEST_KILL_MS));
  stack.killHard(victim);
  report.kills += 1;
  const result = await working;
  await until(`${victim} is back`, async () => backs(stack, victim) >= times, { timeoutMs: 60_000 });
  return result;
}

function backs(stack: Stack, name: string): number {
  return stack.output.split('\n').filter((line) => line.startsWith(`${name} is back`)).length;
}

/** One resource, however often it has to be asked for: the key says that it is the same request. */
async function makeOne({ stack }: ChaosOptions, kind: ResourceKind, report: ChaosReport): Promise<Made | null> {
  const client = resourceClient(stack.baseUrl, { 'idempotency-key': `chaos-${crypto.randomUUID()}` });
  const deadline = Date.now() + PATIENCE_MS;
  report.made += 1;
  for (;;) {
    try {
      return { kind, granted: await client.create(kind, `chaos ${kind}`) };
    } catch (error) {
      const again = error instanceof Refused && (error.status >= 500 || error.status === 409) && Date.now() < deadline;
      if (!again) {
        report.faults.push(`${kind} was not made: ${error instanceof Error ? error.message : String(error)}`);
        return null;
      }
      await sleep(250);
    }
  }
}

/** As clients do, a connection that takes too long is tried again: a busy machine is no fault. What it holds must be right at once. */
async function serves(made: Made, report: ChaosReport): Promise<void> {
  const { kind, granted } = made;
  const deadline = Date.now() + SERVES_WITHIN_MS;
  for (;;) {
    try {
      const found = await writeAndRead(made);
      if (found !== VALUE) report.faults.push(`${kind} ${granted.id} lost what was written`);
      return;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      report.repeated.push(`${kind}: ${why}`);
      if (Date.now() < deadline) continue;
      report.faults.push(`${kind} ${granted.id} does not serve: ${why}`);
      return;
    }
  }
}

async function writeAndRead({ kind, granted }: Made): Promise<string> {
  const session = await DRIVERS[kind].open(granted);
  try {
    await session.write(VALUE);
    return await session.read();
  } finally {
    await session.close();
  }
}

async function isGone(client: ReturnType<typeof resourceClient>, { kind, granted }: Made, report: ChaosReport): Promise<void> {
  await client.becomes(granted, 'deleted', PATIENCE_MS).catch((error: unknown) => {
    report.faults.push(`${kind} was not deleted: ${error instanceof Error ? error.message : String(error)}`);
  });
}

interface Holder extends Made {
  session: Session;
  pings: number;
  failure: string | null;
  stopped: boolean;
  done: Promise<void>;
}

/** A session that a tenant keeps open, used all the time. */
async function hold(kind: ResourceKind, granted: Granted): Promise<Holder> {
  const session = await DRIVERS[kind].open(granted);
  await session.write(VALUE);
  const holder: Holder = { kind, granted, session, pings: 0, failure: null, stopped: false, done: Promise.resolve() };
  holder.done = (async () => {
    while (!holder.stopped && holder.failure === null) {
      try {
        await session.ping();
        holder.pings += 1;
      } catch (error) {
        holder.failure = error instanceof Error ? error.message : String(error);
      }
      await sleep(kind === 'mongodb' ? MONGODB_PING_MS : PING_MS);
    }
  })();
  return holder;
}

async function letGo(holder: Holder, report: ChaosReport): Promise<{ kind: ResourceKind; pings: number }> {
  holder.stopped = true;
  await holder.done;
  if (holder.failure !== null)
    report.faults.push(`a held session of ${holder.kind} dropped after ${holder.pings} pings: ${holder.failure}`);
  await holder.session.close().catch(() => {});
  return { kind: holder.kind, pings: holder.pings };
}

/** Rows: one for each that was asked for, all deleted. Servers: empty. */
async function nothingIsLeft(stack: Stack, report: ChaosReport): Promise<void> {
  const rows = await stack.platform<{ status: string; count: string }>('SELECT status, count(*) AS count FROM resources GROUP BY status');
  const total = rows.reduce((sum, { count }) => sum + Number(count), 0);
  const deleted = Number(rows.find(({ status }) => status === 'deleted')?.count ?? 0);
  const wanted = report.made + report.held.length;
  if (total !== wanted || deleted !== wanted)
    report.faults.push(`${wanted} were asked for, and there are rows: ${rows.map(({ status, count }) => `${count} ${status}`).join(', ')}`);
  for (const [place, names] of await stack.inventory()) if (names.length > 0) report.faults.push(`left on ${place}: ${names.join(', ')}`);
}
