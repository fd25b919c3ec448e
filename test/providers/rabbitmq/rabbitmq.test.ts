// What the contracts do not ask: the server's death, a wrong url, a worker killed half way, what the server does not count.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { RabbitmqManagement } from '../../../activities/queue/rabbitmq/management';
import { createRabbitmqProvider } from '../../../activities/queue/rabbitmq/provider';
import { randomBase32 } from '../../../shared/crypto';
import { formatRabbitmqAdminUrl, type QueueCredentialProvider, queueLimits } from '../../../shared/queueprovider';
import { eventually } from '../../harness/rows';
import { type RabbitmqHarness, startRabbitmqBackend } from './backend-harness';
import { mayHaveRabbitmq } from './server';
import { hangUp, logIn, onChannel, openSession, publishKept, QUEUE } from './session';
import type { RabbitmqWorkerArgument } from './worker';

const KILLS = Number(process.env.LEASEHOLD_TEST_KILLS ?? 5);
const QUIET = { info() {}, warn() {}, error() {} };
const withServer = mayHaveRabbitmq() ? describe : describe.skip;
const title = (text: string) => (mayHaveRabbitmq() ? text : `${text} (skipped: no server)`);

withServer(title('a queue backend on RabbitMQ'), () => {
  let harness: RabbitmqHarness;
  beforeAll(async () => {
    harness = await startRabbitmqBackend();
  }, 180_000);
  afterAll(() => harness.close());

  test('the server listens on two loopback ports and no other, and starts no port mapper', () => {
    const { admin, pid } = harness.server;
    const ports = [admin.amqp, admin.management].map((url) => Number(new URL(url).port)).sort();
    expect(listening(pid()).sort()).toEqual(ports.map((port) => `127.0.0.1:${port}`).sort());
    expect(childrenNamed(pid(), 'epmd')).toEqual([]);
  });

  test('there is one user and no vhost that nobody asked for, and no password in the process list', async () => {
    const { admin, pid } = harness.server;
    const headers = { authorization: `Basic ${Buffer.from(`${admin.username}:${admin.password}`).toString('base64')}` };
    const names = async (what: string) => {
      const answer = await fetch(`${admin.management}/api/${what}?columns=name`, { headers });
      return ((await answer.json()) as { name: string }[]).map(({ name }) => name);
    };
    expect(await names('users')).toEqual(['leasehold']);
    expect(await names('vhosts')).toEqual([]);
    for (const file of ['cmdline', 'environ']) expect(readFileSync(`/proc/${pid()}/${file}`, 'utf8')).not.toContain(admin.password);
  });

  test('what a consumer holds unacknowledged is measured, and read-only ends the growing', async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    const connection = await logIn(harness.urlOf(request));
    const hoard = await connection.createChannel();
    hoard.on('error', () => {});
    await hoard.assertQueue(QUEUE, { durable: true });
    await hoard.consume(QUEUE, () => {});
    for (let index = 0; index < 40; index += 1)
      await onChannel(connection, (channel) => publishKept(channel, QUEUE, Buffer.alloc(250_000)));
    const sizeOf = async () =>
      (await harness.backend.measureAll('test')).find(({ objectName }) => objectName === request.objectName)?.bytes ?? 0;
    expect(await eventually(sizeOf, (bytes) => bytes >= 10_000_000)).toBeGreaterThan(8 * 1024 * 1024);
    await harness.backend.setReadOnly({ ...request, readOnly: true });
    const again = await openSession(harness.urlOf(request));
    await expect(again.write('more')).rejects.toThrow(/ACCESS.REFUSED/);
    await again.close();
    await harness.backend.deprovision(request);
  });

  test('read-only comes to an end while clients connect again at once, and holds for them', async () => {
    const request = harness.newRequest(20);
    await harness.backend.provision(request);
    let isOver = false;
    let connected = 0;
    const connectAgain = async (): Promise<void> => {
      while (!isOver) {
        const connection = await logIn(harness.urlOf(request)).catch(() => null);
        if (connection === null) continue;
        connected += 1;
        await new Promise((resolve) => connection.once('close', resolve));
      }
    };
    const held = await openSession(harness.urlOf(request));
    await held.write('before');
    for (let client = 0; client < 3; client += 1) void connectAgain();
    await eventually(
      async () => connected,
      (count) => count === 3,
    );
    try {
      await harness.backend.setReadOnly({ ...request, readOnly: true });
      await eventually(
        async () => connected,
        (count) => count > 3,
      );
      await expect(held.write('more')).rejects.toThrow();
      const again = await openSession(harness.urlOf(request));
      await expect(again.write('more')).rejects.toThrow(/ACCESS.REFUSED/);
      await again.close();
    } finally {
      isOver = true;
      await harness.backend.deprovision(request);
    }
  });

  test('a cut waits for nothing that ends no connection', async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    const held = await openSession(harness.urlOf(request));
    await held.write('before');
    const refused = () => Promise.reject(new Error('a server that does not answer this one'));
    const settling = (['queues', 'putPolicy', 'putOperatorPolicy'] as const).map((call) =>
      jest.spyOn(RabbitmqManagement.prototype, call).mockImplementation(refused),
    );
    await harness.backend.cut(request).finally(() => {
      for (const call of settling) call.mockRestore();
    });
    await expect(held.write('more')).rejects.toThrow();
    await expect(harness.open(request)).rejects.toThrow();
    await harness.backend.restore(request);
    await (await harness.open(request)).close();
    await harness.backend.deprovision(request);
  });

  test('a smaller plan takes nothing from a queue that drops its oldest', async () => {
    const request = harness.newRequest();
    await harness.backend.provision(request);
    const connection = await logIn(harness.urlOf(request));
    const declared = { durable: true, arguments: { 'x-overflow': 'drop-head' } };
    await onChannel(connection, async (channel) => {
      await channel.assertQueue('dropping', declared);
      for (let index = 0; index < 5; index += 1) channel.sendToQueue('dropping', Buffer.alloc(100_000), { persistent: true });
      await channel.waitForConfirms();
    });
    const sizeOf = async () =>
      (await harness.backend.measureAll('test')).find(({ objectName }) => objectName === request.objectName)?.bytes ?? 0;
    await eventually(sizeOf, (bytes) => bytes === 500_000);
    await harness.backend.applyLimits({ ...request, limits: { ...request.limits, storageMb: 1 } });
    expect(await onChannel(connection, async (channel) => (await channel.checkQueue('dropping')).messageCount)).toBe(5);
    await hangUp(connection);
    await harness.backend.deprovision(request);
  });

  test('a server that was killed has every acknowledged message when it is back, and a cut outlives it', async () => {
    const [kept, cut] = [harness.newRequest(), harness.newRequest()];
    for (const request of [kept, cut]) await harness.backend.provision(request);
    const before = await harness.open(kept);
    for (let index = 0; index < 50; index += 1) await before.write(`message ${index}`);
    await harness.backend.cut(cut);
    await harness.server.kill();
    await expect(harness.backend.cut(kept)).rejects.toMatchObject({ name: 'ProviderUnavailable' });
    await harness.server.start();
    const after = await harness.open(kept);
    expect(await after.read()).toHaveLength(50);
    await after.close();
    await expect(harness.open(cut)).rejects.toThrow();
    await harness.backend.restore(cut);
    await (await harness.open(cut)).close();
    for (const request of [kept, cut]) await harness.backend.deprovision(request);
  }, 240_000);

  describe('a worker that is killed while it makes and removes', () => {
    let provider: QueueCredentialProvider;
    beforeAll(() => {
      provider = createRabbitmqProvider({ adminUrlOf: () => harness.server.adminUrl, logger: QUIET });
    });

    test(
      'leaves what the next attempt completes or removes, to the last file',
      async () => {
        const names = Array.from({ length: 4 }, () => `lhaaaaaaaa_${randomBase32(24)}`);
        for (let kill = 0; kill < KILLS; kill += 1) {
          await killedWorker(harness.server.adminUrl, names);
          for (const [index, objectName] of names.entries()) {
            const tenant = { backendName: 'test', objectName };
            if (index % 2 === 0) await isCompleted(harness, provider, tenant);
            await provider.remove(tenant);
          }
          expect(await provider.list('test', 'lhaaaaaaaa_')).toEqual([]);
          // A deletion that was broken off inside the server is finished by the server.
          expect(
            await eventually(
              async () => harness.server.vhostFolders(),
              (folders) => folders.length === 0,
              60_000,
            ),
          ).toEqual([]);
        }
      },
      KILLS * 90_000,
    );
  });

  test.each([
    ['another password', { password: 'sesame' }, /refuses leasehold: give the admin url a user with the tag administrator/],
    ['another management address', { management: 'http://127.0.0.1:1' }, /no answer from http:\/\/127.0.0.1:1/],
  ])('%s is refused with the remedy, and no password is told', async (_what, part, remedy) => {
    const adminUrl = formatRabbitmqAdminUrl({ ...harness.server.admin, ...part });
    const provider = createRabbitmqProvider({ adminUrlOf: () => adminUrl, logger: QUIET });
    const refusal = await provider.prepareServer('test').then(
      () => null,
      (error: unknown) => error,
    );
    expect(String(refusal)).toMatch(remedy);
    expect(String(refusal)).not.toContain('sesame');
    expect(String(refusal)).not.toContain(harness.server.admin.password);
  });
});

