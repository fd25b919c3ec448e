// Every queue engine and every store that a stack of this machine can have, and how a new resource is put on a certain one of them.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { ResourceKind } from '../shared/resourcetype';
import { packageRoot } from '../stack/paths';
import { DRIVERS, type KindDriver, QUEUE_DRIVERS } from './drivers';
import { backendsWithOwnPorts } from './stack';

export interface Provider {
  /** As backends.yaml calls it. */
  name: string;
  kind: ResourceKind;
  driver: KindDriver;
  /** What a request must say besides. */
  asked: object;
  /** False for the one without credentials, whose tenants can be neither cut nor told apart. */
  isolated: boolean;
}

const queue = { kind: 'queue', isolated: true } as const;
const storage = { kind: 'storage', isolated: true, driver: DRIVERS.storage, asked: {} } as const;

export const PROVIDERS: readonly Provider[] = [
  { name: 'nats', ...queue, driver: QUEUE_DRIVERS.nats, asked: { engine: 'nats' } },
  { name: 'rabbitmq', ...queue, driver: QUEUE_DRIVERS.rabbitmq, asked: { engine: 'rabbitmq' } },
  { name: 'kafka', ...queue, driver: QUEUE_DRIVERS.kafka, asked: { engine: 'kafka' } },
  { name: 'nats-open', ...queue, isolated: false, driver: QUEUE_DRIVERS['nats-open'], asked: { engine: 'nats' } },
  { name: 'seaweedfs', ...storage },
  { name: 'minio', ...storage },
];

/** Into the cache before a start, which waits for no long download. What cannot be had says so in its own line. */
export function fetchProviders(): void {
  const script = join(packageRoot(), 'dist', 'stack', 'processes', 'stack.js');
  const env = { ...process.env, LEASEHOLD_CACHE: process.env.LEASEHOLD_CACHE ?? join(packageRoot(), '.leasehold', 'cache') };
  for (const names of [[], ['rabbitmq', 'kafka', 'minio']])
    spawnSync(process.execPath, [script, 'fetch', ...names], { cwd: packageRoot(), env, stdio: 'inherit' });
}

/** For LEASEHOLD_KINDS: all of them, whatever of it can be had here. */
export const PROVIDER_KINDS = 'postgres,queue,storage,rabbitmq,kafka,nats-open,minio';

/** As an installation from before the isolation has it: the open server takes new tenants. */
export function backendsOfProviders(): string {
  const file = parse(backendsWithOwnPorts()) as { backends: { name: string; weight: number }[] };
  return stringify({ ...file, backends: file.backends.map((one) => (one.name === 'nats-open' ? { ...one, weight: 1 } : one)) });
}

interface Backend {
  name: string;
  kind: string;
  drained: boolean;
  ready: boolean;
  last_error: string | null;
}

/** What an operator does to choose. */
export function operator(apiUrl: string, key: string) {
  const call = async (method: string, path: string): Promise<unknown> => {
    const headers = { authorization: `Bearer ${key}`, ...(method === 'POST' ? { 'content-type': 'application/json' } : {}) };
    const answer = await fetch(`${apiUrl}/api/v1/admin${path}`, { method, headers, body: method === 'POST' ? '{}' : undefined });
    if (!answer.ok) throw new Error(`${method} /api/v1/admin${path} answered ${answer.status}: ${await answer.text()}`);
    return await answer.json();
  };
  const backends = async () => ((await call('GET', '/backends')) as { backends: Backend[] }).backends;
  return {
    backends,
    /** Moves a queue from a server without credentials to an account of its own; it may be under way when this returns. */
    isolate: (id: string) => call('POST', `/resources/${id}/isolate`),
    /** Of the kinds that are named: everything else is drained, so that what is made next is made there. */
    async placeOnlyOn(providers: readonly Pick<Provider, 'name' | 'kind'>[]): Promise<void> {
      for (const backend of await backends()) {
        if (!providers.some(({ kind }) => kind === backend.kind)) continue;
        const drained = !providers.some(({ name }) => name === backend.name);
        if (backend.drained !== drained) await call('POST', `/backends/${backend.name}/${drained ? 'drain' : 'undrain'}`);
      }
    },
  };
}

/** Null when it takes resources; else why it does not, in words. */
export function whyNot(provider: Provider, backends: readonly Backend[], said: string): string | null {
  const backend = backends.find(({ name }) => name === provider.name);
  if (backend?.ready === true) return null;
  if (backend !== undefined) return backend.last_error ?? 'it is not ready';
  const line = said.split('\n').find((text) => text.startsWith(`${provider.name} is not there`));
  return line?.slice(line.indexOf(': ') + 2) ?? 'backends.yaml has none, or its variable is not set';
}
