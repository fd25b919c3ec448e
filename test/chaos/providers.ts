// kill -9 of the worker while a queue on each engine and a bucket on each store is being made and deleted. Where a provider cannot be asked
// for, the operator's drain leads to it; so they go in waves, each with one store and as many queues as can be told apart.
import { setTimeout as sleep } from 'node:timers/promises';
import { backendsOfProviders, fetchProviders, operator, PROVIDER_KINDS, PROVIDERS, type Provider, whyNot } from '../../bench/providers';
import { Stack } from '../harness/stack';
import { type ChaosReport, type ChaosWave, runChaos } from './kinds';

const LOOKED_AT_MS = 90_000;

/** @param options.only those among them; default all that can be had here */
export async function chaosOfProviders(options: {
  times: number;
  only?: readonly string[];
  say: (line: string) => void;
}): Promise<ChaosReport> {
  const { times, say, only = PROVIDERS.map(({ name }) => name) } = options;
  fetchProviders();
  const settings = { LEASEHOLD_KINDS: PROVIDER_KINDS, LEASEHOLD_POOL_REFILL: 'off', LEASEHOLD_REQUESTS_PER_MINUTE: '1000000' };
  const stack = new Stack(settings, { backends: backendsOfProviders, readyMs: 300_000 });
  try {
    await stack.start();
    say(`a stack of its own is ready after ${(stack.startMs / 1000).toFixed(1)} s`);
    const admin = operator(stack.baseUrl, stack.secrets.operatorKey);
    const backends = await lookedAt(admin);
    const here = PROVIDERS.filter((provider) => only.includes(provider.name)).filter((provider) => {
      const reason = whyNot(provider, backends, stack.output);
      if (reason !== null) say(`${provider.name.padEnd(9)} skipped: no server (${reason})`);
      return reason === null;
    });
    return await runChaos({ stack, victims: ['worker'], waves: wavesOf(here, admin), times, say });
  } finally {
    await stack.dispose();
  }
}

/** The worker may have been there before a server was, and looks again and again; what cannot be had is in no list. */
async function lookedAt(admin: ReturnType<typeof operator>): Promise<Awaited<ReturnType<typeof admin.backends>>> {
  for (const deadline = Date.now() + LOOKED_AT_MS; ; await sleep(500)) {
    const backends = await admin.backends();
    const waiting = backends.some(({ name, ready }) => !ready && PROVIDERS.some((provider) => provider.name === name));
    if (!waiting || Date.now() > deadline) return backends;
  }
}

/** Each has at most one store, and at most one queue of an engine. */
export function groupsOf(providers: readonly Provider[]): Provider[][] {
  const groups: Provider[][] = [];
  const clashes = (a: Provider, b: Provider) => a.kind === b.kind && JSON.stringify(a.asked) === JSON.stringify(b.asked);
  for (const provider of providers) {
    const group = groups.find((members) => !members.some((member) => clashes(member, provider)));
    if (group === undefined) groups.push([provider]);
    else group.push(provider);
  }
  return groups;
}

function wavesOf(providers: readonly Provider[], admin: ReturnType<typeof operator>): ChaosWave[] {
  return groupsOf(providers).map((group) => ({ subjects: group, begin: () => admin.placeOnlyOn(group) }));
}
