// `npm run demo`: from a fresh start, one resource of each kind through its whole life, by HTTP and by the field's own driver with what
// the answers hold and nothing else. A line a step; exit code 0 only when all is as promised.
// `npm run demo -- claim` is the life of a claim instead.
import { DRIVERS, type Granted, type Session } from '../../bench/drivers';
import { inventory } from '../../bench/inventory';
import { Refused, type ResourceClient, resourceClient } from '../../bench/resources';
import { type BenchStack, productPlans, startBenchStack } from '../../bench/stack';
import { RESOURCE_KINDS, type ResourceKind, ROUTE_SEGMENT } from '../../shared/resourcetype';
import { demoClaim } from './claim';

const BUILD_MS = 300_000;
const VALUE = 'written before the pause';

const say = (line: string) => process.stdout.write(`${line}\n`);
const seconds = (sinceMs: number) => `${((performance.now() - sinceMs) / 1000).toFixed(2)} s`;

interface Demo {
  client: ResourceClient;
  /** Null with a stack that somebody else runs. */
  stack: BenchStack | null;
}

async function main(): Promise<void> {
  const url = process.env.LEASEHOLD_DEMO_URL;
  if (url) {
    await lives({ client: resourceClient(url.replace(/\/+$/, '')), stack: null });
    say('the servers behind a running stack are not looked at: their listings are for whoever runs it');
    return;
  }
  const began = performance.now();
  const stack = await startBenchStack({ plans: productPlans() });
  say(`a fresh stack is ready on ${stack.apiUrl} after ${seconds(began)}`);
  try {
    await lives({ client: resourceClient(stack.apiUrl), stack });
    await nothingIsLeft(stack);
  } finally {
    const stopping = performance.now();
    await stack.stop();
    say(`stopped and removed in ${seconds(stopping)}`);
  }
}

async function lives(demo: Demo): Promise<void> {
  for (const kind of RESOURCE_KINDS) {
    const granted = await created(demo, kind);
    if (granted !== undefined) await life(demo, kind, granted);
  }
}

/** Undefined when there is no server for the kind. */
async function created({ client, stack }: Demo, kind: ResourceKind): Promise<Granted | undefined> {
  const route = `POST /${ROUTE_SEGMENT[kind]}/new`;
  const deadline = performance.now() + BUILD_MS;
  for (;;) {
    const began = performance.now();
    try {
      const granted = await client.create(kind, `demo ${kind}`);
      step(kind, `${route} made ${granted.id}`, began);
      return granted;
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== 'service_disabled') throw error;
      const building = kind === 'mongodb' && (stack?.said() ?? '').includes('building FerretDB') && performance.now() < deadline;
      if (!building) {
        say(`${kind.padEnd(9)} skipped: no server (${error.message})`);
        return undefined;
      }
      await new Promise((resolve) => setTimeout(resolve, 2_000));
    }
  }
}

async function life({ client }: Demo, kind: ResourceKind, granted: Granted): Promise<void> {
  const { driver } = DRIVERS[kind];
  const timed = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const began = performance.now();
    const result = await work();
    step(kind, what, began);
    return result;
  };
  await timed(`${driver} wrote and read with what the answer holds`, () =>
    using(kind, granted, async (session) => {
      await session.write(VALUE);
      holds(await session.read());
    }),
  );
  await timed('paused', () => client.pause(granted));
  await timed(`${driver} is refused`, () => isRefused(kind, granted));
  await timed('resumed', () => client.resume(granted));
  await timed(`${driver} finds the data`, () => finds(kind, granted));
  const rotated = await timed('rotated', () => client.rotate(granted));
  if (JSON.stringify(rotated) === JSON.stringify(granted)) throw new Error('the credentials are the same after a rotation');
  await timed(`${driver} finds the data with the new credentials`, () => finds(kind, rotated));
  await timed('deleted, and its row says so', async () => {
    await client.remove(granted);
    await client.becomes(granted, 'deleted');
  });
  for (const former of [granted, rotated]) await isRefused(kind, former);
  say(`${kind.padEnd(9)} ${driver} is refused with every credential that it had`);
}

function step(kind: ResourceKind, what: string, began: number): void {
  say(`${kind.padEnd(9)} ${what.padEnd(64)} ${seconds(began)}`);
}

async function using(kind: ResourceKind, granted: Granted, work: (session: Session) => Promise<void>): Promise<void> {
  const session = await DRIVERS[kind].open(granted);
  try {
    await work(session);
  } finally {
    await session.close();
  }
}

const finds = (kind: ResourceKind, granted: Granted) => using(kind, granted, async (session) => holds(await session.read()));

function holds(value: string): void {
  if (value !== VALUE) throw new Error(`"${VALUE}" was written and "${value}" is there`);
}

async function isRefused(kind: ResourceKind, granted: Granted): Promise<void> {
  const letIn = await using(kind, granted, (session) => session.ping()).then(
    () => true,
    () => false,
  );
  if (letIn) throw new Error(`${DRIVERS[kind].driver} was let in to ${kind} ${granted.id}`);
}

async function nothingIsLeft(stack: BenchStack): Promise<void> {
  let left = 0;
  for (const [place, names] of await inventory(stack)) {
    say(`${place.padEnd(18)} ${names.length === 0 ? 'empty' : names.join(', ')}`);
    left += names.length;
  }
  if (left > 0) throw new Error(`${left} things are left on the servers`);
}

const [what] = process.argv.slice(2);
(what === 'claim' ? demoClaim() : main()).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
