// What every kind's backend must do, whatever it is made of. A kind's test file brings a harness and calls `describeBackendContract`.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Backend, BackendInventory, KindBackend, ProvisionRequest } from '../../activities/backend';
import { eventually } from '../harness/rows';

/** What a new resource's row says, but for what the test names. */
export function aRequest(
  given: Pick<ProvisionRequest, 'resourceId' | 'kind' | 'objectName'> & Partial<ProvisionRequest>,
): ProvisionRequest {
  return { backendName: 'test', generation: 0, limits: {}, options: {}, credentialVersion: 1, retiringVersion: null, ...given };
}

/** A tenant's live connection. */
export interface TenantSession {
  write(value: string): Promise<void>;
  /** Everything that was written, in order. */
  read(): Promise<string[]>;
  close(): Promise<void>;
}

export interface BackendHarness {
  /** Its installation is of its own, so that `list` shows what this suite made and nothing else. */
  backend: Backend & BackendInventory & Partial<Pick<KindBackend, 'createWarmItem' | 'destroyOrphan'>>;
  /** A new random name, limited to `connections` connections. */
  newRequest(connections?: number): ProvisionRequest;
  /** What the fence answers for a name; true until set. */
  setFence(objectName: string, open: boolean): void;
  /** Logs in with a credential version; rejects when the backend refuses. */
  open(request: ProvisionRequest, credentialVersion?: number): Promise<TenantSession>;
  /** Starts a provision and kills its client while the backend is making the object, which goes on once `letGo` is called. */
  killedInsideCreate?(request: ProvisionRequest): Promise<{ letGo: () => Promise<void> }>;
  close(): Promise<void>;
}

/** What a kind cannot do is no test of it; its docs page says so. */
export interface ContractFeatures {
  /** The plan's `connections` is enforced. Default true. */
  connectionLimit?: boolean;
  /** `setReadOnly` stops writes. Default true. */
  readOnly?: boolean;
  /** An object that holds nothing measures more than 0 bytes. Default true. */
  emptyHasBytes?: boolean;
  /** What the warm pool makes an item from that this request may claim. Absent where nothing is made ahead. */
  warmTemplate?: (request: ProvisionRequest) => string | null;
  /** The harness can stop a maker in the middle of what its server does. Default false. */
  killedMakers?: boolean;
  /** Why nobody can be kept out of it; absent where access can be cut and credentials are asked for. */
  open?: string;
}

/** A server may count a connection a moment after it let it in: where one more came in, it goes again and another is tried. */
export async function letsNoMoreIn(open: () => Promise<Pick<TenantSession, 'close'>>): Promise<void> {
  const refuses = async (): Promise<boolean> => {
    const session = await open().catch(() => null);
    await session?.close();
    return session === null;
  };
  await eventually(refuses, (refused) => refused);
}

/** The other way round: one that has just ended may count a moment longer. */
export async function letsOneMoreIn<Session>(open: () => Promise<Session>): Promise<Session> {
  const session = await eventually(
    () => open().catch(() => null),
    (one) => one !== null,
  );
  if (session === null) throw new Error('eventually lets nothing else through');
  return session;
}

/** What needs a closed door is not tried on a server that has none; the title says why. */
function whereClosed({ open }: ContractFeatures, title: string, run: () => Promise<void>): void {
  if (open === undefined) test(title, run);
  else test.skip(`${title}: ${open}`, () => {});
}

export function describeBackendContract(name: string, start: () => Promise<BackendHarness>, features: ContractFeatures = {}): void {
  describe(`${name} keeps the backend contract`, () => {
    let harness: BackendHarness;
    const context: Context = {
      harness: () => harness,
      made: async (connections) => {
        const request = harness.newRequest(connections);
        await harness.backend.provision(request);
        return request;
      },
    };
    beforeAll(async () => {
      harness = await start();
    });
    afterAll(async () => {
      for (const objectName of await harness.backend.list('test')) {
        await harness.backend.deprovision(aRequest({ resourceId: objectName, kind: 'postgres', objectName }));
      }
      await harness.close();
    });

    describe('making and unmaking', () => makingAndUnmaking(context, features));
    describe('access', () => access(context, features));
    describe('credentials', () => credentials(context, features));
    const { warmTemplate } = features;
    if (warmTemplate !== undefined) describe('warm items', () => warmItems(context, warmTemplate));
  });
}

interface Context {
  harness: () => BackendHarness;
  made: (connections?: number) => Promise<ProvisionRequest>;
}

function killedMaker({ killedInsideCreate }: BackendHarness): NonNullable<BackendHarness['killedInsideCreate']> {
  if (killedInsideCreate === undefined) throw new Error('the harness cannot kill a maker: leave killedMakers out');
  return killedInsideCreate;
}

