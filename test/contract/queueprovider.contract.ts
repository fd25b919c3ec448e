// What every queue provider must do, whatever its engine. A provider's test brings a harness and calls `describeQueueProviderContract`.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { generatePassword, randomBase32 } from '../../shared/crypto';
import {
  type Enforcement,
  type QueueCapabilities,
  type QueueCredential,
  type QueueCredentialProvider,
  type QueueLimits,
  type QueueSecrets,
  type QueueTenant,
  queueLimits,
} from '../../shared/queueprovider';
import { eventually } from '../harness/rows';
import { letsNoMoreIn, letsOneMoreIn } from './backend.contract';
import { ContractTable } from './table';

/** A tenant's client, in the engine's own words. */
export interface QueueSession {
  /** @param where another stream or queue of its own, for engines whose server keeps the storage */
  publish(text: string, where?: string): Promise<void>;
  /** Everything that was published and is kept, in order. */
  read(): Promise<string[]>;
  close(): Promise<void>;
}

export interface QueueProviderHarness {
  provider: QueueCredentialProvider;
  backendName: string;
  /** At the tenant's place, with what the provider minted for the credential, as the field's driver takes it; rejects when the server refuses. */
  open(tenant: QueueTenant, credential: QueueCredential, secrets: QueueSecrets): Promise<QueueSession>;
  close(): Promise<void>;
}

interface Made {
  tenant: QueueTenant;
  credential: QueueCredential;
  open(credential?: QueueCredential): Promise<QueueSession>;
  /** With its own credential at the place of another. */
  openAt(other: QueueTenant): Promise<QueueSession>;
}

interface Context {
  /** As jest's test; a row of the table. */
  expects(expectation: string, run: () => Promise<void>): void;
  /** What only a server can keep; where it does not, the row says so. */
  whereServer(keeper: Enforcement, expectation: string, run: () => Promise<void>): void;
  harness(): QueueProviderHarness;
  provider(): QueueCredentialProvider;
  /** A name of this suite, with a first credential that is not issued yet. */
  fresh(): Made;
  made(limits?: Partial<QueueLimits>): Promise<Made>;
}

export interface QueueContractOptions {
  /** Reasons by expectation, as the engine's page in docs/kinds says them. */
  cannot?: Readonly<Record<string, string>>;
  /** What its server does keep, although its limit needs the platform besides and is declared so. */
  keeps?: readonly string[];
}

/** Of engines whose login is all there is. */
export const NOTHING_MINTED = 'nothing is minted: a version is a user and a password, both kept by the server';

const NOT_BY_SERVER = {
  watchdog: 'its server does not; the platform measures, and over the plan makes it read-only',
  none: 'nothing holds it',
} satisfies Record<Exclude<Enforcement, 'server'>, string>;

const LIMITS: QueueLimits = { ...queueLimits({ storageMb: 8, connections: 5 }) };
const prefix = `lh${randomBase32(8)}_`;

/** @param capabilities what the provider says of itself; what it cannot do is not asked of it */
export function describeQueueProviderContract(
  name: string,
  capabilities: QueueCapabilities,
  start: () => Promise<QueueProviderHarness>,
  { cannot = {}, keeps = [] }: QueueContractOptions = {},
): void {
  const table = new ContractTable('queue');
  describe(`${name} keeps the queue provider contract`, () => {
    let harness: QueueProviderHarness;
    const fresh: Context['fresh'] = () => {
      const tenant = { backendName: harness.backendName, objectName: `${prefix}${randomBase32(24)}` };
      const credential = credentialOf(tenant, 1);
      const open = async (given = credential) => harness.open(tenant, given, await harness.provider.mintSecrets(tenant, given));
      const openAt = async (other: QueueTenant) => harness.open(other, credential, await harness.provider.mintSecrets(tenant, credential));
      return { tenant, credential, open, openAt };
    };
    const asked: string[] = [];
    const expects = (expectation: string, run: () => Promise<void>, reason = cannot[expectation]) => {
      asked.push(expectation);
      if (reason === undefined) table.expects(name, expectation, run);
      else table.cannot(name, expectation, reason);
    };
    const context: Context = {
      expects: (expectation, run) => expects(expectation, run),
      whereServer: (keeper, expectation, run) =>
        expects(
          expectation,
          run,
          cannot[expectation] ?? (keeper === 'server' || keeps.includes(expectation) ? undefined : NOT_BY_SERVER[keeper]),
        ),
      harness: () => harness,
      provider: () => harness.provider,
      fresh,
      async made(limits = {}) {
        const one = fresh();
        await harness.provider.issueCredential({ ...one.tenant, credential: one.credential, limits: { ...LIMITS, ...limits } });
        return one;
      },
    };
    beforeAll(async () => {
      harness = await start();
      await harness.provider.prepareServer(harness.backendName);
    });
    afterAll(async () => {
      table.print();
      const { provider, backendName } = harness;
      try {
        for (const objectName of await provider.list(backendName, prefix)) await provider.remove({ backendName, objectName });
      } finally {
        await harness.close();
      }
    });

    test('it says what it can do, and what it keeps and cannot is said of expectations that there are', () => {
      expect(harness.provider.capabilities).toEqual(capabilities);
      for (const expectation of [...Object.keys(cannot), ...keeps]) expect(asked).toContain(expectation);
    });
    expectEverything(context, capabilities);
  });
}

