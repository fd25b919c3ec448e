// What a resource of each kind costs a caller, from the request to the first command that succeeds by the field's driver, beside the
// backend alone and the bare workflow engine. Subjects take turns within each round, so that a busy machine is busy for all of them.
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import pg from 'pg';
import { loadPlans } from '../shared/plans';
import { RESOURCE_KINDS, type ResourceKind } from '../shared/resourcetype';
import { packageRoot } from '../stack/paths';
import { DRIVERS, type Granted } from './drivers';
import { runTurn, type Summary, summarize, type Turn } from './load';
import { type RawKind, rawKind } from './raw';
import { Refused, type ResourceClient, resourceClient } from './resources';
import { type BenchStack, productPlans, startBenchStack } from './stack';
import { engineSubject, type Subject, until } from './subjects';

export interface KindsOptions {
  rounds: number;
  kinds: ResourceKind[];
  /** With nothing made ahead. */
  cold: boolean;
}

/** Beyond the backend and the engine, for all the rest. */
const ALLOWANCE_MS = 15;
const BUILD_MS = 300_000;
const GONE_MS = 60_000;

const say = (line: string) => process.stdout.write(`${line}\n`);

interface Measured {
  raw: Turn[];
  create: Turn[];
}

export async function runKindsBench(options: KindsOptions): Promise<void> {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stopping.abort(new Error('interrupted')));
  const stack = await startBenchStack({
    plans: productPlans(),
    env: {
      LEASEHOLD_POOL_REFILL: options.cold ? 'off' : 'on',
      LEASEHOLD_REQUESTS_PER_MINUTE: '1000000',
      LEASEHOLD_KINDS: [...new Set(['postgres', ...options.kinds])].join(','),
    },
  });
  say(`a stack of its own is ready, fsync on, ${options.cold ? 'nothing made ahead' : 'warm pools full before each call'}`);
  try {
    await measure(stack, options, stopping.signal);
  } finally {
    await stack.stop();
  }
}

async function measure(stack: BenchStack, options: KindsOptions, signal: AbortSignal): Promise<void> {
  const connection = await Connection.connect({ address: stack.temporalAddress });
  const engine = await engineSubject(stack, new Client({ connection, namespace: stack.namespace }), 'cold');
  const client = resourceClient(stack.apiUrl);
  const platform = new pg.Pool({ connectionString: stack.platformUrl, max: 1 });
  const raws = new Map<ResourceKind, RawKind>();
  try {
    for (const kind of options.kinds) {
      const problem = await readiness(stack, client, kind);
      if (problem === null) raws.set(kind, await rawKind(stack, kind));
      else say(`${kind}: skipped, no server (${problem})`);
    }
    const measured = new Map([...raws.keys()].map((kind): [ResourceKind, Measured] => [kind, { raw: [], create: [] }]));
    const engineTurns: Turn[] = [];
    for (let round = 0; round <= options.rounds; round += 1) {
      signal.throwIfAborted();
      const warmUp = round === 0;
      for (const [kind, raw] of raws) {
        const turn = await takeTurn({ client, engine, raw, kind, fullPools: () => fullPools(platform, options) });
        if (warmUp) continue;
        engineTurns.push(turn.engine);
        measured.get(kind)?.raw.push(turn.raw);
        measured.get(kind)?.create.push(turn.create);
      }
    }
    print(measured, engineTurns);
  } finally {
    await Promise.allSettled([...[...raws.values()].map((raw) => raw.close()), engine.close(), connection.close(), platform.end()]);
  }
}

/** Null when the kind can be made; the reason otherwise. A first build of FerretDB is waited for. */
async function readiness(stack: BenchStack, client: ResourceClient, kind: ResourceKind): Promise<string | null> {
  const deadline = Date.now() + BUILD_MS;
  for (;;) {
    try {
      await removed(client, await client.create(kind, 'bench'));
      return null;
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== 'service_disabled') throw error;
      const building = kind === 'mongodb' && stack.said().includes('building FerretDB') && Date.now() < deadline;
      if (!building) return error.message;
      await new Promise((resolve) => setTimeout(resolve, 2_000));
    }
  }
}