function makingAndUnmaking({ harness, made }: Context, features: ContractFeatures): void {
  const { emptyHasBytes = true, killedMakers = false } = features;
  test('provision twice is once', async () => {
    const request = await made();
    const session = await harness().open(request);
    await session.write('kept');
    await harness().backend.provision(request);
    expect(await session.read()).toEqual(['kept']);
    await session.close();
  });

  test('provision twice at once is once', async () => {
    const request = harness().newRequest();
    await Promise.all([harness().backend.provision(request), harness().backend.provision(request)]);
    await (await harness().open(request)).close();
    expect((await harness().backend.list('test')).filter((name) => name === request.objectName)).toHaveLength(1);
  });

  test('provision does nothing once the fence is closed', async () => {
    const request = harness().newRequest();
    harness().setFence(request.objectName, false);
    await expect(harness().backend.provision(request)).rejects.toMatchObject({ name: 'Fenced' });
    expect(await harness().backend.list('test')).not.toContain(request.objectName);
  });

  test('provision that was interrupted at any moment is completed by the next', async () => {
    for (const delayMs of [0, 5, 20, 60]) {
      const request = harness().newRequest();
      const interruption = new AbortController();
      const first = harness().backend.provision(request, { signal: interruption.signal });
      setTimeout(() => interruption.abort(), delayMs);
      await first.catch(() => {});
      await harness().backend.provision(request);
      await (await harness().open(request)).close();
      expect((await harness().backend.list('test')).filter((name) => name === request.objectName)).toHaveLength(1);
      await harness().backend.deprovision(request);
    }
  });

  if (killedMakers)
    test('provision after a killed one that took effect is once', async () => {
      const killedInsideCreate = killedMaker(harness());
      const request = harness().newRequest();
      const { letGo } = await killedInsideCreate(request);
      const again = harness().backend.provision(request);
      await letGo();
      await again;
      await (await harness().open(request)).close();
    });

  if (killedMakers)
    test('a client killed inside the making leaves nothing behind a delete', async () => {
      const killedInsideCreate = killedMaker(harness());
      const request = harness().newRequest();
      const { letGo } = await killedInsideCreate(request);
      harness().setFence(request.objectName, false);
      const deleted = harness().backend.deprovision(request);
      await letGo();
      await deleted;
      expect(await harness().backend.list('test')).not.toContain(request.objectName);
      await expect(harness().open(request)).rejects.toThrow();
    });

  test('deprovision of nothing succeeds', async () => {
    await expect(harness().backend.deprovision(harness().newRequest())).resolves.toBeUndefined();
  });

  whereClosed(features, 'deprovision ends live sessions', async () => {
    const request = await made();
    const session = await harness().open(request);
    await harness().backend.deprovision(request);
    await expect(session.read()).rejects.toThrow();
    await session.close();
  });

  test('deprovision leaves nothing, and may be repeated', async () => {
    const request = await made();
    const session = await harness().open(request);
    await session.write('left?');
    await Promise.all([harness().backend.deprovision(request), harness().backend.deprovision(request)]);
    await session.close();
    expect(await harness().backend.list('test')).not.toContain(request.objectName);
  });

  test('list and measure show exactly what was made', async () => {
    const before = await harness().backend.list('test');
    const requests = await Promise.all([made(), made()]);
    const names = requests.map((request) => request.objectName);
    expect(await harness().backend.list('test')).toEqual([...before, ...names].sort());
    const measured = await harness().backend.measureAll('test');
    for (const name of names)
      expect(measured.find((object) => object.objectName === name)?.bytes).toBeGreaterThanOrEqual(emptyHasBytes ? 1 : 0);
    for (const request of requests) await harness().backend.deprovision(request);
    expect(await harness().backend.list('test')).toEqual(before);
  });

  test('a name of another installation is not touched', async () => {
    const request = { ...harness().newRequest(), objectName: `lhzzzzzzzz_${'a'.repeat(24)}` };
    await expect(harness().backend.deprovision(request)).rejects.toMatchObject({ name: 'ProviderMisconfigured' });
  });
}

function warmItems({ harness }: Context, warmTemplate: (request: ProvisionRequest) => string | null): void {
  const warm = async (request: ProvisionRequest) => {
    const { createWarmItem } = harness().backend;
    const template = warmTemplate(request);
    if (createWarmItem === undefined || template === null) throw new Error('nothing is made ahead: leave warmTemplate out');
    await createWarmItem({ backendName: request.backendName, objectName: request.objectName, template });
  };

  test('nobody can log in before the claim; the claim opens it, and making it again changes nothing', async () => {
    const request = harness().newRequest();
    await Promise.all([warm(request), warm(request)]);
    expect(await harness().backend.list('test')).toContain(request.objectName);
    await expect(Promise.resolve().then(() => harness().open(request))).rejects.toThrow();
    await Promise.all([harness().backend.claimWarm(request), harness().backend.claimWarm(request)]);
    const session = await harness().open(request);
    await session.write('kept');
    await warm(request);
    expect(await session.read()).toEqual(['kept']);
    await session.close();
    await harness().backend.deprovision(request);
    expect(await harness().backend.list('test')).not.toContain(request.objectName);
  });

  test('a full provision completes an item as well, and one that was never made', async () => {
    const [half, never] = [harness().newRequest(), harness().newRequest()];
    await warm(half);
    await harness().backend.provision(half);
    await harness().backend.claimWarm(never);
    for (const request of [half, never]) {
      await (await harness().open(request)).close();
      await harness().backend.deprovision(request);
    }
  });

  test('an item that nobody claimed goes without a trace', async () => {
    const request = harness().newRequest();
    await warm(request);
    const { destroyOrphan } = harness().backend;
    if (destroyOrphan === undefined) throw new Error('the harness hides destroyOrphan');
    await destroyOrphan({ backendName: request.backendName, objectName: request.objectName });
    expect(await harness().backend.list('test')).not.toContain(request.objectName);
  });
}

