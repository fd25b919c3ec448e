// FerretDB processes on a host of the test's own, with what a test needs to stand on both sides of them.
import { randomUUID } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient, type MongoClientOptions, type ServerHeartbeatFailedEvent } from 'mongodb';
import type { ConnectionDetails, KindBackend, NameLock, ProvisionRequest } from '../../activities/backend';
import { openProcessHost, type ProcessHost } from '../../activities/host';
import { createFerretdbBackend, createPostgresStorage, storagePassword } from '../../activities/mongodb';
import { generatePassword, randomBase32 } from '../../shared/crypto';
import type { ResourceLimits } from '../../shared/resourcetype';
import { onPath } from '../../stack/fetch/run';
import { builtFerretdb, findFerretdb } from '../../stack/servers/ferretdb';
import { testPorts, testUids } from '../harness/process-host';
import { aRequest, type BackendHarness, type TenantSession } from './backend.contract';

export interface MongodbHarness extends BackendHarness {
  backend: KindBackend;
  host: ProcessHost;
  /** What was recorded for the api. */
  detailsOf(resourceId: string): ConnectionDetails | undefined;
  request(limits: ResourceLimits): ProvisionRequest;
  credentialOf(request: ProvisionRequest, version?: number): { username: string; password: string };
  /** As the api answers it. */
  urlOf(request: ProvisionRequest, version?: number): string;
  client(request: ProvisionRequest, options?: { version?: number; url?: string } & MongoClientOptions): MongoClient;
  /** The next recording of a connection's details fails, after everything else was done. */
  failNextRecording(): void;
}

export interface HarnessOptions {
  limits: ResourceLimits;
  /** Of the tenants' Postgres; without it all is in SQLite. */
  postgresAdminUrl?: string;
}

const cacheDir = process.env.LEASEHOLD_CACHE ?? join(__dirname, '../../.leasehold/cache');

/** Without building it: no test waits for that. */
export function ferretdbIsThere(): boolean {
  return process.env.LEASEHOLD_FERRETDB_BIN !== undefined || onPath('ferretdb').length > 0 || existsSync(builtFerretdb(cacheDir));
}

/** Null where FerretDB is not there. */
export async function findBinary(): Promise<string | null> {
  if (!ferretdbIsThere()) return null;
  return await findFerretdb({ cacheDir, binary: process.env.LEASEHOLD_FERRETDB_BIN }).then(
    ({ path }) => path,
    () => null,
  );
}

/** A server that is only slow on a busy machine is waited for. */
export const PATIENT: MongoClientOptions = { serverSelectionTimeoutMS: 8_000, connectTimeoutMS: 20_000, heartbeatFrequencyMS: 500 };
export const LOGGER = { info: () => undefined, warn: () => undefined, error: () => undefined };