/** Its column in the table where it has no server here. */
export function skipQueueProviderContract(name: string, reason: string): void {
  const table = new ContractTable('queue');
  const noServer = () => {
    throw new Error(reason);
  };
  describe(`${name} keeps the queue provider contract`, () => {
    afterAll(() => table.print());
    const skips = (expectation: string) => table.skips(name, expectation, reason);
    expectEverything(
      {
        expects: skips,
        whereServer: (_keeper, expectation) => skips(expectation),
        harness: noServer,
        provider: noServer,
        fresh: noServer,
        made: noServer,
      },
      { cut: 'server', storage: 'server', connections: 'server', readOnly: 'server' },
    );
  });
}

function expectEverything(context: Context, capabilities: QueueCapabilities): void {
  describe('making and unmaking', () => makingAndUnmaking(context));
  describe('credentials', () => credentials(context));
  describe('access', () => access(context, capabilities));
}

export function credentialOf({ objectName }: QueueTenant, version: number): QueueCredential {
  return { version, username: `${objectName}_${version}`, password: generatePassword() };
}

/** An engine may tell sizes a moment late: asked until it tells of so many bytes. */
async function measured(provider: QueueCredentialProvider, { backendName, objectName }: QueueTenant, atLeast: number): Promise<number> {
  const sizeOf = async () => (await provider.measure(backendName, prefix)).find((found) => found.objectName === objectName)?.bytes ?? -1;
  return eventually(sizeOf, (bytes) => bytes >= atLeast);
}

