// What a provision costs, beside bare SQL and the bare engine. Subjects take turns within each round, so that a machine that is
// busy for a while is busy for all of them.
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { configurePoolSignal, poolWorkflowId, type RefillPoolInput } from '../workflows/pool/messages';
import { resourceWorkflowId } from '../workflows/resource/messages';
import { cpuMsByName } from './cpu';
import { runTurn, type Summary, summarize, type Turn } from './load';
import { type BenchStack, productPlans, startBenchStack } from './stack';
import { type ApiSubject, apiSubject, engineSubject, rawSubject, type Subject, until } from './subjects';

export interface ProvisionOptions {
  rounds: number;
  clients: number[];
  short: boolean;
  distinctCallers: boolean;
  cpu: boolean;
  subjects: SubjectName[];
}

const BACKEND = 'postgres-tenants';
/** The bar for a cold provision: bare SQL and bare engine, and so much for all the rest. */
const COLD_ALLOWANCE_MS = 10;
export const SUBJECTS = ['raw', 'engine', 'cold', 'warm', 'warm+refill'] as const;
export type SubjectName = (typeof SUBJECTS)[number];

const LEGEND: Record<SubjectName, string> = {
  raw: 'CREATE ROLE + CREATE DATABASE, one connection a client',
  engine: 'update-with-start of a workflow with one empty local activity, as a warm provision has',
  cold: 'POST /db/new, pool empty',
  warm: 'POST /db/new from the pool, refill off',
  'warm+refill': 'POST /db/new from the pool while it is refilled',
};

export async function runProvisionBench(options: ProvisionOptions): Promise<void> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort(new Error('interrupted')));
  const beganMs = Date.now();
  const stack = await startBenchStack({
    plans: benchPlans(options),
    env: options.distinctCallers ? { LEASEHOLD_TRUSTED_PROXIES: 'loopback', LEASEHOLD_REQUESTS_PER_MINUTE: '1000000' } : {},
  });
  say(`a stack of its own is ready after ${seconds(beganMs)} s, fsync on`);
  try {
    const bench = await openBench(stack, options);
    try {
      await measure(bench, options, stopping.signal);
    } finally {
      await bench.close();
    }
  } finally {
    await stack.stop();
  }
  say(`stopped and removed after ${seconds(beganMs)} s`);
}

/** The product's plans, but no pool of their own and room for the run. */
function benchPlans({ distinctCallers }: ProvisionOptions): string {
  const text = productPlans().replace(/^( {4}size: )\d+$/m, '$10');
  return distinctCallers
    ? text.replaceAll(/^( {4}provisions_per_day: )5$/gm, '$11000000').replaceAll(/postgres: 5\b/g, 'postgres: 1000000')
    : text;
}

interface Bench {
  client: Client;
  platform: pg.Pool;
  raw: Subject;
  engine: Subject;
  api: ApiSubject;
  pids: Map<string, number>;
  close: () => Promise<void>;
}

async function openBench(stack: BenchStack, options: ProvisionOptions): Promise<Bench> {
  const connection = await Connection.connect({ address: stack.temporalAddress });
  const client = new Client({ connection, namespace: stack.namespace });
  const platform = new pg.Pool({ connectionString: stack.platformUrl, max: 2, application_name: 'bench' });
  const raw = await rawSubject(stack, Math.max(...options.clients));
  const engine = await engineSubject(stack, client, 'warm');
  const api = apiSubject(stack, platform, options);
  const close = async () => {
    await Promise.allSettled([raw.close(), engine.close(), api.close(), connection.close(), platform.end()]);
  };
  const pids = new Map([...stack.pids, ['engine-worker', engine.pid], ['bench', process.pid]]);
  return { client, platform, raw, engine, api, pids, close };
}

interface Kept {
  turns: Turn[];
  fromPool: number;
  made: number;
  cpuMs: Map<string, number>;
}
type Turns = Map<string, Kept>;

async function measure(bench: Bench, options: ProvisionOptions, signal: AbortSignal): Promise<void> {
  const warmUp: Turns = new Map();
  const most = Math.max(...options.clients);
  await round(bench, { clients: [most], subjects: options.subjects, calls: () => most, turns: warmUp, signal });
  say('one round to warm up is not counted');
  const turns: Turns = new Map();
  for (let index = 1; index <= options.rounds; index += 1) {
    const beganMs = Date.now();
    await round(bench, {
      clients: options.clients,
      subjects: options.subjects,
      calls: (clients) => callsOf(clients, options.short),
      turns,
      signal,
    });
    say(`round ${index} of ${options.rounds}: ${seconds(beganMs)} s`);
  }
  const histories = await lookAtHistories(bench, signal);
  print(turns, options);
  if (options.cpu) printCpu(turns, [...bench.pids.keys()]);
  for (const line of histories) say(line);
}

