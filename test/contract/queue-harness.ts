// A real NATS server of the test's own, a queue backend over it, and what a test needs to stand on both sides of it.
import { existsSync, readdirSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { JetStreamApiError, type JetStreamManager, jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { ProvisionRequest } from '../../activities/backend';
import { openConnection } from '../../activities/queue/nats/connection';
import { createNatsProvider } from '../../activities/queue/nats/provider';
import { Nkey, natsAccountId, queueLimits } from '../../shared/queueprovider';
import { onPath } from '../../stack/fetch/run';
import { findFreePort } from '../../stack/ports';
import { type NatsOptions, natsAdminUrl, natsDefinition, natsEventsEnvironment } from '../../stack/servers/nats';
import { findNats } from '../../stack/servers/nats-binary';
import { makeServerHome, orDestroyed, startOwnServer } from '../harness/own-server';
import type { TenantSession } from './backend.contract';
import { type QueueRoomHarness, queueRoom } from './queue-room';

export interface NatsTestServer {
  url: string;
  adminUrl: string;
  /** What the relay publishes the platform's events with. */
  events: { url: string; creds: string };
  /** What a reader of these events logs in with: a .creds file. */
  readerCredsFile: string;
  /** Where streams are, one folder an account. */
  streamFolder: string;
  /** The size of its log, with what was put aside. */
  logBytes(): number;
  /** As a tenant, with what was issued. */
  logIn(issued: Readonly<Record<string, string>>): Promise<NatsConnection>;
  start(): Promise<void>;
  /** By SIGKILL: what was acknowledged must be there after `start`. */
  kill(): Promise<void>;
  destroy(): Promise<void>;
}

export interface QueueHarness extends QueueRoomHarness {
  server: NatsTestServer;
  /** What the server still has on disk of an account. */
  filesOf(accountId: string): Promise<string[]>;
  /** A tenant's connection. */
  connect(request: ProvisionRequest, version?: number): Promise<NatsConnection>;
}

/** Found by global-setup; empty where there is none. */
export const natsIsHere = (): boolean => (process.env.LEASEHOLD_TEST_NATS_BIN ?? '') !== '';

const cacheDir = process.env.LEASEHOLD_CACHE ?? join(__dirname, '../../.leasehold/cache');
const isInCache = (): boolean => existsSync(cacheDir) && readdirSync(cacheDir).some((name) => name.startsWith('nats-server-'));

/** For tests without the global setup: whether this machine has the server or could fetch it. */
export const canHaveNats = (): boolean =>
  Boolean(process.env.LEASEHOLD_NATS_SERVER_BIN) || isInCache() || ['nats-server', 'python3'].some((name) => onPath(name).length > 0);

export async function natsProgram(): Promise<string> {
  const binary = process.env.LEASEHOLD_TEST_NATS_BIN ?? process.env.LEASEHOLD_NATS_SERVER_BIN;
  return (await findNats({ cacheDir, binary })).path;
}

export async function startNatsServer(options: Pick<NatsOptions, 'maxFileStore'> = {}): Promise<NatsTestServer> {
  const binary = await natsProgram();
  const home = makeServerHome('nats');
  const port = await findFreePort();
  const definition = natsDefinition({ home, binary, port, ...options });
  const server = await startOwnServer(definition, { home, graceMs: 2_000 });
  const url = `nats://127.0.0.1:${port}`;
  const { LEASEHOLD_EVENTS_NATS_CREDS: creds = '' } = await orDestroyed(server, () => natsEventsEnvironment({ home, port }));
  return {
    url,
    events: { url, creds },
    readerCredsFile: join(home, 'events-reader.creds'),
    logIn: (issued) => connectWith(url, issued),
    adminUrl: natsAdminUrl({ home, port }),
    streamFolder: join(home, 'nats', 'store', 'jetstream'),
    logBytes: () => {
      const folder = join(home, 'nats');
      const logs = readdirSync(folder).filter((file) => file.startsWith('nats.log'));
      return logs.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
    },
    ...server,
  };
}

export async function startQueueHarness(): Promise<QueueHarness> {
  const server = await startNatsServer();
  const looks = await orDestroyed(server, () => watchingProxy(server.adminUrl));
  const room = queueRoom(looks.adminUrl, { engine: 'nats', authMode: 'isolated' });
  const connectTenant: QueueHarness['connect'] = (request, version) => connectWith(server.url, room.issuedOf(request, version));
  return {
    ...room,
    server,
    filesOf: (accountId) => readdir(join(server.streamFolder, accountId), { recursive: true }).catch(() => []),
    connect: connectTenant,
    newRequest: (connections = 5) => room.newRequest({ connections, storageMb: 8 }),
    killedInsideCreate: (request) => killedInsideCreate(server, looks, { ...request, password: room.passwordOf(request.resourceId, 1) }),
    open: async (request, version) => session(await connectTenant(request, version)),
    close: async () => {
      looks.proxy.close();
      await room.backend.close().finally(server.destroy);
    },
  };
}

/**
 * Without reconnecting: a session that was ended must be seen to be. Signed with node:crypto, since the library's own authenticator takes
 * a tenth of a second of a busy machine; test/providers/nats tries that one.
 */
function connectWith(url: string, issued: Readonly<Record<string, string>>): Promise<NatsConnection> {
  const { nats_jwt: jwt = '', nats_nkey: seed = '' } = issued;
  if (seed === '') return Promise.reject(new Error('nothing was issued'));
  return openConnection({ server: url, name: 'tenant', jwt, user: Nkey.fromSeed('user', seed) });
}

/** A worker that dies with its account sent and not yet read by the server: the words wait in between until they are let go. */
async function killedInsideCreate(
  server: NatsTestServer,
  looks: LookWatch,
  request: ProvisionRequest & { password: string },
): Promise<{ letGo: () => Promise<void> }> {
  const { proxy, adminUrl, held } = await holdingProxy(server.adminUrl, 'CLAIMS.UPDATE');
  const provider = createNatsProvider({ adminUrlOf: () => adminUrl, logger: { info() {}, warn() {}, error() {} } });
  const credential = { version: 1, username: `${request.objectName}_1`, password: request.password };
  const issuing = provider.issueCredential({ ...request, credential, limits: queueLimits(request.limits) }).catch(() => {});
  const letGo = await held;
  await provider.close();
  await issuing;
  // The next caller must have looked and found nothing, and does not know it yet.
  const looked = looks.nextAnswer(`${natsAccountId(request.objectName)}.CLAIMS.LOOKUP`, letGo);
  return { letGo: () => looked.then(() => void proxy.close()) };
}

/** Passes on what is said, but for what follows the first chunk that holds `word`. */
async function holdingProxy(url: string, word: string): Promise<{ proxy: Server; adminUrl: string; held: Promise<() => void> }> {
  let tellHeld = (_letGo: () => void) => {};
  const held = new Promise<() => void>((resolve) => {
    tellHeld = resolve;
  });
  const { proxy, adminUrl } = await proxyOf(url, (client, upstream) => {
    let kept: Buffer[] | null = null;
    client.on('data', (chunk) => {
      if (kept === null && chunk.includes(word)) {
        kept = [];
        tellHeld(() => upstream.end(Buffer.concat(kept ?? [])));
      }
      if (kept === null) upstream.write(chunk);
      else kept.push(chunk);
    });
    upstream.pipe(client);
  });
  return { proxy, adminUrl, held };
}

interface LookWatch {
  /** Resolves when the next request that holds `word` was answered; `before` is called first, with the answer still on its way. */
  nextAnswer(word: string, before: () => void): Promise<void>;
}

/** Passes everything on, and says when it was answered. */
async function watchingProxy(url: string): Promise<LookWatch & { proxy: Server; adminUrl: string }> {
  const awaited = new Map<string, () => void>();
  const { proxy, adminUrl } = await proxyOf(url, (client, upstream) => {
    const asked = new Set<string>();
    client.on('data', (chunk) => {
      for (const word of awaited.keys()) if (chunk.includes(word)) asked.add(word);
      upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      for (const word of asked) awaited.get(word)?.();
      asked.clear();
      client.write(chunk);
    });
    client.on('close', () => upstream.end());
    upstream.on('end', () => client.end());
  });
  const nextAnswer: LookWatch['nextAnswer'] = (word, before) =>
    new Promise((resolve) => {
      awaited.set(word, () => {
        awaited.delete(word);
        before();
        resolve();
      });
    });
  return { proxy, adminUrl, nextAnswer };
}

async function proxyOf(url: string, join: (client: Socket, upstream: Socket) => void): Promise<{ proxy: Server; adminUrl: string }> {
  const { host: given, hostname: host, port } = new URL(url);
  const proxy = createServer((client) => {
    const upstream = createConnection({ host, port: Number(port) });
    join(client, upstream);
    for (const socket of [client, upstream]) socket.on('error', () => {});
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const address = proxy.address();
  if (typeof address !== 'object' || address === null) throw new Error('the proxy has no port');
  return { proxy, adminUrl: url.replace(given, `127.0.0.1:${address.port}`) };
}

const PATIENCE_MS = 30_000;
const STREAM = 'written';
const STREAM_NOT_FOUND = 10059;
const STREAM_BYTES = 1024 * 1024;

/** Everything is in one stream; a session that was ended rejects, since nothing reconnects. */
export function session(
  connection: NatsConnection,
): Omit<TenantSession, 'write'> & { write(value: string, stream?: string): Promise<void> } {
  const manager = (): Promise<JetStreamManager> => jetstreamManager(connection, { checkAPI: false, timeout: PATIENCE_MS });
  return {
    write: async (value, stream = STREAM) => {
      const streams = (await manager()).streams;
      await streams.info(stream).catch(() => streams.add({ name: stream, subjects: [stream], max_bytes: STREAM_BYTES }));
      await jetstream(connection, { timeout: PATIENCE_MS }).publish(stream, value, { timeout: PATIENCE_MS });
    },
    read: async () => {
      const { streams } = await manager();
      const info = await streams.info(STREAM).catch((error: unknown) => {
        if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) return null;
        throw error;
      });
      if (info === null) return [];
      const { state } = info;
      const values: string[] = [];
      for (let seq = state.first_seq; seq <= state.last_seq; seq += 1)
        values.push((await streams.getMessage(STREAM, { seq }))?.string() ?? '');
      return values;
    },
    close: () => connection.close(),
  };
}