function makingAndUnmaking({ expects, harness, provider, fresh, made }: Context): void {
  expects('issued twice is issued once, with the same rights', async () => {
    const one = await made();
    const session = await one.open();
    await session.publish('kept');
    await provider().issueCredential({ ...one.tenant, credential: one.credential, limits: LIMITS });
    expect(await session.read()).toEqual(['kept']);
    await session.close();
  });

  expects('minting needs no server and gives nothing a right by itself', async () => {
    const one = fresh();
    await expect(one.open()).rejects.toThrow();
    expect(await provider().list(harness().backendName, prefix)).not.toContain(one.tenant.objectName);
  });

  expects('two tenants share no name and no message', async () => {
    const [a, b] = [await made(), await made()];
    const [first, second] = [await a.open(), await b.open()];
    await first.publish('of the first');
    await second.publish('of the second');
    expect(await first.read()).toEqual(['of the first']);
    expect(await second.read()).toEqual(['of the second']);
    // Refused there; or its credential leads nowhere but home, whatever name it says.
    const intruder = await b.openAt(a.tenant).catch(() => null);
    const read = (await intruder?.read().catch(() => [])) ?? [];
    expect(read).not.toContain('of the first');
    await intruder?.publish('of the intruder').catch(() => {});
    await intruder?.close();
    expect(await first.read()).toEqual(['of the first']);
    for (const session of [first, second]) await session.close();
  });

  expects('list and measure show exactly what was made', async () => {
    const before = await provider().list(harness().backendName, prefix);
    const [a, b] = [await made(), await made()];
    const names = [a, b].map(({ tenant }) => tenant.objectName);
    expect((await provider().list(harness().backendName, prefix)).sort()).toEqual([...before, ...names].sort());
    const session = await a.open();
    await session.publish('x'.repeat(10_000));
    expect(await measured(provider(), a.tenant, 10_000)).toBeGreaterThanOrEqual(10_000);
    expect(await measured(provider(), b.tenant, 0)).toBeLessThan(10_000);
    expect(await provider().list(harness().backendName, `lh${randomBase32(8)}_`)).toEqual([]);
    await session.close();
    for (const { tenant } of [a, b]) await provider().remove(tenant);
    expect((await provider().list(harness().backendName, prefix)).sort()).toEqual(before.sort());
  });

  expects('removing ends live sessions, leaves no message behind, and may be repeated', async () => {
    const one = await made();
    const session = await one.open();
    await session.publish('old');
    await provider().remove(one.tenant);
    await provider().remove(one.tenant);
    await expect(session.read()).rejects.toThrow();
    await expect(one.open()).rejects.toThrow();
    await provider().issueCredential({ ...one.tenant, credential: one.credential, limits: LIMITS });
    const again = await one.open();
    expect(await again.read()).toEqual([]);
    await again.close();
  });

  expects('removing nothing succeeds; cutting nothing too', async () => {
    await expect(provider().remove(fresh().tenant)).resolves.toBeUndefined();
    await expect(provider().cut(fresh().tenant)).resolves.toBeUndefined();
  });

  for (const verb of ['restore', 'applyLimits', 'setReadOnly', 'rotateCredential', 'revokeCredential'] as const) {
    expects(`${verb} makes nothing that was not there`, async () => {
      const { tenant, credential } = fresh();
      const request = { ...tenant, credential, limits: LIMITS, readOnly: true, previousVersion: null, version: 1 };
      await expect(provider()[verb](request)).rejects.toMatchObject({ name: 'ObjectMissing' });
      expect(await provider().list(harness().backendName, prefix)).not.toContain(tenant.objectName);
    });
  }
}

function credentials({ expects, provider, made }: Context): void {
  const rotate = (one: Made, credential: QueueCredential) =>
    provider().rotateCredential({ ...one.tenant, credential, limits: LIMITS, previousVersion: credential.version - 1 });

  expects('what is minted differs by version and never holds the password', async () => {
    const one = await made();
    const second = { ...credentialOf(one.tenant, 2), password: one.credential.password };
    const [first, other] = await Promise.all([one.credential, second].map((credential) => provider().mintSecrets(one.tenant, credential)));
    expect(JSON.stringify([first, other])).not.toContain(one.credential.password);
    expect(first).not.toEqual(other);
  });

  expects('both versions are good until the old one is revoked', async () => {
    const one = await made();
    const old = await one.open();
    const second = credentialOf(one.tenant, 2);
    await rotate(one, second);
    await rotate(one, second);
    const current = await one.open(second);
    await old.publish('by the old');
    await current.publish('by the new');
    for (let repeat = 0; repeat < 2; repeat += 1) await provider().revokeCredential({ ...one.tenant, version: 1 });
    await expect(old.read()).rejects.toThrow();
    await expect(one.open()).rejects.toThrow();
    expect(await current.read()).toEqual(['by the old', 'by the new']);
    for (const session of [old, current]) await session.close();
  });

  expects('a revoked version does not come back, whatever else is done', async () => {
    const one = await made();
    const second = credentialOf(one.tenant, 2);
    await rotate(one, second);
    await provider().revokeCredential({ ...one.tenant, version: 1 });
    await expect(provider().issueCredential({ ...one.tenant, credential: one.credential, limits: LIMITS })).rejects.toMatchObject({
      name: 'Fenced',
    });
    await provider().cut(one.tenant);
    await provider().restore(one.tenant);
    await provider().applyLimits({ ...one.tenant, limits: LIMITS });
    await provider().setReadOnly({ ...one.tenant, readOnly: false, limits: LIMITS });
    await rotate(one, second);
    await expect(one.open()).rejects.toThrow();
    await (await one.open(second)).close();
  });

  expects('a credential with another password is another credential', async () => {
    const one = await made();
    await expect(one.open({ ...one.credential, password: randomUUID() })).rejects.toThrow();
  });
}