function access({ harness, made }: Context, features: ContractFeatures): void {
  const { connectionLimit = true, readOnly = true } = features;
  whereClosed(features, 'cut ends a live connection and refuses a new one; restore gives the same data', async () => {
    const request = await made();
    const session = await harness().open(request);
    await session.write('before');
    await harness().backend.cut(request);
    await expect(session.read()).rejects.toThrow();
    await expect(harness().open(request)).rejects.toThrow();
    await harness().backend.cut(request);
    await harness().backend.restore(request);
    await harness().backend.restore(request);
    const again = await harness().open(request);
    expect(await again.read()).toEqual(['before']);
    await again.close();
  });

  const whereLimited = (title: string, run: () => Promise<void>) => void (connectionLimit && test(title, run));

  whereLimited('limits hold, and can be changed', async () => {
    const request = await made(2);
    const open = () => harness().open(request);
    const sessions = [await open(), await open()];
    await letsNoMoreIn(open);
    await harness().backend.applyLimits({ ...request, limits: { connections: 3 } });
    sessions.push(await letsOneMoreIn(open));
    await letsNoMoreIn(open);
    for (const session of sessions) await session.close();
  });

  whereLimited('limits that are applied while it is cut hold after restore, and do not restore', async () => {
    const request = await made(3);
    await harness().backend.cut(request);
    await harness().backend.applyLimits({ ...request, limits: { connections: 1 } });
    await expect(harness().open(request)).rejects.toThrow();
    await harness().backend.restore(request);
    const open = () => harness().open(request);
    const session = await letsOneMoreIn(open);
    await letsNoMoreIn(open);
    await session.close();
  });

  if (readOnly)
    test('read-only stops writes until it is lifted', async () => {
      const request = await made();
      const first = await harness().open(request);
      await first.write('one');
      await harness().backend.setReadOnly({ ...request, readOnly: true });
      const second = await harness().open(request);
      await expect(second.write('two')).rejects.toThrow();
      expect(await second.read()).toEqual(['one']);
      await harness().backend.setReadOnly({ ...request, readOnly: false });
      const third = await harness().open(request);
      await third.write('three');
      expect(await third.read()).toEqual(['one', 'three']);
      for (const session of [first, second, third]) await session.close();
    });
}

function credentials({ harness, made }: Context, features: ContractFeatures): void {
  const rotate = (request: ProvisionRequest, credentialVersion: number) =>
    harness().backend.rotate({ ...request, credentialVersion, previousVersion: credentialVersion - 1 });

  whereClosed(features, 'rotate keeps both versions until the old one is retired', async () => {
    const request = await made();
    const old = await harness().open(request, 1);
    await old.write('by the old');
    await rotate(request, 2);
    await rotate(request, 2);
    const current = await harness().open(request, 2);
    await current.write('by the new');
    await (await harness().open(request, 1)).close();
    await harness().backend.retireCredential({ ...request, retireVersion: 1 });
    await harness().backend.retireCredential({ ...request, retireVersion: 1 });
    await expect(old.read()).rejects.toThrow();
    await expect(harness().open(request, 1)).rejects.toThrow();
    expect(await current.read()).toEqual(['by the old', 'by the new']);
    for (const session of [old, current]) await session.close();
  });

  whereClosed(features, 'there are never more than two versions', async () => {
    const request = await made();
    await rotate(request, 2);
    await rotate(request, 3);
    await expect(harness().open(request, 1)).rejects.toThrow();
    for (const version of [2, 3]) await (await harness().open(request, version)).close();
  });

  test('a straggling rotate does not bring an old version back', async () => {
    const request = await made();
    await rotate(request, 2);
    await rotate(request, 3);
    await expect(rotate(request, 2)).rejects.toMatchObject({ name: 'Fenced' });
    for (const version of [2, 3]) await (await harness().open(request, version)).close();
  });

  whereClosed(features, 'a version that is made while it is cut lets nobody in before restore', async () => {
    const request = await made();
    await harness().backend.cut(request);
    await rotate(request, 2);
    for (const version of [1, 2]) await expect(harness().open(request, version)).rejects.toThrow();
    await harness().backend.retireCredential({ ...request, retireVersion: 1 });
    await harness().backend.restore(request);
    await (await harness().open(request, 2)).close();
    await expect(harness().open(request, 1)).rejects.toThrow();
  });
}
