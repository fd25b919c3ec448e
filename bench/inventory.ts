// What is left on each server, looked up at the servers themselves and not through the product: names that begin as this installation's do.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import pg from 'pg';
import { type BackendConfig, loadBackends } from '../shared/plans';
import { onKafka, onOpenNats, onRabbitmq } from './inventory-queues';
import { onStore } from './inventory-stores';

/** A stack of this machine, as far as its servers are looked at. */
export interface Looked {
  home: string;
  backendsFile: string;
  installationId: string;
  tenantsAdminUrl: string;
  /** What the worker is given under that name. */
  adminUrl: (variable: string) => string | undefined;
}

/** By backend; every name with what it is, e.g. `database lh…`. */
export async function inventory(stack: Looked): Promise<Map<string, string[]>> {
  const { hosts, backends } = loadBackends(stack.backendsFile);
  const prefix = `lh${stack.installationId}_`;
  const found = new Map<string, string[]>();
  for (const { name } of hosts) found.set(`host ${name}`, onHost(stack, name, prefix));
  for (const backend of backends) {
    const url = backend.adminUrlEnv === null ? undefined : stack.adminUrl(backend.adminUrlEnv);
    if (url !== undefined) found.set(backend.name, await onServer(stack, { backend, url, prefix }));
  }
  return found;
}

interface Place {
  backend: BackendConfig;
  url: string;
  prefix: string;
}

async function onServer(stack: Looked, place: Place): Promise<string[]> {
  switch (place.backend.kind) {
    case 'postgres':
    case 'vector':
      return onPostgres(place);
    case 'queue':
      return onQueue(stack, place);
    case 'storage':
      return onStore(stack, place);
    case 'webhook':
      return inInbox(stack, place);
    default:
      return [];
  }
}

function onQueue(stack: Looked, place: Place): Promise<string[]> | string[] {
  const { engine, options } = place.backend;
  if (engine === 'rabbitmq') return onRabbitmq(place);
  if (engine === 'kafka') return onKafka(place);
  return options.auth_mode === 'legacy_open' ? onOpenNats(place) : onNats(stack, place);
}

async function rows(connectionString: string, text: string, values: unknown[]): Promise<string[]> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: 30_000 });
  await client.connect();
  try {
    return (await client.query<{ name: string }>(text, values)).rows.map(({ name }) => name);
  } finally {
    await client.end();
  }
}

function onPostgres({ url, prefix }: Place): Promise<string[]> {
  return rows(
    url,
    `SELECT 'database ' || datname AS name FROM pg_database WHERE starts_with(datname, $1)
     UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE starts_with(rolname, $1) ORDER BY 1`,
    [prefix],
  );
}

/** Folders, what should run, and what does run. */
function onHost({ home }: Looked, name: string, prefix: string): string[] {
  const folder = join(home, 'hosts', name);
  const files = ['objects', 'config', 'private', 'state', 'run', 'logs'].flatMap((part) =>
    namesIn(join(folder, part))
      .filter((file) => file.startsWith(prefix))
      .map((file) => `${part} ${file}`),
  );
  return [...files, ...processesNaming(prefix)];
}

export function processesNaming(text: string): string[] {
  return namesIn('/proc')
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return command.includes(text) ? [`process ${pid} ${command.slice(0, 100)}`] : [];
      } catch {
        return [];
      }
    });
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}

/** Signed tokens of accounts by the name in them, and folders of their streams. */
function onNats({ home }: Looked, { prefix }: Place): string[] {
  const accounts = namesIn(join(home, 'nats', 'accounts')).filter((file) => file.endsWith('.jwt'));
  const known = accounts.map((file) => {
    const [, claims = ''] = readFileSync(join(home, 'nats', 'accounts', file), 'utf8').split('.');
    const { name, sub } = JSON.parse(Buffer.from(claims, 'base64url').toString('utf8')) as { name: string; sub: string };
    return { name, id: sub };
  });
  const system = known.filter(({ name }) => !name.startsWith(prefix)).map(({ id }) => id);
  const stores = namesIn(join(home, 'nats', 'store', 'jetstream')).filter((id) => id.startsWith('A') && !system.includes(id));
  return [
    ...known.filter(({ name }) => name.startsWith(prefix)).map(({ name }) => `account ${name}`),
    ...stores.map((id) => `store ${id}`),
  ];
}

async function inInbox(stack: Looked, { prefix }: Place): Promise<string[]> {
  const inbox = stack.adminUrl('LEASEHOLD_INBOX_URL') ?? '';
  const database = new URL(inbox).pathname.slice(1);
  const made = await rows(stack.tenantsAdminUrl, 'SELECT datname AS name FROM pg_database WHERE datname = $1', [database]);
  const inboxes = `SELECT 'inbox ' || object_name AS name FROM inboxes WHERE starts_with(object_name, $1)`;
  const stored = made.length === 0 ? [] : await rows(inbox, inboxes, [prefix]);
  const redisUrl = stack.adminUrl('LEASEHOLD_REDIS_URL');
  if (redisUrl === undefined) return stored;
  const redis = new Redis(redisUrl, { lazyConnect: true, retryStrategy: () => null });
  redis.on('error', () => undefined);
  await redis.connect();
  try {
    return [...stored, ...(await redis.keys(`*${prefix}*`)).map((key) => `key ${key}`)];
  } finally {
    redis.disconnect();
  }
}