export async function startMongodbHarness(options: HarnessOptions): Promise<MongodbHarness> {
  const binary = await findBinary();
  if (binary === null) throw new Error('no FerretDB');
  const installationId = randomBase32(8);
  const directory = mkdtempSync(join(tmpdir(), 'leasehold-mongodb-'));
  chmodSync(directory, 0o755);
  const host = await openProcessHost({
    hostName: `test-${installationId}`,
    directory,
    bindAddress: '127.0.0.1',
    uidRange: testUids(),
    logger: LOGGER,
    ports: testPorts(),
  });
  const state = newPlatform();
  const storage =
    options.postgresAdminUrl === undefined
      ? null
      : createPostgresStorage({
          adminUrl: options.postgresAdminUrl,
          installationId,
          passwordOf: (objectName) => storagePassword(host, objectName),
        });
  const backend = createFerretdbBackend({
    installationId,
    logger: LOGGER,
    nameLock: state.nameLock,
    fence: async ({ objectName }) => !state.closedFences.has(objectName),
    readCredential: async ({ resourceId, version }) => state.credential(resourceId, version),
    connections: state.connections,
    issuedSecrets: { read: async () => null, store: async ({ secrets }) => secrets },
    configOf: () => ({ host, binary, storage, sqliteMaxMb: 10 }),
  });

  const credentialOf: MongodbHarness['credentialOf'] = (request, version = 1) => state.credential(request.resourceId, version);
  const urlOf: MongodbHarness['urlOf'] = (request, version) => {
    const { username, password } = credentialOf(request, version);
    return `mongodb://${username}:${password}@127.0.0.1:${state.details.get(request.resourceId)?.port}/${request.objectName}`;
  };
  const clients: MongoClient[] = [];
  const client: MongodbHarness['client'] = (request, { version, url, ...driver } = {}) => {
    const made = new MongoClient(url ?? urlOf(request, version), { ...PATIENT, ...driver });
    clients.push(made);
    return made;
  };
  const request = (limits: ResourceLimits): ProvisionRequest => {
    const resourceId = randomUUID();
    const objectName = `lh${installationId}_${randomBase32(24)}`;
    state.names.set(resourceId, objectName);
    return aRequest({ resourceId, kind: 'mongodb', objectName, limits });
  };

  return {
    backend,
    host,
    credentialOf,
    urlOf,
    client,
    request,
    newRequest: (connections = 5) => request({ ...options.limits, connections }),
    detailsOf: (resourceId) => state.details.get(resourceId),
    setFence: (objectName, open) => void (open ? state.closedFences.delete(objectName) : state.closedFences.add(objectName)),
    failNextRecording: () => {
      state.failNextRecording = true;
    },
    open: (of, version = 1) => openMongoSession(client(of, { version }), of.objectName),
    close: async () => {
      // One whose server has gone keeps looking for it.
      await Promise.all(clients.map((open) => open.close()));
      for (const objectName of await host.list()) await host.remove(objectName);
      await host.close();
      await backend.close();
      await storage?.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** The platform's part: rows, as far as a room sees them. */
export function newPlatform() {
  const passwords = new Map<string, string>();
  const tails = new Map<string, Promise<unknown>>();
  const state = {
    names: new Map<string, string>(),
    details: new Map<string, ConnectionDetails>(),
    closedFences: new Set<string>(),
    failNextRecording: false,
    credential: (resourceId: string, version: number) => {
      const key = `${resourceId}/${version}`;
      const password = passwords.get(key) ?? generatePassword();
      passwords.set(key, password);
      return { username: `${state.names.get(resourceId)}_${version}`, password };
    },
    nameLock: ((objectName, run) => {
      const turn = (tails.get(objectName) ?? Promise.resolve()).then(() => run(new AbortController().signal));
      tails.set(
        objectName,
        turn.catch(() => undefined),
      );
      return turn;
    }) satisfies NameLock as NameLock,
    connections: {
      record: async ({ resourceId, details }: { resourceId: string; details: ConnectionDetails }) => {
        if (state.failNextRecording) {
          state.failNextRecording = false;
          throw new Error('the database is away');
        }
        const stored = state.details.get(resourceId) ?? details;
        state.details.set(resourceId, stored);
        return stored;
      },
      read: async (resourceId: string) => state.details.get(resourceId) ?? null,
    },
  };
  return state;
}

const GONE_AFTER_MS = 2_000;

/** Where nobody listens any more the driver would look on to the end of its patience; one that is started anew is there before this ends. */
async function unlessGone<T>(client: MongoClient, work: () => Promise<T>): Promise<T> {
  let firstRefusalMs: number | null = null;
  let tell = (_refusal: Error) => {};
  const gone = new Promise<never>((_, reject) => {
    tell = reject;
  });
  const onFailure = ({ failure }: ServerHeartbeatFailedEvent) => {
    if (!failure.message.includes('ECONNREFUSED')) return;
    firstRefusalMs ??= performance.now();
    if (performance.now() - firstRefusalMs >= GONE_AFTER_MS) tell(failure);
  };
  client.on('serverHeartbeatFailed', onFailure);
  try {
    return await Promise.race([work(), gone]);
  } finally {
    client.off('serverHeartbeatFailed', onFailure);
  }
}

export async function openMongoSession(client: MongoClient, database: string): Promise<TenantSession> {
  const written = client.db(database).collection<{ value: string; at: number }>('written');
  try {
    await unlessGone(client, async () => {
      await client.connect();
      await client.db(database).command({ listCollections: 1 });
    });
  } catch (error) {
    await client.close();
    throw error;
  }
  return {
    write: async (value) => void (await unlessGone(client, () => written.insertOne({ value, at: performance.now() }))),
    read: async () => {
      const documents = await unlessGone(client, () => written.find().sort({ at: 1 }).toArray());
      return documents.map((document) => document.value);
    },
    close: () => client.close(),
  };
}
