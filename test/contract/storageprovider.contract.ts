// What every provider of storage credentials must do, in every mode that it can; printed as a table of provider and expectation.

import { DeleteObjectCommand, GetObjectCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { ProvisionRequest } from '../../activities/backend';
import {
  createStorageProvider,
  isIsolated,
  missingFor,
  type PresignOperation,
  presignObject,
  STORAGE_MODES,
  type StorageMode,
} from '../../shared/storageprovider';
import type { StorageHarness } from './storage-harness';
import { ContractTable } from './table';

export interface ProviderUnderTest {
  name: string;
  /** Those that it can; the others are in the table with what they lack. */
  modes: readonly StorageMode[];
  /** Where those are not all that it can: what is said of the others. */
  otherModes?: string;
  /** By mode and expectation: why this store cannot keep it; docs/kinds/storage.md says the same. */
  cannot?: Partial<Record<StorageMode, Readonly<Record<string, string>>>>;
  /** A backend of one mode on a real store. */
  open(mode: StorageMode): Promise<StorageHarness>;
  close(): Promise<void>;
}

interface Expectation {
  name: string;
  /** Why a mode cannot meet it; docs/kinds/storage.md says the same. */
  cannot?: Partial<Record<StorageMode, string>>;
  run(tenant: Tenant): Promise<void>;
}

/** One resource with the two ways in: its key, where it is shown, and urls signed with it. */
class Tenant {
  constructor(
    readonly harness: StorageHarness,
    readonly request: ProvisionRequest,
  ) {}

  static async make(harness: StorageHarness): Promise<Tenant> {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    return new Tenant(harness, request);
  }

  get shows(): boolean {
    return this.harness.detailsOf(this.request).mode !== 'broker';
  }

  /** A signed url's answer. */
  async signed(operation: PresignOperation, key: string, options: { version?: number; url?: string; body?: string } = {}): Promise<number> {
    const url = options.url ?? (await this.sign(operation, key, options.version));
    const answer = await fetch(url, { method: operation, body: operation === 'PUT' ? (options.body ?? 'signed') : undefined });
    await answer.arrayBuffer();
    return answer.status;
  }

  sign(operation: PresignOperation, key: string, version?: number): Promise<string> {
    const { bucket, prefix } = this.harness.detailsOf(this.request);
    const { endpoint, region } = this.harness.config;
    const pair = this.harness.keyOf(this.request, version);
    return presignObject({
      ...{ endpoint, region, bucket, operation, key: pair, objectKey: `${prefix}${key}` },
      ...{ expiresInSeconds: 300, signedAt: new Date() },
    });
  }

  /** With its own key: writes, reads, lists, removes. */
  async useKey(version?: number): Promise<void> {
    const { bucket, prefix } = this.harness.detailsOf(this.request);
    const client = this.harness.client(this.request, version);
    const object = { Bucket: bucket, Key: `${prefix}own` };
    await client.send(new PutObjectCommand({ ...object, Body: 'mine' }));
    expect(await (await client.send(new GetObjectCommand(object))).Body?.transformToString()).toBe('mine');
    const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix }));
    expect(Contents?.map(({ Key }) => Key)).toContain(`${prefix}own`);
    await client.send(new DeleteObjectCommand(object));
  }

  async works(version?: number): Promise<void> {
    if (this.shows) await this.useKey(version);
    expect(await this.signed('PUT', 'signed', { version })).toBe(200);
    expect(await this.signed('GET', 'signed', { version })).toBe(200);
  }

  async refused(version?: number): Promise<void> {
    for (const operation of ['GET', 'PUT', 'HEAD'] as const) expect(await this.signed(operation, 'signed', { version })).toBe(403);
    if (this.shows) await expect(this.useKey(version)).rejects.toThrow();
  }

  rotate(version: number): Promise<void> {
    return this.harness.backend.rotate({ ...this.request, credentialVersion: version, previousVersion: version - 1 });
  }
}

const ONE_KEY = 'one key for all: no version of it can be told from another';

