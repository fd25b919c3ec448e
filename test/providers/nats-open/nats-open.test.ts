// The open server keeps what of the contracts can be kept on it, and says of the rest why not.
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AckPolicy, DiscardPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { createOpenNatsProvider } from '../../../activities/queue/nats-open/provider';
import { onOpenNats } from '../../../bench/inventory-queues';
import { randomBase32 } from '../../../shared/crypto';
import { type QueueCapabilities, type QueueCredentialProvider, queueLimits } from '../../../shared/queueprovider';
import { type BackendHarness, describeBackendContract } from '../../contract/backend.contract';
import { canHaveNats } from '../../contract/queue-harness';
import { queueRoom } from '../../contract/queue-room';
import { describeQueueProviderContract, type QueueProviderHarness, skipQueueProviderContract } from '../../contract/queueprovider.contract';
import { keyValueConfig, NO_CREDENTIALS, type OpenNatsServer, objectStoreConfig, openSession, startOpenNats } from './harness';

/** What the server itself would have to keep; the page on queues says the same. */
const UNDONE_BY_ANYBODY = 'writes are refused and consumers paused, which any client of the server can undo; nats-open.test.ts tries it';
const CANNOT = {
  'two tenants share no name and no message': 'the names differ, and that is all: any client of the server reads and writes every stream',
  'what is minted differs by version and never holds the password': 'nothing is minted: there are no credentials',
  'cut ends a live session and lets nobody in; restore gives the same messages': UNDONE_BY_ANYBODY,
  'a version that is rotated in while it is cut lets nobody in before restore': NO_CREDENTIALS,
  'read-only stops writes and lets reads go on':
    'its server refuses the writes, but any client of it can take that back; nats-open.test.ts tries it',
  ...Object.fromEntries(
    [
      'minting needs no server and gives nothing a right by itself',
      'removing ends live sessions, leaves no message behind, and may be repeated',
      'both versions are good until the old one is revoked',
      'a revoked version does not come back, whatever else is done',
      'a credential with another password is another credential',
    ].map((expectation) => [expectation, NO_CREDENTIALS]),
  ),
};
const QUIET = { info() {}, warn() {}, error: console.error };
const CAPABILITIES: QueueCapabilities = {
  cut: 'none',
  storage: 'watchdog',
  connections: 'none',
  readOnly: 'watchdog',
};

async function startProvider(): Promise<QueueProviderHarness> {
  const server = await startOpenNats();
  const provider = createOpenNatsProvider({ adminUrlOf: () => server.url, logger: QUIET });
  return {
    provider,
    backendName: 'test',
    open: async ({ objectName }) => {
      const { read, write: publish, close } = openSession(await server.connect(), objectName);
      return { read, publish, close };
    },
    async close() {
      await provider.close().finally(server.destroy);
    },
  };
}

async function startBackend(): Promise<BackendHarness> {
  const server = await startOpenNats();
  const room = queueRoom(server.url, { engine: 'nats', authMode: 'legacy_open' });
  return {
    ...room,
    newRequest: (connections = 5) => room.newRequest({ connections, storageMb: 8 }),
    open: async ({ objectName }) => openSession(await server.connect(), objectName),
    async close() {
      await room.backend.close().finally(server.destroy);
    },
  };
}

