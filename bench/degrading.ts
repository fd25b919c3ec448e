// What a backend that hangs does to the others: creates of one kind while another kind's server is frozen with requests waiting for it,
// beside the same creates while it runs. The two take turns, so that a busy machine is busy for both.
import { runTurn, type Summary, summarize, type Turn } from './load';
import { Refused, type ResourceClient, resourceClient } from './resources';
import { productPlans, startBenchStack } from './stack';
import { until } from './subjects';

/** More than this of its own time is no noise of the machine. */
const ALLOWED_RATIO = 1.25;
const CALLS = 20;
const QUEUES = 6;
const QUEUES_BACK_MS = 60_000;

const say = (line: string) => process.stdout.write(`${line}\n`);

export async function runDegradingBench({ rounds }: { rounds: number }): Promise<void> {
  const stack = await startBenchStack({
    plans: productPlans(),
    env: { LEASEHOLD_REQUESTS_PER_MINUTE: '1000000', LEASEHOLD_KINDS: 'postgres,queue' },
  });
  say(`a stack of its own is ready; in each of ${rounds} rounds ${CALLS} databases are made with NATS running, and as many with it frozen`);
  try {
    const nats = stack.pids.get('nats');
    if (nats === undefined) throw new Error('this machine has no NATS server: npm run stack -- fetch says why');
    const client = resourceClient(stack.apiUrl);
    const [running, frozen]: [Turn[], Turn[]] = [[], []];
    for (let round = 0; round <= rounds; round += 1) {
      const turns = [await takeTurn(client), await takeTurn(client, nats)];
      // The first round warms up.
      if (round > 0 && turns[0] && turns[1]) {
        running.push(turns[0]);
        frozen.push(turns[1]);
      }
    }
    print(summarize(running), summarize(frozen));
  } finally {
    await stack.stop();
  }
}

/** The same load either way: queues are asked for, and databases made meanwhile. @param frozen the process that stands still */
async function takeTurn(client: ResourceClient, frozen?: number): Promise<Turn> {
  await until(QUEUES_BACK_MS, 'queues can be made again', () => queuesAreBack(client));
  if (frozen !== undefined) process.kill(frozen, 'SIGSTOP');
  const asked = Array.from({ length: QUEUES }, () => client.create('queue', 'beside'));
  for (const queue of asked) queue.catch(() => undefined);
  let turn: Turn;
  try {
    turn = await createDatabases(client);
  } finally {
    if (frozen !== undefined) process.kill(frozen, 'SIGCONT');
  }
  const queues = await Promise.all(asked);
  await Promise.all(queues.map((queue) => client.remove(queue)));
  await Promise.all(queues.map((queue) => client.becomes(queue, 'deleted')));
  return turn;
}

/** A server that hung is not asked again at once. */
async function queuesAreBack(client: ResourceClient): Promise<boolean> {
  try {
    const queue = await client.create('queue', 'probe');
    await client.remove(queue);
    await client.becomes(queue, 'deleted');
    return true;
  } catch (error) {
    if (error instanceof Refused && error.code === 'service_disabled') return false;
    throw error;
  }
}

async function createDatabases(client: ResourceClient): Promise<Turn> {
  const made: Awaited<ReturnType<ResourceClient['create']>>[] = [];
  const turn = await runTurn(async () => void made.push(await client.create('postgres', 'bench')), { clients: 2, calls: CALLS });
  await Promise.all(made.map((database) => client.remove(database)));
  await Promise.all(made.map((database) => client.becomes(database, 'deleted')));
  return turn;
}

function print(running: Summary, frozen: Summary): void {
  const row = (what: string, { calls, p50, p95 }: Summary) =>
    say(what.padEnd(24) + [String(calls), p50.toFixed(1), p95.toFixed(1)].map((text) => text.padStart(10)).join(''));
  say('');
  say(`${''.padEnd(24)}${['calls', 'p50 ms', 'p95 ms'].map((text) => text.padStart(10)).join('')}`);
  row('NATS runs', running);
  row('NATS is frozen', frozen);
  const ratio = frozen.p95 / running.p95;
  say('');
  say(
    `${ratio <= ALLOWED_RATIO ? 'pass' : 'fail'}: p95 of the other kind, frozen to running, is ${ratio.toFixed(2)} (at most ${ALLOWED_RATIO})`,
  );
}