const EXPECTATIONS: readonly Expectation[] = [
  { name: 'its credentials reach what is its own', run: (tenant) => tenant.works() },
  {
    name: "they reach nothing of a neighbour's",
    cannot: { 'shared-master-key': 'tenants of the shared key trust each other; only isolation: weak_allowed gives it' },
    async run(tenant) {
      const neighbour = await Tenant.make(tenant.harness);
      expect(await neighbour.signed('PUT', 'secret')).toBe(200);
      const { bucket, prefix } = tenant.harness.detailsOf(neighbour.request);
      const { endpoint, region } = tenant.harness.config;
      for (const operation of ['GET', 'PUT', 'HEAD'] as const) {
        const key = tenant.harness.keyOf(tenant.request);
        const aimed = {
          endpoint,
          region,
          bucket,
          key,
          operation,
          objectKey: `${prefix}secret`,
          expiresInSeconds: 60,
          signedAt: new Date(),
        };
        expect(await tenant.signed(operation, '', { url: await presignObject(aimed) })).toBe(403);
      }
      await tenant.harness.backend.deprovision(neighbour.request);
    },
  },
  {
    name: 'issued twice is issued once',
    async run(tenant) {
      const before = tenant.harness.keyOf(tenant.request);
      await Promise.all([tenant.harness.backend.provision(tenant.request), tenant.harness.backend.provision(tenant.request)]);
      expect(tenant.harness.keyOf(tenant.request)).toEqual(before);
      await tenant.works();
    },
  },
  {
    name: 'what was issued and not stored is ended and made anew',
    cannot: { 'shared-master-key': ONE_KEY, 'prefix-scoped-temporary': 'a session is known to nobody, and ends with its version' },
    async run(tenant) {
      const lost = await tenant.sign('GET', 'signed');
      tenant.harness.forgetIssued(tenant.request, 1);
      await tenant.harness.backend.provision(tenant.request);
      await tenant.works();
      expect(await tenant.signed('GET', '', { url: lost })).toBe(403);
    },
  },
  {
    name: 'cut refuses at once, and what was signed before; restore gives it all back',
    async run(tenant) {
      await tenant.works();
      const url = await tenant.sign('GET', 'signed');
      expect(await tenant.signed('GET', '', { url })).toBe(200);
      await tenant.harness.backend.cut(tenant.request);
      expect(await tenant.signed('GET', '', { url })).toBe(403);
      await tenant.refused();
      await tenant.harness.backend.restore(tenant.request);
      expect(await tenant.signed('GET', '', { url })).toBe(200);
      await tenant.works();
    },
  },
  {
    name: 'read-only refuses writes alone, and survives a cut',
    async run(tenant) {
      await tenant.works();
      await tenant.harness.backend.setReadOnly({ ...tenant.request, readOnly: true });
      const readsOnly = async () => {
        expect(await tenant.signed('PUT', 'more')).toBe(403);
        expect(await tenant.signed('GET', 'signed')).toBe(200);
      };
      await readsOnly();
      await tenant.harness.backend.cut(tenant.request);
      await tenant.refused();
      await tenant.harness.backend.restore(tenant.request);
      await readsOnly();
      await tenant.harness.backend.setReadOnly({ ...tenant.request, readOnly: false });
      await tenant.works();
    },
  },
  {
    name: 'two versions work, until the old one is retired',
    cannot: { 'shared-master-key': ONE_KEY },
    async run(tenant) {
      const old = await tenant.sign('GET', 'signed', 1);
      await tenant.rotate(2);
      expect(tenant.harness.keyOf(tenant.request, 2).accessKeyId).not.toBe(tenant.harness.keyOf(tenant.request, 1).accessKeyId);
      for (const version of [1, 2]) await tenant.works(version);
      await tenant.harness.backend.retireCredential({ ...tenant.request, credentialVersion: 2, retireVersion: 1 });
      await tenant.refused(1);
      expect(await tenant.signed('GET', '', { url: old })).toBe(403);
      await tenant.works(2);
    },
  },
  {
    name: 'a version that is made while it is cut lets nobody in',
    async run(tenant) {
      await tenant.works();
      await tenant.harness.backend.cut(tenant.request);
      await tenant.rotate(2);
      for (const version of [1, 2]) await tenant.refused(version);
      await tenant.harness.backend.restore(tenant.request);
      for (const version of [1, 2]) await tenant.works(version);
    },
  },
  {
    name: 'after delete keys and signed urls are dead, and nothing is left',
    cannot: { 'shared-master-key': 'the key lives on with the others; the objects are gone, and that is tried in "nothing is left"' },
    async run(tenant) {
      await tenant.works();
      const url = await tenant.sign('GET', 'signed');
      await tenant.harness.backend.deprovision(tenant.request);
      expect(await tenant.signed('GET', '', { url })).toBe(403);
      await tenant.refused();
      expect(await tenant.harness.backend.list('test')).not.toContain(tenant.request.objectName);
    },
  },
  {
    name: 'nothing is left, also of one that was cut',
    async run(tenant) {
      await tenant.works();
      await tenant.harness.backend.cut(tenant.request);
      await tenant.harness.backend.deprovision(tenant.request);
      expect(await tenant.harness.backend.list('test')).not.toContain(tenant.request.objectName);
    },
  },
  {
    name: 'bytes are measured as they are',
    async run(tenant) {
      expect(await tenant.signed('PUT', 'a', { body: 'x'.repeat(70_000) })).toBe(200);
      expect(await tenant.signed('PUT', 'b/c', { body: 'y'.repeat(1_000) })).toBe(200);
      const measured = await tenant.harness.backend.measureAll('test');
      expect(measured.find(({ objectName }) => objectName === tenant.request.objectName)?.bytes).toBe(71_000);
    },
  },
];

