// Every kind, and every engine and store of it that is implemented, has a suite that holds it to the backend contract; or a reason why not.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { RESOURCE_KINDS } from '../../shared/resourcetype';
import { PROVIDER_NAMES } from '../../shared/storageprovider/vendoroptions';

const ROOT = join(__dirname, '../..');

/** As a suite calls itself; the rest of its name says which variant it is. */
const SUITES: Readonly<Record<string, readonly string[]>> = {
  postgres: ['postgres'],
  vector: ['vector'],
  redis: ['redis ('],
  mongodb: ['FerretDB on SQLite', 'FerretDB on Postgres', 'a MongoDB server'],
  webhook: ['webhook with the ring in Postgres', 'webhook with the ring in Redis'],
  'queue nats/isolated': ['queue (nats)'],
  'queue nats/legacy_open': ['queue (nats, legacy_open)'],
  'queue rabbitmq/isolated': ['queue (rabbitmq)'],
  'queue kafka/isolated': ['queue (kafka)'],
  'storage seaweedfs': ['storage (seaweedfs, '],
  'storage minio': ['storage (minio, '],
};

/** What no server can be had of. */
const WITHOUT: Readonly<Record<string, string>> = {
  'storage aws': 'a vendor: the storage provider contract runs against a double of it',
  'storage r2': 'a vendor: the storage provider contract runs against a double of it',
  'storage spaces': 'a vendor: the storage provider contract runs against a double of it',
};

/** By the source tables, so that a new one cannot be forgotten. */
function implemented(): string[] {
  const queues = [...readFileSync(join(ROOT, 'activities/queue/index.ts'), 'utf8').matchAll(/^ +'(\w+\/\w+)': \(\) =>/gm)];
  expect(queues.length).toBeGreaterThan(0);
  return RESOURCE_KINDS.flatMap((kind) => {
    if (kind === 'queue') return queues.map(([, name]) => `queue ${name}`);
    return kind === 'storage' ? PROVIDER_NAMES.map((name) => `storage ${name}`) : [kind];
  });
}

function suites(): string[] {
  const files = readdirSync(join(ROOT, 'test'), { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.test.ts'));
  const text = files.map((path) => readFileSync(join(ROOT, 'test', path), 'utf8')).join('\n');
  return [...text.matchAll(/describeBackendContract\(\s*(['`"])(.+?)\1/g)].map(([, , title]) => title ?? '');
}

test('no kind, engine or store is without a contract or a reason', () => {
  expect([...Object.keys(SUITES), ...Object.keys(WITHOUT)].sort()).toEqual(implemented().sort());
});

test.each(Object.entries(SUITES))('%s is held to the backend contract', (_name, titles) => {
  const found = suites();
  for (const title of titles) expect(found.filter((one) => one.startsWith(title))).not.toEqual([]);
});