const POOLS_MS = 120_000;

/** What was claimed is made anew in nobody's time: as in the life of a user who does not come at the very moment after another. */
async function fullPools(platform: pg.Pool, { cold }: KindsOptions): Promise<void> {
  if (cold) return;
  const wanted = loadPlans(join(packageRoot(), 'plans.yaml')).pool;
  await until(POOLS_MS, 'the warm pools are full', async () => {
    const { rows } = await platform.query<{ kind: ResourceKind; missing: number }>(
      `SELECT b.kind, ($2::int[])[array_position($1::text[], b.kind)] - count(p.object_name)::int AS missing
         FROM backends b LEFT JOIN pool_items p ON p.backend_name = b.name AND p.state = 'ready'
        WHERE b.ready AND b.kind = ANY ($1) GROUP BY b.name, b.kind`,
      [Object.keys(wanted), Object.values(wanted).map((pool) => pool?.size ?? 0)],
    );
    return rows.every(({ missing }) => missing === 0);
  });
}

interface TurnParts {
  /** Waits until they are. */
  fullPools: () => Promise<void>;
  client: ResourceClient;
  engine: Subject;
  raw: RawKind;
  kind: ResourceKind;
}

/** One of each, right after one another; what was made is removed outside the measured time. */
async function takeTurn({ client, engine, raw, kind, fullPools }: TurnParts): Promise<{ raw: Turn; engine: Turn; create: Turn }> {
  const once = { clients: 1, calls: 1 };
  await fullPools();
  const turns = { raw: await runTurn(raw.make, once), engine: await runTurn(engine.make, once) };
  let made: Granted | undefined;
  const create = await runTurn(async () => {
    made = await client.create(kind, 'bench');
    const session = await DRIVERS[kind].open(made);
    await session.ping();
    await session.close();
  }, once);
  await Promise.all([raw.removeAll(), engine.removeAll(), made && removed(client, made)]);
  return { ...turns, create };
}

async function removed(client: ResourceClient, granted: Granted): Promise<void> {
  await client.remove(granted);
  await client.becomes(granted, 'deleted', GONE_MS);
}

function print(measured: Map<ResourceKind, Measured>, engineTurns: Turn[]): void {
  const engine = summarize(engineTurns);
  say('');
  say(row(['kind', 'what', 'calls', 'p50 ms', 'p95 ms']));
  say(row(['', 'engine', ...cells(engine)]));
  for (const [kind, { raw, create }] of measured) {
    say(row([kind, 'raw', ...cells(summarize(raw))]));
    say(row([kind, 'create', ...cells(summarize(create))]));
  }
  say('');
  say('raw     the backend by hand, up to the first command of the driver');
  say('create  POST /<kind>/new, up to the first command of the same driver');
  say('engine  update-with-start of a workflow with as many activities, all empty: a local one, one on another queue, a local one');
  say('');
  for (const [kind, { raw, create }] of measured) {
    const over = summarize(create).p50 - summarize(raw).p50;
    const bar = engine.p50 + ALLOWANCE_MS;
    const verdict = over <= bar ? 'pass' : 'fail';
    say(`${verdict}: ${kind} create - raw <= engine + ${ALLOWANCE_MS} ms at p50 (${over.toFixed(1)} <= ${bar.toFixed(1)})`);
  }
}

function cells({ calls, p50, p95 }: Summary): string[] {
  return [String(calls), p50.toFixed(1), p95.toFixed(1)];
}

function row(texts: string[]): string {
  return texts.map((text, index) => (index < 2 ? text.padEnd(10) : text.padStart(10))).join('');
}

export function kindsOf(text: string): ResourceKind[] | null {
  const names = text.split(',');
  const known = RESOURCE_KINDS.filter((kind) => names.includes(kind));
  return known.length === names.length ? known : null;
}