/** Its column in the table where it has no server here. */
export function skipStorageProvider(name: string, reason: string): void {
  const table = new ContractTable('storage');
  describe(`${name} keeps the storage provider contract`, () => {
    afterAll(() => table.print());
    for (const mode of STORAGE_MODES) for (const expectation of EXPECTATIONS) table.skips(`${name} ${mode}`, expectation.name, reason);
  });
}

export function describeStorageProvider(provider: ProviderUnderTest): void {
  const table = new ContractTable('storage');
  afterAll(async () => {
    table.print();
    await provider.close();
  });
  for (const mode of STORAGE_MODES.filter((one) => !provider.modes.includes(one)))
    for (const { name } of EXPECTATIONS)
      table.cannot(`${provider.name} ${mode}`, name, provider.otherModes ?? 'the store does not have this mode');
  for (const mode of provider.modes) {
    describe(`${provider.name} in mode ${mode}`, () => {
      let harness: StorageHarness;
      beforeAll(async () => {
        harness = await provider.open(mode);
        await harness.backend.prepareServer('test');
      });
      afterAll(async () => {
        for (const objectName of await harness.backend.list('test'))
          await harness.backend.destroyOrphan({ backendName: 'test', objectName });
        expect(await harness.backend.list('test')).toEqual([]);
        await harness.close();
      });
      for (const { name, cannot, run } of EXPECTATIONS) {
        const reason = provider.cannot?.[mode]?.[name] ?? cannot?.[mode];
        if (reason !== undefined) table.cannot(`${provider.name} ${mode}`, name, reason);
        else table.expects(`${provider.name} ${mode}`, name, async () => await run(await Tenant.make(harness)));
      }
    });
  }
  test('what a provider cannot is said of expectations that there are', () => {
    const names = EXPECTATIONS.map(({ name }) => name);
    for (const reasons of Object.values(provider.cannot ?? {})) for (const name of Object.keys(reasons)) expect(names).toContain(name);
  });
  test(`${provider.name} can what its modes need, and isolates in all but the one that is named for it`, async () => {
    for (const mode of provider.modes) {
      const harness = await provider.open(mode);
      const request = harness.newRequest();
      await harness.backend.provision(request);
      expect(harness.detailsOf(request).mode).toBe(mode);
      await harness.backend.deprovision(request);
      await harness.close();
      const { capabilities } = createStorageProvider({
        config: harness.config,
        installationId: 'abcdefgh',
        sharedBucketLock: (run) => run(new AbortController().signal),
      });
      const able = STORAGE_MODES.filter((one) => missingFor(one, capabilities).length === 0);
      expect(able).toContain(mode);
      if (provider.otherModes === undefined) expect([...provider.modes]).toEqual(expect.arrayContaining(able));
      expect(isIsolated(mode)).toBe(mode !== 'shared-master-key');
    }
  });
}
