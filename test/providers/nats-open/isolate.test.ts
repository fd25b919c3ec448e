// From an open server to an account: everything goes along, whoever is killed, and nobody else notices.
import { type ChildProcess, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { AckPolicy, type JetStreamManager, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/transport-node';
import { toApplicationFailure } from '../../../activities/errors';
import { mintUser } from '../../../activities/queue/nats/keys';
import { createNatsProvider } from '../../../activities/queue/nats/provider';
import { createOpenNatsProvider } from '../../../activities/queue/nats-open/provider';
import { randomBase32 } from '../../../shared/crypto';
import { type QueueCredentialProvider, queueLimits } from '../../../shared/queueprovider';

import { canHaveNats, type NatsTestServer, startNatsServer } from '../../contract/queue-harness';
import { orDestroyed } from '../../harness/own-server';
import { keyValueConfig, type OpenNatsServer, objectStoreConfig, startOpenNats } from './harness';
import { ISOLATED, isolationOver, isolationRequest, logIn, OPEN } from './isolate-harness';

jest.setTimeout(240_000);

const QUIET = { info() {}, warn() {}, error: console.error };
const KILLS = Number(process.env.LEASEHOLD_TEST_KILLS ?? 5);
const MESSAGES = 2_000;
const INSTALLATION = 'aaaaaaaa';

function describeIsolation(): void {
  let open: OpenNatsServer;
  let isolated: NatsTestServer;
  let openProvider: QueueCredentialProvider;
  let natsProvider: QueueCredentialProvider;
  beforeAll(async () => {
    open = await startOpenNats();
    isolated = await orDestroyed(open, startNatsServer);
    openProvider = createOpenNatsProvider({ adminUrlOf: () => open.url, logger: QUIET });
    natsProvider = createNatsProvider({ adminUrlOf: () => isolated.adminUrl, logger: QUIET });
  });
  afterAll(async () => {
    await Promise.all([openProvider.close(), natsProvider.close()]).finally(() => Promise.all([open.destroy(), isolated.destroy()]));
  });

  const newTenant = async (): Promise<string> => {
    const objectName = `lh${INSTALLATION}_${randomBase32(24)}`;
    const credential = { version: 1, username: 'u', password: 'p' };
    await openProvider.issueCredential({ backendName: OPEN, objectName, credential, limits: queueLimits({ storageMb: 64 }) });
    return objectName;
  };
  const places = () => ({ installationId: INSTALLATION, openUrl: open.url, adminUrl: isolated.adminUrl });
  const credentialsOf = (objectName: string) =>
    mintUser(objectName, { version: 2, username: `${objectName}_2`, password: `of ${objectName} 2` });
  const enter = async (objectName: string) => logIn(isolated.url, await credentialsOf(objectName));

  test('streams, messages, times, headers, consumers and their positions go along; killed at any moment, completed by the next', async () => {
    const [mine, other] = [await newTenant(), await newTenant()];
    const connection = await open.connect();
    const manager = await jetstreamManager(connection);
    const js = jetstream(connection);
    await makeStreams(manager, mine);
    await manager.streams.add({ name: 'others', subjects: [`${other}.>`] });
    const acknowledged = new Set<string>();
    await fill(connection, mine, acknowledged);
    await js.publish(`${other}.x`, 'untouched');
    const consumer = await js.consumers.get(`orders-${mine.slice(-8)}`, 'half');
    for await (const message of await consumer.fetch({ max_messages: 500 })) await message.ackAck();

    let isWriting = true;
    let written = 0;
    const writer = (async () => {
      const one = await open.connect();
      while (isWriting) {
        const text = `late ${written}`;
        const taken = await jetstream(one)
          // One that is taken and not heard of would be a message too many.
          .publish(`${mine}.orders.late`, text, { timeout: 60_000 })
          .then(() => true)
          .catch(() => false);
        if (taken) acknowledged.add(text);
        written += 1;
        await sleep(taken ? 5 : 20);
      }
      await one.close();
    })();
    await sleep(300);

    for (let kill = 0; kill < KILLS; kill += 1) {
      const child = await startWorker(mine, places());
      await sleep(Math.random() * 1_200);
      await ended(child);
      // Whatever was done until then, the open server still has everything.
      const { state } = await manager.streams.info(`orders-${mine.slice(-8)}`);
      expect(state.messages).toBeGreaterThanOrEqual(MESSAGES);
    }
    const isolation = isolationOver(places());
    for (let repeat = 0; repeat < 2; repeat += 1)
      expect(await isolation.copyToIsolated(isolationRequest(mine))).toMatchObject({ auth_mode: 'isolated', subject_prefix: '' });
    await isolation.close();
    isWriting = false;
    await writer;

    const inside = await enter(mine);
    const copied = await jetstreamManager(inside, { checkAPI: false });
    const names = [`empty-${mine.slice(-8)}`, `jobs-${mine.slice(-8)}`, `orders-${mine.slice(-8)}`];
    const found: string[] = [];
    for await (const name of copied.streams.names()) found.push(name);
    expect(found.sort()).toEqual(names);
    for (const name of names) expect(await digestOf(copied, name)).toBe(await digestOf(manager, name));
    const there = await textsOf(copied, names[2] ?? '');
    expect(there.size).toBe(acknowledged.size);
    for (const text of acknowledged) expect(there.has(text)).toBe(true);

    const goesOn = await (await jetstream(inside).consumers.get(names[2] ?? '', 'half')).next({ expires: 30_000 });
    expect(goesOn?.seq).toBe(501);
    expect((await jetstream(inside).publish(`${mine}.orders.new`, 'in the account')).seq).toBe(acknowledged.size + 1);
    expect((await copied.streams.info(names[2] ?? '')).config.metadata?.['leasehold-halted']).toBeUndefined();

    await openProvider.remove({ backendName: OPEN, objectName: mine });
    await expect(js.publish(`${mine}.orders.new`, 'to nobody')).rejects.toThrow();
    expect(await openProvider.list(OPEN, 'lh')).toEqual([other]);
    expect((await manager.streams.getMessage('others', { seq: 1 }))?.string()).toBe('untouched');
    await js.publish(`${other}.x`, 'still taken');
    await Promise.all([inside.close(), connection.close()]);
    await natsProvider.remove({ backendName: ISOLATED, objectName: mine });
    await openProvider.remove({ backendName: OPEN, objectName: other });
  });

  test('an attempt that was left behind can do nothing to the copy, and nobody has a key before it is whole', async () => {
    const mine = await newTenant();
    const connection = await open.connect();
    await (await jetstreamManager(connection)).streams.add({ name: `a-${mine.slice(-8)}`, subjects: [`${mine}.a`] });
    await jetstream(connection).publish(`${mine}.a`, 'one');
    const child = await startWorker(mine, places());
    await sleep(150);
    await ended(child);
    const isolation = isolationOver(places());
    await isolation.copyToIsolated(isolationRequest(mine));
    const inside = await enter(mine);
    expect(
      (await (await jetstreamManager(inside, { checkAPI: false })).streams.getMessage(`a-${mine.slice(-8)}`, { seq: 1 }))?.string(),
    ).toBe('one');
    await Promise.all([inside.close(), connection.close(), isolation.close()]);
    await openProvider.remove({ backendName: OPEN, objectName: mine });
    await natsProvider.remove({ backendName: ISOLATED, objectName: mine });
  });

  test('a copy is made anew when the stream or a consumer of it was changed since, though no message and no position was', async () => {
    const mine = await newTenant();
    const connection = await open.connect();
    const manager = await jetstreamManager(connection);
    const { streams, consumers } = manager;
    const [name, work, bucket] = [`a-${mine.slice(-8)}`, `w-${mine.slice(-8)}`, `KV_${mine}_config`];
    const durable = { durable_name: 'd', ack_policy: AckPolicy.Explicit };
    await streams.add({ name, subjects: [`${mine}.a.>`], metadata: { of: 'mine' } });
    await streams.add({ name: work, subjects: [`${mine}.w.*`], retention: RetentionPolicy.Workqueue, max_bytes: 1_000_000, max_age: 1e15 });
    await streams.add(keyValueConfig(`${mine}_config`));
    await streams.add(objectStoreConfig(`${mine}_files`));
    await streams.add({ name: `${mine}_mirror`, mirror: { name } });
    await consumers.add(name, { ...durable, filter_subject: `${mine}.a.x`, max_deliver: 3, backoff: [1e9, 2e9], metadata: { of: 'mine' } });
    await consumers.add(work, { ...durable, filter_subjects: [`${mine}.w.x`, `${mine}.w.y`], max_ack_pending: 7 });
    await consumers.add(bucket, { durable_name: 'push', deliver_subject: `${mine}.pushed`, ack_policy: AckPolicy.None });
    await jetstream(connection).publish(`${mine}.a.x`, 'one');
    await jetstream(connection).publish(`$KV.${mine}_config.key`, 'kept in a bucket');
    await jetstream(connection).publish(`$O.${mine}_files.C.one`, 'kept in a store');
    const isolation = isolationOver(places());
    // Each attempt closes the account to whoever was in it.
    const move = async () => {
      await isolation.copyToIsolated(isolationRequest(mine));
      const inside = await enter(mine);
      return { inside, copied: await jetstreamManager(inside, { checkAPI: false }) };
    };
    const untouched = [work, bucket, `OBJ_${mine}_files`, `${mine}_mirror`];
    const createdIn = (copied: JetStreamManager) =>
      Promise.all(untouched.map(async (stream) => (await copied.streams.info(stream)).created));
    const first = await move();
    const before = await createdIn(first.copied);
    await first.inside.close();

    // The worker was killed just there; its client goes on as before.
    const { config } = await streams.info(name);
    await streams.update(name, { ...config, subjects: [`${mine}.a.>`, `${mine}.more`], metadata: { ...config.metadata, of: 'another' } });
    const second = await move();
    expect((await second.copied.streams.info(name)).config).toMatchObject({
      subjects: [`${mine}.a.>`, `${mine}.more`],
      metadata: { of: 'another' },
    });
    await second.inside.close();
    await consumers.delete(name, 'd');
    await consumers.add(name, { ...durable, filter_subject: `${mine}.a.y`, max_deliver: 3, backoff: [1e9, 2e9], metadata: { of: 'mine' } });
    const { inside, copied } = await move();
    expect((await copied.consumers.info(name, 'd')).config).toMatchObject({ filter_subject: `${mine}.a.y` });
    // What nobody changed is the same to the comparison, whatever it is, and not copied again.
    expect(await createdIn(copied)).toEqual(before);

    await openProvider.remove({ backendName: OPEN, objectName: mine });
    for await (const left of streams.names()) expect(left).toBe('leasehold-tenants');
    expect((await copied.streams.getMessage(bucket, { last_by_subj: `$KV.${mine}_config.key` }))?.string()).toBe('kept in a bucket');
    expect((await copied.streams.getMessage(`OBJ_${mine}_files`, { seq: 1 }))?.string()).toBe('kept in a store');
    await jetstream(inside).publish(`$KV.${mine}_config.key`, 'x');
    await Promise.all([inside.close(), connection.close(), isolation.close()]);
    await natsProvider.remove({ backendName: ISOLATED, objectName: mine });
  });

  test('what is cut stays cut in the account', async () => {
    const mine = await newTenant();
    const isolation = isolationOver(places());
    await isolation.copyToIsolated(isolationRequest(mine, { isCut: true }));
    await expect(enter(mine)).rejects.toThrow();
    await natsProvider.restore({ backendName: ISOLATED, objectName: mine });
    await (await enter(mine)).close();
    await isolation.close();
    await openProvider.remove({ backendName: OPEN, objectName: mine });
    await natsProvider.remove({ backendName: ISOLATED, objectName: mine });
  });

  test('a stream in memory is refused by name before anything is made; undone, it takes writes again', async () => {
    const mine = await newTenant();
    const connection = await open.connect();
    const { streams } = await jetstreamManager(connection);
    const name = `m-${mine.slice(-8)}`;
    await streams.add({ name, subjects: [`${mine}.m`], storage: StorageType.Memory });
    const isolation = isolationOver(places());
    // As Temporal has it: a code of the catalogue, whose words the workflow passes on.
    const refused = await isolation.copyToIsolated(isolationRequest(mine)).then(() => null, toApplicationFailure);
    expect(refused).toMatchObject({ type: 'invalid_request', nonRetryable: true, message: expect.stringContaining(name) });
    expect(await natsProvider.list(ISOLATED, 'lh')).not.toContain(mine);
    await openProvider.setReadOnly({ backendName: OPEN, objectName: mine, readOnly: false, limits: queueLimits({ storageMb: 64 }) });
    await jetstream(connection).publish(`${mine}.m`, 'again');
    await Promise.all([connection.close(), isolation.close()]);
    await openProvider.remove({ backendName: OPEN, objectName: mine });
  });
}

async function makeStreams(manager: JetStreamManager, objectName: string): Promise<void> {
  const end = objectName.slice(-8);
  await manager.streams.add({ name: `orders-${end}`, subjects: [`${objectName}.orders.>`] });
  await manager.streams.add({
    name: `jobs-${end}`,
    subjects: [`${objectName}.jobs`],
    retention: RetentionPolicy.Workqueue,
    max_bytes: 1_000_000,
  });
  await manager.streams.add({ name: `empty-${end}`, subjects: [`${objectName}.empty`] });
  await manager.consumers.add(`orders-${end}`, { durable_name: 'half', ack_policy: AckPolicy.Explicit });
}

async function fill(connection: NatsConnection, objectName: string, acknowledged: Set<string>): Promise<void> {
  const js = jetstream(connection);
  for (let start = 0; start < MESSAGES; start += 100) {
    const batch = Array.from({ length: 100 }, async (_, index) => {
      const text = `message ${start + index} ${'x'.repeat(200)}`;
      const given = headers();
      given.set('Number', String(start + index));
      await js.publish(`${objectName}.orders.${index % 7}`, text, { headers: given, timeout: 20_000 });
      acknowledged.add(text);
    });
    await Promise.all(batch);
  }
  for (let index = 0; index < 50; index += 1) await js.publish(`${objectName}.jobs`, `job ${index}`);
}

async function messagesOf(manager: JetStreamManager, name: string) {
  const { state } = await manager.streams.info(name);
  const messages: Awaited<ReturnType<typeof manager.streams.getMessage>>[] = [];
  if (state.messages === 0) return messages;
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) messages.push(await manager.streams.getMessage(name, { seq }));
  return messages;
}

/** Of everything that a message is. */
async function digestOf(manager: JetStreamManager, name: string): Promise<string> {
  const hash = createHash('sha256');
  for (const message of await messagesOf(manager, name))
    hash.update(`${message?.seq} ${message?.subject} ${message?.timestamp} ${message?.header?.get('Number')} ${message?.string()}\n`);
  return hash.digest('hex');
}

async function textsOf(manager: JetStreamManager, name: string): Promise<Set<string>> {
  return new Set((await messagesOf(manager, name)).map((message) => message?.string() ?? ''));
}

async function startWorker(objectName: string, places: object): Promise<ChildProcess> {
  const child = fork(join(__dirname, 'isolate-worker.ts'), {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, LEASEHOLD_TEST_ISOLATION: JSON.stringify({ ...places, objectName }) },
  });
  await once(child, 'message');
  return child;
}

/** It may have done its work before. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

if (!canHaveNats()) describe('isolation', () => test.skip('skipped: no server', () => {}));
else describe('isolation', describeIsolation);
