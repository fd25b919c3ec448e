// A storage backend over a store of the test's own, with what a test needs to stand on both sides of it.
import { randomUUID } from 'node:crypto';
import { GetObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { ConnectionDetails, KindBackend, ProvisionRequest } from '../../activities/backend';
import { createStorageBackend } from '../../activities/storage';
import { issuedKeyOf } from '../../activities/storage/issued';
import { randomBase32 } from '../../shared/crypto';
import {
  clientOptions,
  type IssuedKey,
  isSignedByPlatform,
  parseStoreConfig,
  type StorageMode,
  type StoreConfig,
} from '../../shared/storageprovider';
import { inProcessLock } from '../harness/name-lock';
import { aRequest, type BackendHarness, type TenantSession } from './backend.contract';

/** A store, real or a double, as backends.yaml and the environment would describe it. */
export interface StoreUnderTest {
  installationId: string;
  adminUrl: string;
  sharedKey?: string;
  apiToken?: string;
  options?: Readonly<Record<string, string | number | boolean>>;
}

export interface StorageHarness extends BackendHarness {
  backend: KindBackend;
  config: StoreConfig;
  /** What was recorded of a resource. */
  detailsOf(request: ProvisionRequest): { bucket: string; prefix: string; mode: string };
  keyOf(request: ProvisionRequest, version?: number): IssuedKey;
  /** A tenant's client, as its answer would make it. */
  client(request: ProvisionRequest, version?: number): S3Client;
  /** The platform's own. */
  admin: S3Client;
  /** Forgets what the provider issued, as when the process died between issuing and storing. */
  forgetIssued(request: ProvisionRequest, version: number): void;
  records: Records;
}

/** What the platform's database knows of the resources. */
export interface Records {
  issued: Map<string, Record<string, string>>;
  details: Map<string, ConnectionDetails>;
}

/** @param records of a harness before, whose store is configured anew */
export function startStorageHarness(
  store: StoreUnderTest,
  mode: StorageMode,
  records: Records = { issued: new Map(), details: new Map() },
): StorageHarness {
  const { installationId, adminUrl, sharedKey: shared, apiToken } = store;
  const { issued, details } = records;
  const closedFences = new Set<string>();
  const clients: S3Client[] = [];
  const config = parseStoreConfig(adminUrl, { ...store.options, mode }, { shared, apiToken, weakIsolation: true });
  const slot = (resourceId: string, version: number) => `${resourceId}/${version}`;
  const backend = createStorageBackend({
    configOf: () => config,
    installationId,
    nameLock: inProcessLock(),
    fence: async (ref) => !closedFences.has(ref.objectName),
    readCredential: async () => ({ username: '', password: '' }),
    connections: {
      read: async (resourceId) => details.get(resourceId) ?? null,
      record: async (request) => {
        const stored = details.get(request.resourceId) ?? request.details;
        details.set(request.resourceId, stored);
        return stored;
      },
    },
    issuedSecrets: {
      read: async ({ resourceId, version }) => issued.get(slot(resourceId, version)) ?? null,
      store: async ({ resourceId, version, secrets }) => {
        const stored = issued.get(slot(resourceId, version)) ?? secrets;
        issued.set(slot(resourceId, version), stored);
        return stored;
      },
    },
    logger: { info() {}, warn() {}, error() {} },
  });
  const keyOf: StorageHarness['keyOf'] = (request, version = request.credentialVersion) => {
    // As the api does, which keeps no copy of the platform's key.
    if (isSignedByPlatform(details.get(request.resourceId) ?? {})) return config.admin;
    const secrets = issued.get(slot(request.resourceId, version));
    if (secrets === undefined) throw new Error(`no key was issued for version ${version} of ${request.objectName}`);
    return issuedKeyOf(secrets);
  };
  const newClient = (key: IssuedKey): S3Client => {
    const { endpoint, region } = config;
    const client = new S3Client({ ...clientOptions({ endpoint, region, key }), forcePathStyle: true, maxAttempts: 1 });
    clients.push(client);
    return client;
  };
  const detailsOf: StorageHarness['detailsOf'] = (request) => {
    const { bucket, prefix, mode: recorded } = details.get(request.resourceId) ?? {};
    return { bucket: String(bucket), prefix: String(prefix), mode: String(recorded) };
  };
  return {
    backend,
    config,
    records,
    admin: newClient(config.admin),
    detailsOf,
    keyOf,
    client: (request, version) => newClient(keyOf(request, version)),
    forgetIssued: (request, version) => void issued.delete(slot(request.resourceId, version)),
    newRequest: () => aRequest({ resourceId: randomUUID(), kind: 'storage', objectName: `lh${installationId}_${randomBase32(24)}` }),
    setFence: (objectName, open) => void (open ? closedFences.delete(objectName) : closedFences.add(objectName)),
    open: async (request, version = 1) => {
      const { bucket, prefix } = detailsOf(request);
      const client = newClient(keyOf(request, version));
      await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: `${prefix}written/` }));
      return session(client, bucket, `${prefix}written/`);
    },
    close: async () => {
      for (const client of clients) client.destroy();
      await backend.close();
    },
  };
}

/** Requests of one client go over one connection that it keeps open. */
function session(client: S3Client, bucket: string, folder: string): TenantSession {
  const keys = async (): Promise<string[]> => {
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: folder }));
    return (Contents ?? []).map(({ Key }) => Key ?? '').sort();
  };
  return {
    write: async (value) => {
      const key = `${folder}${String((await keys()).length).padStart(6, '0')}`;
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: value }));
    },
    read: async () => {
      const values: string[] = [];
      for (const key of await keys()) {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        values.push((await Body?.transformToString()) ?? '');
      }
      return values;
    },
    close: async () => client.destroy(),
  };
}
