// What the contract does not ask: the server's death, its lack of room, a wrong url, a worker killed half way.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { randomBase32 } from '../../shared/crypto';
import {
  formatNatsAdminUrl,
  Nkey,
  natsAccountId,
  parseNatsAdminUrl,
  type QueueCredentialProvider,
  queueLimits,
} from '../../shared/queueprovider';
import {
  type NatsTestServer,
  natsIsHere,
  type QueueHarness,
  session,
  startNatsServer,
  startQueueHarness,
} from '../../test/contract/queue-harness';
import type { QueueWorkerArgument } from '../../test/contract/queue-worker';
import { Fenced } from '../errors';
import { createNatsProvider } from './nats/provider';

const KILLS = Number(process.env.LEASEHOLD_TEST_KILLS ?? 5);
const MB = 1024 * 1024;
const QUIET = { info() {}, warn() {}, error() {} };
const withServer = natsIsHere() ? describe : describe.skip;
const title = (text: string) => (natsIsHere() ? text : `${text} (skipped: no server)`);

withServer(title('a queue backend'), () => {
  let harness: QueueHarness;
  beforeAll(async () => {
    harness = await startQueueHarness();
  });
  afterAll(() => harness.close());

  test('a server that was killed has every acknowledged message and every account when it is back', async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    const before = await harness.open(request);
    for (let index = 0; index < 50; index += 1) await before.write(`message ${index}`);
    await harness.server.kill();
    await expect(harness.backend.cut(request)).rejects.toMatchObject({ name: 'ProviderUnavailable' });
    await harness.server.start();
    const after = await harness.open(request);
    expect(await after.read()).toHaveLength(50);
    expect(await harness.backend.list('test')).toContain(request.objectName);
    await after.close();
    await harness.backend.deprovision(request);
  });

  test('accounts without a stream are there after a restart, and are measured', async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    await harness.server.kill();
    await harness.server.start();
    expect(await harness.backend.measureAll('test')).toContainEqual({ objectName: request.objectName, bytes: 0 });
    await harness.backend.deprovision(request);
  });

  test('a smaller plan loses no stream at the next restart, and is kept once there is room', async () => {
    const request = { ...harness.newRequest(), limits: { connections: 5, storageMb: 8 } };
    const smaller = { ...request, limits: { connections: 5, storageMb: 1 } };
    await harness.backend.provision(request);
    const before = await harness.connect(request);
    const { streams } = await jetstreamManager(before, { checkAPI: false });
    await streams.add({ name: 'large', subjects: ['large'], max_bytes: 4 * MB });
    for (let index = 0; index < 20; index += 1) await jetstream(before).publish('large', new Uint8Array(100_000));
    await harness.backend.applyLimits(smaller);
    await expect(streams.add({ name: 'more', subjects: ['more'], max_bytes: MB })).rejects.toThrow(/insufficient storage/);
    await harness.server.kill();
    await harness.server.start();
    const after = await harness.connect(request);
    const manager = await jetstreamManager(after, { checkAPI: false });
    expect((await manager.streams.info('large')).state.messages).toBe(20);
    const measured = await harness.backend.measureAll('test');
    expect(measured.find(({ objectName }) => objectName === request.objectName)?.bytes).toBeGreaterThan(2 * 1_000_000);
    await manager.streams.delete('large');
    await harness.backend.setReadOnly({ ...smaller, readOnly: false });
    await expect(manager.streams.add({ name: 'large', subjects: ['large'], max_bytes: 4 * MB })).rejects.toThrow(/exceeds account limit/);
    await after.close();
    await harness.backend.deprovision(request);
  });

  test('streams, consumers and the size of a message are the plan’s, and follow it', async () => {
    const limits = { connections: 5, storageMb: 8, streams: 2, consumersPerStream: 1, messageKb: 16 };
    const request = { ...harness.newRequest(), limits };
    await harness.backend.provision(request);
    const connection = await harness.connect(request);
    const { streams, consumers } = await jetstreamManager(connection, { checkAPI: false });
    for (const name of ['a', 'b']) await streams.add({ name, subjects: [name], max_bytes: MB });
    await expect(streams.add({ name: 'c', subjects: ['c'], max_bytes: MB })).rejects.toThrow(/maximum number of streams/);
    await consumers.add('a', { durable_name: 'one' });
    await expect(consumers.add('a', { durable_name: 'two' })).rejects.toThrow(/maximum consumers limit/);
    expect(() => connection.publish('a', new Uint8Array(16 * 1024 + 1))).toThrow(/payload/i);
    await connection.close();
    await harness.backend.applyLimits({ ...request, limits: { ...limits, streams: 3, consumersPerStream: 2, messageKb: 64 } });
    const larger = await harness.connect(request);
    const after = await jetstreamManager(larger, { checkAPI: false });
    await after.streams.add({ name: 'c', subjects: ['c'], max_bytes: MB });
    await after.consumers.add('a', { durable_name: 'two' });
    await jetstream(larger).publish('a', new Uint8Array(32 * 1024));
    await larger.close();
    await harness.backend.deprovision(request);
  });

  test('a cut outlives a restart', async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    await harness.backend.cut(request);
    await harness.server.kill();
    await harness.server.start();
    await expect(harness.open(request)).rejects.toThrow();
    await harness.backend.restore(request);
    await (await harness.open(request)).close();
    await harness.backend.deprovision(request);
  });

  test('what was issued stays what it was, however often it is provisioned', async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    const issued = harness.issuedOf(request);
    await sleep(1_100);
    await harness.backend.provision(request);
    expect(harness.issuedOf(request)).toEqual(issued);
    expect(Object.keys(issued).sort()).toEqual(['creds_file', 'key_id', 'nats_jwt', 'nats_nkey']);
    await harness.backend.deprovision(request);
  });

  test('an orphan goes by its name alone, unless it turned out to be none', async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    const ref = { backendName: 'test', objectName: request.objectName };
    await harness.backend.destroyOrphan({ ...ref, onlyIf: async () => false });
    expect(await harness.backend.list('test')).toContain(request.objectName);
    await harness.backend.destroyOrphan({ ...ref, onlyIf: async () => true });
    expect(await harness.backend.list('test')).not.toContain(request.objectName);
  });

  test('a backend that is not configured says so', async () => {
    const request = { ...harness.newRequest(), backendName: 'other' };
    await expect(harness.backend.provision(request)).rejects.toMatchObject({ name: 'ProviderMisconfigured' });
  });
});

