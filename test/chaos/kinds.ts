// kill -9 of the worker and of each host worker while resources of every subject are being made and while they are being deleted. Nothing
// may be leaked, lost or doubled, and sessions that tenants hold must not notice.
import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { DRIVERS, type Granted, type KindDriver, type Session } from '../../bench/drivers';
import { Refused, resourceClient } from '../../bench/resources';
import type { ResourceKind } from '../../shared/resourcetype';
import { type Stack, until } from '../harness/stack';

/** A kind, or one engine or store of it. */
export interface ChaosSubject {
  name: string;
  kind: ResourceKind;
  driver: KindDriver;
  /** What a request says besides. */
  asked?: object;
}

/** Those that are made at once. */
export interface ChaosWave {
  subjects: readonly ChaosSubject[];
  /** Called before anything of it is made. */
  begin?: () => Promise<void>;
}

export const subjectsOf = (kinds: readonly ResourceKind[]): ChaosSubject[] =>
  kinds.map((kind) => ({ name: kind, kind, driver: DRIVERS[kind] }));

export interface ChaosOptions {
  stack: Stack;
  waves: readonly ChaosWave[];
  /** Names of processes, as `status` shows them. */
  victims: readonly string[];
  /** Rounds; in each, for each wave, every victim is killed once while all of it is made, and once while it is deleted. */
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
  held: { name: string; pings: number }[];
}

const VALUE = 'written before the kill';
const PATIENCE_MS = 120_000;
const SERVES_WITHIN_MS = 30_000;
const INVENTORY_MS = 30_000;
const PING_MS = 100;
/** The anonymous plan allows 100 operations a minute there, and a ping is two. */
const MONGODB_PING_MS = 2_000;

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { stack, waves, times } = options;
  const report: ChaosReport = { kills: 0, made: 0, faults: [], repeated: [], held: [] };
  const client = resourceClient(stack.baseUrl);
  const holders: Holder[] = [];
  const spans: Spans = new Map();
  for (const { subjects, begin } of waves) {
    await begin?.();
    const made = subjects.map(async (subject) => hold(subject, await client.create(subject.kind, `held ${subject.name}`, subject.asked)));
    holders.push(...(await Promise.all(made)));
    await Promise.all(subjects.map((subject) => measure(options, { subject, report, spans })));
  }
  for (let round = 1; round <= times; round += 1) for (const wave of waves) await killEverybody(options, report, { wave, round, spans });
  for (const holder of holders) report.held.push(await letGo(holder, report));
  for (const { granted } of holders) await client.remove(granted);
  await Promise.all(holders.map(({ subject, granted }) => isGone(client, { subject, granted }, report)));
  await nothingIsLeft(stack, report);
  return report;
}

async function killEverybody(
  options: ChaosOptions,
  report: ChaosReport,
  { wave, round, spans }: { wave: ChaosWave; round: number; spans: Spans },
): Promise<void> {
  const { stack, victims, times, say = () => {} } = options;
  const client = resourceClient(stack.baseUrl);
  await wave.begin?.();
  for (const victim of victims) {
    const began = Date.now();
    const made = await whileKilled(options, report, { victim, afterMs: momentOf(wave, spans, 'makeMs') }, () =>
      Promise.all(wave.subjects.map((subject) => makeOne(options, subject, report))),
    );
    const alive = made.filter((granted) => granted !== null);
    await Promise.all(alive.map((granted) => serves(granted, report)));
    await whileKilled(options, report, { victim, afterMs: momentOf(wave, spans, 'removeMs') }, () =>
      Promise.all(alive.map(({ granted }) => client.remove(granted))),
    );
    await Promise.all(alive.map((granted) => isGone(client, granted, report)));
    const names = alive.map(({ subject }) => subject.name).join(', ');
    say(`round ${round} of ${times}: ${victim} killed twice, ${names} made and deleted, ${((Date.now() - began) / 1000).toFixed(1)} s`);
  }
}

/** How long each took here to be made and to be deleted, with all of its wave and nobody killed. */
type Spans = Map<ChaosSubject, { makeMs: number; removeMs: number }>;

async function measure(
  options: ChaosOptions,
  { subject, report, spans }: { subject: ChaosSubject; report: ChaosReport; spans: Spans },
): Promise<void> {
  const client = resourceClient(options.stack.baseUrl);
  const began = Date.now();
  const made = await makeOne(options, subject, report);
  if (made === null) return;
  const wasMade = Date.now();
  await client.remove(made.granted);
  await isGone(client, made, report);
  const span = { makeMs: wasMade - began, removeMs: Date.now() - wasMade };
  spans.set(subject, span);
  options.say?.(`${subject.name}: kills come within ${span.makeMs} ms of its making, ${span.removeMs} ms of its deletion`);
}

/** Somewhere in one of them, so that kills meet every step of the slow ones and still meet the quick ones. */
function momentOf({ subjects }: ChaosWave, spans: Spans, what: 'makeMs' | 'removeMs'): number {
  const spansHere = subjects.flatMap((subject) => spans.get(subject)?.[what] ?? []);
  return randomInt(1 + (spansHere[randomInt(Math.max(1, spansHere.length))] ?? 0));
}