/** In each turn; more clients make more calls, so that each makes several. */
function callsOf(clients: number, short: boolean): number {
  return (short ? 4 : 8) + clients * (short ? 1 : 2);
}

interface RoundOptions {
  clients: number[];
  subjects: SubjectName[];
  calls: (clients: number) => number;
  turns: Turns;
  signal: AbortSignal;
}

async function round(bench: Bench, { clients: counts, subjects, calls: callsFor, turns, signal }: RoundOptions): Promise<void> {
  for (const clients of counts) {
    const load = { clients, calls: callsFor(clients) };
    const take = async (name: SubjectName, subject: Subject) => {
      signal.throwIfAborted();
      if (!subjects.includes(name)) return;
      await record(bench, turns, { name, subject, load });
    };
    if (subjects.includes('warm')) await fillPool(bench, { target: load.calls, refill: false });
    await take('raw', bench.raw);
    await take('engine', bench.engine);
    await take('warm', bench.api);
    if (subjects.includes('cold')) await fillPool(bench, { target: 0, refill: false });
    await take('cold', bench.api);
    if (subjects.includes('warm+refill')) {
      await fillPool(bench, { target: load.calls, refill: true });
      await take('warm+refill', bench.api);
      await fillPool(bench, { target: load.calls, refill: false });
    }
    await Promise.all([bench.raw.removeAll(), bench.engine.removeAll()]);
    await bench.api.removeAll();
  }
}

async function record(
  bench: Bench,
  turns: Turns,
  turn: { name: SubjectName; subject: Subject; load: { clients: number; calls: number } },
): Promise<void> {
  const { name, subject, load } = turn;
  const already = bench.api.made.length;
  const key = keyOf(name, load.clients);
  const kept: Kept = turns.get(key) ?? { turns: [], fromPool: 0, made: 0, cpuMs: new Map() };
  turns.set(key, kept);
  const before = cpuMsByName(bench.pids);
  kept.turns.push(await runTurn(subject.make, load));
  for (const [process, ms] of cpuMsByName(bench.pids)) {
    kept.cpuMs.set(process, (kept.cpuMs.get(process) ?? 0) + ms - (before.get(process) ?? 0));
  }
  const ids = bench.api.made.slice(already).map(({ id }) => id);
  if (ids.length === 0) return;
  const { rows } = await bench.platform.query<{ warm: number }>(
    'SELECT count(*)::int AS warm FROM resources WHERE id = ANY ($1) AND from_pool',
    [ids],
  );
  kept.made += ids.length;
  kept.fromPool += rows[0]?.warm ?? 0;
}

/** Waits until exactly so many items are ready, then leaves refill as asked. */
async function fillPool(bench: Bench, { target, refill }: { target: number; refill: boolean }): Promise<void> {
  const configure = (settings: Pick<RefillPoolInput, 'target' | 'refill'>) =>
    bench.client.workflow
      .getHandle(poolWorkflowId(BACKEND))
      .signal(configurePoolSignal, { backendName: BACKEND, kind: 'postgres', template: 'template0', ...settings });
  await configure({ target, refill: true });
  await until(120_000, `${target} warm items are ready`, async () => {
    const { rows } = await bench.platform.query<{ state: string; held: number }>(
      `SELECT state, count(*)::int AS held FROM pool_items WHERE state <> 'claimed' GROUP BY state`,
    );
    const ready = rows.find((counted) => counted.state === 'ready')?.held ?? 0;
    return ready === target && rows.every((counted) => counted.state === 'ready');
  });
  if (!refill) await configure({ target, refill: false });
}

/** What Temporal keeps of a provision: one from the pool, one cold. */
async function lookAtHistories(bench: Bench, signal: AbortSignal): Promise<string[]> {
  const lines: string[] = [];
  await fillPool(bench, { target: 1, refill: false });
  for (const name of ['warm', 'cold']) {
    signal.throwIfAborted();
    await bench.api.make(0);
    const made = bench.api.made.at(-1);
    if (made === undefined) throw new Error('nothing was made');
    await proveItWorks(made.connectionUrl);
    const { events } = await bench.client.workflow.getHandle(resourceWorkflowId(made.id)).fetchHistory();
    const tasks = events?.filter((event) => event.workflowTaskCompletedEventAttributes != null).length ?? 0;
    lines.push(`history of a ${name} provision: ${events?.length ?? 0} events, ${tasks} workflow tasks`);
  }
  await bench.api.removeAll();
  return lines;
}