function access({ expects, whereServer, provider, made }: Context, capabilities: QueueCapabilities): void {
  whereServer(capabilities.cut, 'cut ends a live session and lets nobody in; restore gives the same messages', async () => {
    const one = await made();
    const session = await one.open();
    await session.publish('before');
    for (let repeat = 0; repeat < 2; repeat += 1) await provider().cut(one.tenant);
    await expect(session.read()).rejects.toThrow();
    await expect(one.open()).rejects.toThrow();
    for (let repeat = 0; repeat < 2; repeat += 1) await provider().restore(one.tenant);
    const again = await one.open();
    expect(await again.read()).toEqual(['before']);
    await again.close();
  });

  whereServer(capabilities.cut, 'a version that is rotated in while it is cut lets nobody in before restore', async () => {
    const one = await made();
    const second = credentialOf(one.tenant, 2);
    await provider().cut(one.tenant);
    await provider().rotateCredential({ ...one.tenant, credential: second, limits: LIMITS, previousVersion: 1 });
    for (const credential of [one.credential, second]) await expect(one.open(credential)).rejects.toThrow();
    await provider().restore(one.tenant);
    await (await one.open(second)).close();
  });

  whereServer(capabilities.storage, 'what is published beyond the storage does not stay', async () => {
    // The one stream or queue that it may have has all of the storage.
    const one = await made({ storageBytes: 1024 * 1024, streams: 1 });
    const session = await one.open();
    for (let index = 0; index < 20; index += 1) await session.publish('x'.repeat(100_000)).catch(() => {});
    const bytes = await measured(provider(), one.tenant, 500_000);
    expect(bytes).toBeLessThanOrEqual(1024 * 1024);
    expect(bytes).toBeGreaterThan(500_000);
    expect((await session.read()).join('').length).toBeLessThanOrEqual(1024 * 1024);
    await session.close();
  });

  expects('limits below what is there lose nothing', async () => {
    const one = await made();
    const session = await one.open();
    for (let index = 0; index < 6; index += 1) await session.publish('x'.repeat(100_000));
    const limits = { ...LIMITS, storageBytes: 200_000 };
    await provider().applyLimits({ ...one.tenant, limits });
    await provider().rotateCredential({ ...one.tenant, credential: one.credential, limits, previousVersion: null });
    expect(await session.read()).toHaveLength(6);
    expect(await measured(provider(), one.tenant, 600_000)).toBeGreaterThanOrEqual(600_000);
    await session.close();
  });

  whereServer(capabilities.storage, 'limits below what is there let nothing more in', async () => {
    const one = await made();
    const session = await one.open();
    for (let index = 0; index < 3; index += 1) await session.publish('x'.repeat(100_000));
    await session.publish('x'.repeat(100_000), 'before');
    await provider().applyLimits({ ...one.tenant, limits: { ...LIMITS, storageBytes: 200_000 } });
    await expect(session.publish('x'.repeat(100_000), 'after')).rejects.toThrow();
    expect(await session.read()).toHaveLength(3);
    await session.close();
  });

  whereServer(capabilities.connections, 'connections are limited, and the limit is kept through a cut', async () => {
    const one = await made({ connections: 2 });
    const open = () => one.open();
    const sessions = [await open(), await open()];
    await letsNoMoreIn(open);
    await provider().cut(one.tenant);
    await provider().applyLimits({ ...one.tenant, limits: { ...LIMITS, connections: 1 } });
    await provider().restore(one.tenant);
    sessions.push(await letsOneMoreIn(open));
    await letsNoMoreIn(open);
    for (const session of sessions) await session.close();
  });

  whereServer(capabilities.readOnly, 'read-only stops writes and lets reads go on', async () => {
    const one = await made();
    const writer = await one.open();
    await writer.publish('one');
    await provider().setReadOnly({ ...one.tenant, readOnly: true, limits: LIMITS });
    const reader = await one.open();
    await expect(reader.publish('two')).rejects.toThrow();
    expect(await reader.read()).toEqual(['one']);
    await provider().setReadOnly({ ...one.tenant, readOnly: false, limits: LIMITS });
    const again = await one.open();
    await again.publish('three');
    expect(await again.read()).toEqual(['one', 'three']);
    for (const session of [writer, reader, again]) await session.close();
  });
}