interface Made {
  subject: ChaosSubject;
  granted: Granted;
}

/** The kill comes somewhere while `work` is under way; resolves when both are done and the victim is back. */
async function whileKilled<T>(
  { stack }: ChaosOptions,
  report: ChaosReport,
  { victim, afterMs }: { victim: string; afterMs: number },
  work: () => Promise<T>,
): Promise<T> {
  await until(`${victim} runs`, async () => stack.runs(victim), { timeoutMs: 60_000 });
  const times = backs(stack, victim) + 1;
  const working = work();
  working.catch(() => {});
  await sleep(afterMs);
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
async function makeOne({ stack }: ChaosOptions, subject: ChaosSubject, report: ChaosReport): Promise<Made | null> {
  const client = resourceClient(stack.baseUrl, { 'idempotency-key': `chaos-${crypto.randomUUID()}` });
  const deadline = Date.now() + PATIENCE_MS;
  report.made += 1;
  for (;;) {
    try {
      return { subject, granted: await client.create(subject.kind, `chaos ${subject.name}`, subject.asked) };
    } catch (error) {
      const again = error instanceof Refused && (error.status >= 500 || error.status === 409) && Date.now() < deadline;
      if (!again) {
        report.faults.push(`${subject.name} was not made: ${error instanceof Error ? error.message : String(error)}`);
        return null;
      }
      await sleep(250);
    }
  }
}

/** As clients do, a connection that takes too long is tried again: a busy machine is no fault. What it holds must be right at once. */
async function serves(made: Made, report: ChaosReport): Promise<void> {
  const { subject, granted } = made;
  const { name } = subject;
  const deadline = Date.now() + SERVES_WITHIN_MS;
  for (;;) {
    try {
      const found = await writeAndRead(made);
      if (found !== VALUE) report.faults.push(`${name} ${granted.id} lost what was written`);
      return;
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      report.repeated.push(`${name}: ${why}`);
      if (Date.now() < deadline) continue;
      report.faults.push(`${name} ${granted.id} does not serve: ${why}`);
      return;
    }
  }
}

async function writeAndRead({ subject, granted }: Made): Promise<string> {
  const session = await subject.driver.open(granted);
  try {
    await session.write(VALUE);
    return await session.read();
  } finally {
    await session.close();
  }
}

async function isGone(client: ReturnType<typeof resourceClient>, { subject, granted }: Made, report: ChaosReport): Promise<void> {
  await client.becomes(granted, 'deleted', PATIENCE_MS).catch((error: unknown) => {
    report.faults.push(`${subject.name} was not deleted: ${error instanceof Error ? error.message : String(error)}`);
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
async function hold(subject: ChaosSubject, granted: Granted): Promise<Holder> {
  const session = await subject.driver.open(granted);
  await session.write(VALUE);
  const holder: Holder = { subject, granted, session, pings: 0, failure: null, stopped: false, done: Promise.resolve() };
  holder.done = (async () => {
    while (!holder.stopped && holder.failure === null) {
      try {
        await session.ping();
        holder.pings += 1;
      } catch (error) {
        holder.failure = error instanceof Error ? error.message : String(error);
      }
      await sleep(subject.kind === 'mongodb' ? MONGODB_PING_MS : PING_MS);
    }
  })();
  return holder;
}

async function letGo(holder: Holder, report: ChaosReport): Promise<{ name: string; pings: number }> {
  holder.stopped = true;
  await holder.done;
  if (holder.failure !== null)
    report.faults.push(`a held session of ${holder.subject.name} dropped after ${holder.pings} pings: ${holder.failure}`);
  await holder.session.close().catch(() => {});
  return { name: holder.subject.name, pings: holder.pings };
}

async function leftOn(stack: Stack): Promise<string[]> {
  const places = [...(await stack.inventory())].filter(([, names]) => names.length > 0);
  return places.map(([place, names]) => `left on ${place}: ${names.join(', ')}`);
}

/** Rows: one for each that was asked for, all deleted. Servers: empty. */
async function nothingIsLeft(stack: Stack, report: ChaosReport): Promise<void> {
  const rows = await stack.platform<{ status: string; count: string }>('SELECT status, count(*) AS count FROM resources GROUP BY status');
  const total = rows.reduce((sum, { count }) => sum + Number(count), 0);
  const deleted = Number(rows.find(({ status }) => status === 'deleted')?.count ?? 0);
  const wanted = report.made + report.held.length;
  if (total !== wanted || deleted !== wanted)
    report.faults.push(`${wanted} were asked for, and there are rows: ${rows.map(({ status, count }) => `${count} ${status}`).join(', ')}`);
  // A server's own list of connections is a moment behind; what is a leak is still there then.
  let left = await leftOn(stack);
  for (const deadline = Date.now() + INVENTORY_MS; left.length > 0 && Date.now() < deadline; left = await leftOn(stack)) await sleep(1_000);
  report.faults.push(...left);
}