withServer(title('a server that does not suit'), () => {
  let server: NatsTestServer;
  beforeAll(async () => {
    server = await startNatsServer({ maxFileStore: '10MB' });
  });
  const providers: QueueCredentialProvider[] = [];
  afterAll(async () => {
    await Promise.all(providers.map((provider) => provider.close()));
    await server.destroy();
  });
  const providerAt = (adminUrl: string): QueueCredentialProvider => {
    const provider = createNatsProvider({ adminUrlOf: () => adminUrl, logger: QUIET });
    providers.push(provider);
    return provider;
  };
  const tenant = () => ({ backendName: 'test', objectName: `lhaaaaaaaa_${randomBase32(24)}` });
  const credential = { version: 1, username: 'u', password: 'p' };

  test('without room for an account’s streams refuses the account, which can be removed', async () => {
    const provider = providerAt(server.adminUrl);
    const one = tenant();
    const issue = (storageMb: number) => provider.issueCredential({ ...one, credential, limits: queueLimits({ storageMb }) });
    await expect(issue(64)).rejects.toMatchObject({ name: 'ProviderUnavailable', message: expect.stringContaining('max_file_store') });
    await provider.remove(one);
    expect(await provider.list('test', 'lh')).toEqual([]);
    await issue(4);
    await provider.remove(one);
  });

  test.each([
    ['operatorKey', Nkey.random('operator'), /not trusted.*key of the server's operator/],
    ['systemKey', Nkey.random('account'), /does not know this system account/],
    ['server', 'nats://127.0.0.1:1', /no connection to nats:\/\/127.0.0.1:1/],
  ])('with another %s is refused with the remedy, and no key is told', async (part, value, remedy) => {
    const admin = { ...parseNatsAdminUrl(server.adminUrl), [part]: value };
    const provider = providerAt(formatNatsAdminUrl(admin));
    const refusal = await provider.prepareServer('test').then(
      () => null,
      (error: unknown) => error,
    );
    expect(refusal).toBeInstanceOf(Error);
    expect(String(refusal)).toMatch(remedy);
    for (const key of [admin.operatorKey, admin.systemKey]) expect(String(refusal)).not.toContain(key.seed);
  });
});

withServer(title('a worker that is killed while it makes and removes'), () => {
  let server: NatsTestServer;
  let provider: QueueCredentialProvider;
  beforeAll(async () => {
    server = await startNatsServer();
    provider = createNatsProvider({ adminUrlOf: () => server.adminUrl, logger: QUIET });
  });
  afterAll(async () => {
    await provider.close();
    await server.destroy();
  });

  test(
    'leaves what the next attempt completes or removes, to the last file',
    async () => {
      const names = Array.from({ length: 4 }, () => `lhaaaaaaaa_${randomBase32(24)}`);
      for (let kill = 0; kill < KILLS; kill += 1) {
        await killedWorker(server, names);
        for (const [index, objectName] of names.entries()) {
          const tenant = { backendName: 'test', objectName };
          if (index % 2 === 0) await isCompleted(server, provider, tenant);
          await provider.remove(tenant);
        }
        expect(await provider.list('test', 'lh')).toEqual([]);
        for (const name of names)
          await expect(readdir(join(server.streamFolder, natsAccountId(name)))).rejects.toMatchObject({ code: 'ENOENT' });
      }
    },
    KILLS * 90_000,
  );
});

/** At a moment of its own each time. */
async function killedWorker(server: NatsTestServer, names: string[]): Promise<void> {
  const argument: QueueWorkerArgument = { adminUrl: server.adminUrl, url: server.url, names };
  const child = fork(join(__dirname, '../../test/contract/queue-worker.ts'), {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, LEASEHOLD_TEST_QUEUE_WORKER: JSON.stringify(argument) },
  });
  // It may end by itself, and must not be waited for afterwards.
  const exited = once(child, 'exit');
  await Promise.race([once(child, 'message'), exited]);
  await sleep(Math.random() * 150);
  child.kill('SIGKILL');
  await exited;
}

async function isCompleted(server: NatsTestServer, provider: QueueCredentialProvider, tenant: { backendName: string; objectName: string }) {
  const credential = { version: 1, username: `${tenant.objectName}_1`, password: tenant.objectName };
  const issued = provider.issueCredential({ ...tenant, credential, limits: queueLimits({ storageMb: 8 }) });
  // Killed inside the removal: what was taken away is not given again, and the removal is what has to be completed.
  if ((await issued.catch((error: unknown) => error)) instanceof Fenced) return;
  await issued;
  const secrets = await provider.mintSecrets(tenant, credential);
  const one = session(await server.logIn(secrets));
  await one.write('works');
  expect((await one.read()).at(-1)).toBe('works');
  await one.close();
}
