// `npm run demo -- providers`: a queue on each engine and a bucket on each store that runs here. The operator's drain switches from one to
// the next, and what was made before stays where it is and goes on working.

import { type Granted, QUEUE_DRIVERS } from '../../bench/drivers';
import { backendsOfProviders, fetchProviders, operator, PROVIDER_KINDS, PROVIDERS, type Provider, whyNot } from '../../bench/providers';
import { resourceClient } from '../../bench/resources';
import { productPlans, startBenchStack } from '../../bench/stack';
import { finds, isDeleted, type Living, nothingIsLeft, pausesAndResumes, rotates, say, seconds, step, writesAndReads } from './life';

type Made = Living & { provider: Provider };

export async function demoProviders(): Promise<void> {
  fetchProviders();
  const began = performance.now();
  const stack = await startBenchStack({ plans: productPlans(), backends: backendsOfProviders(), env: { LEASEHOLD_KINDS: PROVIDER_KINDS } });
  try {
    say(`a fresh stack is ready on ${stack.apiUrl} after ${seconds(began)}`);
    const client = resourceClient(stack.apiUrl);
    const admin = operator(stack.apiUrl, stack.operatorKey);
    const made: Made[] = [];
    for (const provider of PROVIDERS) {
      const reason = whyNot(provider, await admin.backends(), stack.said());
      if (reason === null) made.push(await madeOn(provider, { client, admin }));
      else say(`${provider.name.padEnd(9)} skipped: no server (${reason})`);
    }
    for (const kind of ['queue', 'storage'] as const) {
      const before = made.filter(({ provider }) => provider.kind === kind).slice(0, -1);
      for (const one of before) {
        const since = performance.now();
        await finds(one);
        step(one.name, 'is drained since, and what was made on it goes on serving', since);
      }
    }
    for (const one of made) await (one.provider.isolated ? isolatedLife(client, one) : openLife({ client, admin }, one));
    await nothingIsLeft(stack);
    say(`${made.length} of ${PROVIDERS.length} providers run here, and all was as promised`);
  } finally {
    const stopping = performance.now();
    await stack.stop();
    say(`stopped and removed in ${seconds(stopping)}`);
  }
}

async function madeOn(
  provider: Provider,
  { client, admin }: { client: ReturnType<typeof resourceClient>; admin: ReturnType<typeof operator> },
): Promise<Made> {
  const { name, kind, asked, driver } = provider;
  await admin.placeOnlyOn([provider]);
  const began = performance.now();
  const granted = await client.create(kind, `demo ${name}`, asked);
  step(name, `POST /${kind}/new made ${granted.id}`, began);
  const living = { name, driver, granted, provider };
  await writesAndReads(living);
  return living;
}

async function isolatedLife(client: ReturnType<typeof resourceClient>, living: Made): Promise<void> {
  const { driver, granted } = living;
  await pausesAndResumes(client, living, { session: await driver.open(granted) });
  const rotated = await rotates(client, living);
  await isDeleted(client, living, [granted, rotated]);
}

const MOVED_WITHIN_MS = 60_000;

/** Nobody can be kept out of a server without credentials; one moves to an account of one's own, with what one has. */
async function openLife(
  { client, admin }: { client: ReturnType<typeof resourceClient>; admin: ReturnType<typeof operator> },
  living: Made,
): Promise<void> {
  const { name, granted } = living;
  const nats = PROVIDERS.filter((provider) => provider.name === 'nats');
  await admin.placeOnlyOn(nats);
  const began = performance.now();
  await admin.isolate(granted.id);
  const moved = await movedCredentials(client, granted);
  step(name, 'moved to an account of its own by the operator', began);
  // In an account of one's own any subject is one's own; what was made keeps its names.
  const isolated = { ...living, driver: QUEUE_DRIVERS.nats, granted: { ...moved, subject_prefix: granted.subject_prefix } };
  const since = performance.now();
  await finds(isolated);
  step(name, 'its stream is there with the new credentials', since);
  await isDeleted(client, isolated, [moved]);
}

async function movedCredentials(client: ReturnType<typeof resourceClient>, granted: Granted): Promise<Granted> {
  for (const deadline = performance.now() + MOVED_WITHIN_MS; ; await new Promise((resolve) => setTimeout(resolve, 200))) {
    const now = await client.credentials(granted).catch(() => granted);
    if (now.auth_mode === 'isolated') return now;
    if (performance.now() > deadline) throw new Error(`${granted.id} is not in an account of its own after ${MOVED_WITHIN_MS / 1000} s`);
  }
}