/** At a moment of its own each time. */
async function killedWorker(adminUrl: string, names: string[]): Promise<void> {
  const argument: RabbitmqWorkerArgument = { adminUrl, names };
  const child = fork(join(__dirname, 'worker.ts'), {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, LEASEHOLD_TEST_QUEUE_WORKER: JSON.stringify(argument) },
  });
  // It may end by itself, and must not be waited for afterwards.
  const exited = once(child, 'exit');
  await Promise.race([once(child, 'message'), exited]);
  await sleep(Math.random() * 1_500);
  child.kill('SIGKILL');
  await exited;
}

async function isCompleted(
  harness: RabbitmqHarness,
  provider: QueueCredentialProvider,
  tenant: { backendName: string; objectName: string },
) {
  const credential = { version: 1, username: `${tenant.objectName}_1`, password: tenant.objectName };
  const refusal = await provider
    .issueCredential({ ...tenant, credential, limits: queueLimits({ storageMb: 8 }) })
    .catch((error: unknown) => error);
  if (refusal !== undefined) {
    // Killed inside the removal: what was taken away is not given again, and the removal is what has to be completed.
    expect(refusal).toMatchObject({ name: 'Fenced' });
    return;
  }
  const one = await openSession(harness.server.urlOf(credential, tenant.objectName));
  await one.write('works');
  expect((await one.read()).at(-1)).toBe('works');
  await one.close();
}

/** `address:port` of every socket that the process listens on. */
function listening(pid: number): string[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        // Closed while it was looked at.
        return [];
      }
    }),
  );
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === '0A' && inodes.has(fields[9] ?? ''))
      .map((fields) => addressOf(fields[1] ?? '')),
  );
}

/** The kernel writes an IPv4 address as a number in the machine's own order. */
function addressOf(text: string): string {
  const [address = '', port = ''] = text.split(':');
  const bytes = address.length === 8 ? [...Buffer.from(address, 'hex')].reverse().join('.') : address;
  return `${bytes}:${Number.parseInt(port, 16)}`;
}

function childrenNamed(pid: number, name: string): string[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        const fields = readFileSync(`/proc/${entry}/stat`, 'utf8');
        const isChild = fields.slice(fields.lastIndexOf(')') + 2).split(' ')[1] === String(pid);
        const command = readFileSync(`/proc/${entry}/cmdline`, 'utf8');
        return isChild && command.includes(name) ? [command] : [];
      } catch {
        return [];
      }
    });
}