async function proveItWorks(connectionUrl: string): Promise<void> {
  const tenant = new pg.Client({ connectionString: connectionUrl, connectionTimeoutMillis: 5_000 });
  await tenant.connect();
  await tenant.query('CREATE TABLE proof (id int)');
  await tenant.end();
}

function keyOf(name: SubjectName, clients: number): string {
  return `${name}/${clients}`;
}

function print(turns: Turns, options: ProvisionOptions): void {
  const summaries = new Map<string, Summary>();
  for (const [key, { turns: measured }] of turns) summaries.set(key, summarize(measured));
  say('');
  say(row(['', 'clients', 'calls', 'p50 ms', 'p95 ms', 'p99 ms', 'per s', 'from pool']));
  for (const name of SUBJECTS) {
    for (const clients of options.clients) {
      const key = keyOf(name, clients);
      const summary = summaries.get(key);
      const kept = turns.get(key);
      if (summary === undefined || kept === undefined) continue;
      const { calls, p50, p95, p99, perSecond } = summary;
      const share = kept.made === 0 ? '' : `${Math.round((100 * kept.fromPool) / kept.made)} %`;
      say(row([name, String(clients), String(calls), p50.toFixed(1), p95.toFixed(1), p99.toFixed(1), perSecond.toFixed(1), share]));
    }
  }
  say('');
  for (const name of options.subjects) say(`${name.padEnd(12)} ${LEGEND[name]}`);
  say(`callers: ${options.distinctCallers ? 'a network for each client, quota counted' : 'loopback, exempt from quota'}`);
  say('');
  verdicts(options, (name, clients) => summaries.get(keyOf(name, clients))?.p50 ?? Number.NaN);
}

/** What one call costs each process, over all turns with that many clients. */
function printCpu(turns: Turns, processes: string[]): void {
  say('');
  say('processor ms a call');
  say(
    ['', 'clients', ...processes, 'all']
      .map((cell, index) => (index === 0 ? cell.padEnd(12) : cell.padStart(Math.max(8, cell.length + 2))))
      .join(''),
  );
  for (const [key, { turns: measured, cpuMs }] of turns) {
    const [name = '', clients = ''] = key.split('/');
    const calls = measured.reduce((sum, turn) => sum + turn.latenciesMs.length, 0);
    const used = processes.map((process) => (cpuMs.get(process) ?? 0) / calls);
    const all = used.reduce((sum, ms) => sum + ms, 0);
    const cells = [clients, ...used.map((ms) => ms.toFixed(1)), all.toFixed(1)];
    const headers = ['clients', ...processes, 'all'];
    say(name.padEnd(12) + cells.map((cell, index) => cell.padStart(Math.max(8, (headers[index] ?? '').length + 2))).join(''));
  }
}

function row(cells: string[]): string {
  return cells.map((cell, index) => (index === 0 ? cell.padEnd(12) : cell.padStart(10))).join('');
}

/** Words only: a number on a busy machine must fail no build. */
function verdicts(options: ProvisionOptions, p50: MedianOf): void {
  const has = (...names: SubjectName[]) => names.every((name) => options.subjects.includes(name));
  if (has('warm', 'raw')) warmVerdict(options, p50);
  if (has('cold', 'raw', 'engine')) coldVerdict(options, p50);
}

type MedianOf = (name: SubjectName, clients: number) => number;

function warmVerdict(options: ProvisionOptions, p50: MedianOf): void {
  const compared = options.clients.map((clients) => ({ clients, warm: p50('warm', clients), raw: p50('raw', clients) }));
  const warmOk = compared.every(({ warm, raw }) => warm <= raw);
  const told = compared.map(({ clients, warm, raw }) => `${clients}: ${warm.toFixed(1)} <= ${raw.toFixed(1)}`).join(', ');
  say(`${warmOk ? 'pass' : 'fail'}: warm p50 <= raw p50 at every client count (${told})`);
}

function coldVerdict(options: ProvisionOptions, p50: MedianOf): void {
  const clients = Math.min(...options.clients);
  const bar = p50('raw', clients) + p50('engine', clients) + COLD_ALLOWANCE_MS;
  const cold = p50('cold', clients);
  say(
    `${cold <= bar ? 'pass' : 'fail'}: cold p50 <= raw + engine + ${COLD_ALLOWANCE_MS} ms at ${clients} client (${cold.toFixed(1)} <= ${bar.toFixed(1)})`,
  );
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function seconds(sinceMs: number): string {
  return ((Date.now() - sinceMs) / 1000).toFixed(1);
}
