// `npm run demo`: from a fresh start, one resource of each kind through its whole life, by HTTP and by the field's own driver with what
// the answers hold and nothing else. A line a step; exit code 0 only when all is as promised.
// `npm run demo -- claim` is the life of a claim instead, `npm run demo -- providers` that of a queue on each engine and a bucket on each store.
import { DRIVERS, type Granted } from '../../bench/drivers';
import { Refused, type ResourceClient, resourceClient } from '../../bench/resources';
import { type BenchStack, productPlans, startBenchStack } from '../../bench/stack';
import { RESOURCE_KINDS, type ResourceKind, ROUTE_SEGMENT } from '../../shared/resourcetype';
import { demoClaim } from './claim';
import { isDeleted, nothingIsLeft, pausesAndResumes, rotates, say, seconds, step, writesAndReads } from './life';
import { demoProviders } from './providers';

const BUILD_MS = 300_000;

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
  const living = { name: kind, driver: DRIVERS[kind], granted };
  await writesAndReads(living);
  await pausesAndResumes(client, living);
  const rotated = await rotates(client, living);
  await isDeleted(client, living, [granted, rotated]);
}

const DEMOS: Readonly<Record<string, () => Promise<void>>> = { kinds: main, claim: demoClaim, providers: demoProviders };
const [what = 'kinds'] = process.argv.slice(2);
const demo = DEMOS[what] ?? (() => Promise.reject(new Error(`there is no demo ${what}: name one of ${Object.keys(DEMOS).join(', ')}`)));
demo().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