function describeOpenServer(): void {
  let server: OpenNatsServer;
  let provider: QueueCredentialProvider;
  beforeAll(async () => {
    server = await startOpenNats();
    provider = createOpenNatsProvider({ adminUrlOf: () => server.url, logger: QUIET });
    await provider.prepareServer('test');
  });
  afterAll(async () => {
    await provider.close().finally(server.destroy);
  });

  const made = async () => {
    const tenant = { backendName: 'test', objectName: `lhaaaaaaaa_${randomBase32(24)}` };
    const credential = { version: 1, username: 'u', password: 'p' };
    await provider.issueCredential({ ...tenant, credential, limits: queueLimits({ storageMb: 8 }) });
    return tenant;
  };

  test('read-only refuses publishers by name, loses nothing, and is taken back as it was', async () => {
    const tenant = await made();
    const connection = await server.connect();
    const { streams } = await jetstreamManager(connection);
    const config = {
      name: `${tenant.objectName}_a`,
      subjects: [`${tenant.objectName}.a.>`],
      max_bytes: 1_000_000,
      discard: DiscardPolicy.Old,
    };
    await streams.add(config);
    await streams.add({ ...config, name: `${tenant.objectName}_empty`, subjects: [`${tenant.objectName}.empty`] });
    for (let index = 0; index < 100; index += 1) await jetstream(connection).publish(`${tenant.objectName}.a.${index}`, 'x'.repeat(100));
    const before = await streams.info(config.name);
    for (let repeat = 0; repeat < 2; repeat += 1)
      await provider.setReadOnly({ ...tenant, readOnly: true, limits: queueLimits({ storageMb: 8 }) });
    for (const subject of ['a.new', 'empty'])
      await expect(jetstream(connection).publish(`${tenant.objectName}.${subject}`, 'x')).rejects.toThrow(/maximum bytes exceeded/);
    expect((await streams.info(config.name)).state).toEqual(before.state);
    for (let repeat = 0; repeat < 2; repeat += 1)
      await provider.setReadOnly({ ...tenant, readOnly: false, limits: queueLimits({ storageMb: 8 }) });
    const after = await streams.info(config.name);
    expect(after.config).toMatchObject({ max_bytes: 1_000_000, discard: 'old' });
    expect(after.state).toEqual(before.state);
    await jetstream(connection).publish(`${tenant.objectName}.empty`, 'x');
    await connection.close();
    await provider.remove(tenant);
  });

  test('a cut stops writes and deliveries, which is all there is; restore gives both back', async () => {
    const tenant = await made();
    const connection = await server.connect();
    const manager = await jetstreamManager(connection);
    const stream = `${tenant.objectName}_a`;
    const subject = `${tenant.objectName}.a`;
    await manager.streams.add({ name: stream, subjects: [subject] });
    await jetstream(connection).publish(subject, 'one');
    await manager.consumers.add(stream, { durable_name: 'd', ack_policy: AckPolicy.Explicit });
    const next = async (withinMs: number) =>
      (await (await jetstream(connection).consumers.get(stream, 'd')).next({ expires: withinMs }))?.string() ?? null;
    await provider.cut(tenant);
    await expect(jetstream(connection).publish(subject, 'two')).rejects.toThrow(/maximum bytes exceeded/);
    expect(await next(1_000)).toBeNull();
    // Honest: whoever asks the server itself still reads.
    expect((await manager.streams.getMessage(stream, { seq: 1 }))?.string()).toBe('one');
    await provider.restore(tenant);
    expect(await next(30_000)).toBe('one');
    await jetstream(connection).publish(subject, 'two');
    await connection.close();
    await provider.remove(tenant);
  });

  test('removing takes exactly its own streams, halted ones and mirrors among them', async () => {
    const [mine, other] = [await made(), await made()];
    const connection = await server.connect();
    const { streams } = await jetstreamManager(connection);
    for (const { objectName } of [mine, other]) {
      await streams.add({ name: `any-${objectName.slice(-8)}`, subjects: [`${objectName}.x`] });
      await streams.add({ name: `${objectName}_copy`, mirror: { name: `any-${objectName.slice(-8)}` } });
    }
    await streams.add({ name: 'nobodys', subjects: ['nobodys.>'] });
    await streams.add({ name: 'both', subjects: [`${mine.objectName}.y`, `${other.objectName}.y`] });
    await provider.cut(mine);
    await provider.remove(mine);
    const left: string[] = [];
    for await (const name of streams.names()) left.push(name);
    expect(left.sort()).toEqual(
      ['leasehold-tenants', 'nobodys', 'both', `any-${other.objectName.slice(-8)}`, `${other.objectName}_copy`].sort(),
    );
    await jetstream(connection).publish(`${other.objectName}.x`, 'still');
    for (const name of ['nobodys', 'both']) await streams.delete(name);
    await connection.close();
    await provider.remove(other);
    expect(await provider.list('test', 'lh')).toEqual([]);
  });

  test('removing may be repeated and leaves no message; a late version is refused', async () => {
    const tenant = await made();
    const session = openSession(await server.connect(), tenant.objectName);
    await session.write('old');
    const [first, second] = [1, 2].map((version) => ({ version, username: 'u', password: 'p' }));
    const limits = queueLimits({ storageMb: 8 });
    if (!first || !second) throw new Error('two versions');
    await provider.rotateCredential({ ...tenant, credential: second, limits, previousVersion: 1 });
    await expect(provider.issueCredential({ ...tenant, credential: first, limits })).rejects.toMatchObject({ name: 'Fenced' });
    for (let repeat = 0; repeat < 2; repeat += 1) await provider.remove(tenant);
    expect(await provider.list('test', 'lh')).not.toContain(tenant.objectName);
    await provider.issueCredential({ ...tenant, credential: first, limits });
    expect(await session.read()).toEqual([]);
    await session.close();
    await provider.remove(tenant);
  });

  test.each(['x', '{}', '{"versions": 1}'])('an entry that anybody has overwritten with %s stops no verb and no removal', async (text) => {
    const tenant = await made();
    const connection = await server.connect();
    const { streams } = await jetstreamManager(connection);
    const subject = `${tenant.objectName}.a`;
    await streams.add({ name: `${tenant.objectName}_a`, subjects: [subject] });
    const overwrite = () => jetstream(connection).publish(`leasehold.tenants.${tenant.objectName}`, text);
    const limits = queueLimits({ storageMb: 8 });
    const credential = { version: 2, username: 'u', password: 'p' };
    await overwrite();
    await provider.cut(tenant);
    await expect(jetstream(connection).publish(subject, 'cut')).rejects.toThrow(/maximum bytes exceeded/);
    await overwrite();
    await provider.restore(tenant);
    await jetstream(connection).publish(subject, 'restored');
    await overwrite();
    await provider.setReadOnly({ ...tenant, readOnly: true, limits });
    await expect(jetstream(connection).publish(subject, 'read-only')).rejects.toThrow(/maximum bytes exceeded/);
    await overwrite();
    await provider.applyLimits({ ...tenant, limits });
    await overwrite();
    await provider.rotateCredential({ ...tenant, credential, limits, previousVersion: 1 });
    await overwrite();
    await provider.revokeCredential({ ...tenant, version: 1 });
    await overwrite();
    await provider.issueCredential({ ...tenant, credential, limits });
    await overwrite();
    await provider.remove(tenant);
    expect(await provider.list('test', 'lh')).not.toContain(tenant.objectName);
    await expect(streams.info(`${tenant.objectName}_a`)).rejects.toThrow(/stream not found/);
    await connection.close();
  });

  test('key-value buckets and object stores are measured, held and removed like other streams; a smaller value does not slip in', async () => {
    const [mine, other] = [await made(), await made()];
    const connection = await server.connect();
    const { streams } = await jetstreamManager(connection);
    const js = jetstream(connection);
    for (const { objectName } of [mine, other]) {
      await streams.add(keyValueConfig(`${objectName}_config`));
      await streams.add(objectStoreConfig(`${objectName}_files`));
      await js.publish(`$KV.${objectName}_config.key`, 'x'.repeat(1_000));
      await js.publish(`$O.${objectName}_files.C.one`, 'x'.repeat(1_000));
    }
    const [measured] = await provider.measure('test', mine.objectName);
    expect(measured?.bytes).toBeGreaterThan(2_000);
    const limits = queueLimits({ storageMb: 8 });
    await provider.setReadOnly({ ...mine, readOnly: true, limits });
    for (const subject of ['$KV.OBJECT_config.key', '$KV.OBJECT_config.new', '$O.OBJECT_files.C.one'])
      await expect(js.publish(subject.replace('OBJECT', mine.objectName), 'small')).rejects.toThrow(/maximum .* exceeded/);
    await js.publish(`$KV.${other.objectName}_config.key`, 'small');
    await provider.setReadOnly({ ...mine, readOnly: false, limits });
    await js.publish(`$KV.${mine.objectName}_config.key`, 'small');
    expect((await streams.info(`KV_${mine.objectName}_config`)).config).toMatchObject({ max_bytes: -1, discard: 'new' });
    expect((await streams.info(`KV_${mine.objectName}_config`)).config.discard_new_per_subject ?? false).toBe(false);
    await provider.remove(mine);
    const left: string[] = [];
    for await (const name of streams.names()) left.push(name);
    expect(left.sort()).toEqual(['leasehold-tenants', `KV_${other.objectName}_config`, `OBJ_${other.objectName}_files`].sort());
    await connection.close();
    await provider.remove(other);
  });

  test('what is looked up for what is left sees streams, buckets and the register by themselves', async () => {
    const tenant = await made();
    const place = { url: server.url, prefix: 'lhaaaaaaaa_' };
    expect(await onOpenNats(place)).toEqual([`tenant ${tenant.objectName}`]);
    const connection = await server.connect();
    const { streams } = await jetstreamManager(connection);
    await streams.add(keyValueConfig(`${tenant.objectName}_config`));
    await streams.add({ name: 'any', subjects: [`${tenant.objectName}.a`] });
    await streams.purge('leasehold-tenants', { filter: `leasehold.tenants.${tenant.objectName}` });
    expect(await onOpenNats(place)).toEqual([
      `stream ${tenant.objectName}_config`,
      `stream of ${tenant.objectName}_config.>`,
      `stream of ${tenant.objectName}.a`,
    ]);
    await connection.close();
    await provider.remove(tenant);
    expect(await onOpenNats(place)).toEqual([]);
  });

  test('a server that was killed knows its tenants when it is back', async () => {
    const tenant = await made();
    await provider.cut(tenant);
    await server.kill();
    await expect(provider.cut(tenant)).rejects.toThrow();
    await server.start();
    expect(await provider.list('test', 'lh')).toEqual([tenant.objectName]);
    await provider.remove(tenant);
  });

  test('a server that asks for credentials is refused with the remedy', async () => {
    const wrong = createOpenNatsProvider({ adminUrlOf: () => 'nats://127.0.0.1:1', logger: QUIET });
    await expect(wrong.prepareServer('test')).rejects.toMatchObject({ name: 'ProviderUnavailable' });
    const none = createOpenNatsProvider({ adminUrlOf: () => 'http://127.0.0.1', logger: QUIET });
    await expect(none.prepareServer('test')).rejects.toMatchObject({ name: 'ProviderMisconfigured' });
    await Promise.all([wrong.close(), none.close()]);
  });
}

if (!canHaveNats()) {
  describe('an open NATS server', () => test.skip('skipped: no server', () => {}));
  skipQueueProviderContract('nats/legacy_open', 'no nats-server');
} else {
  describe('an open NATS server', describeOpenServer);
  describeQueueProviderContract('nats/legacy_open', CAPABILITIES, startProvider, { cannot: CANNOT });
  describeBackendContract('queue (nats, legacy_open)', startBackend, {
    emptyHasBytes: false,
    connectionLimit: false,
    open: NO_CREDENTIALS,
  });
}
