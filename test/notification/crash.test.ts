// The worker is killed, hard, while a receiver has the warning and has not answered: it is told again, by the same id, and misses nothing.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { createLifecycle, type Lifecycle, startResource, testSpec } from '../harness/lifecycle';
import { type MailServer, type Receiver, startMailServer, startReceiver } from '../harness/notification';
import type { NotificationProcessOptions } from '../harness/notification-process';
import { createRecordingBackend } from '../harness/recording-backend';
import { eventsOf, eventually } from '../harness/rows';
import { skipToEnd } from '../harness/time';

let database: TestDatabase;
let lifecycle: Lifecycle;
let mailServer: MailServer;
let receiver: Receiver;
let worker: ChildProcess;

async function startWorker(): Promise<ChildProcess> {
  const options: NotificationProcessOptions = {
    namespace: lifecycle.namespace,
    appUrl: database.appUrl,
    installationId: database.installationId,
    smtpUrl: mailServer.url,
  };
  const child = spawn(process.execPath, ['--import', 'tsx', join(__dirname, '../harness/notification-process.ts')], {
    env: { ...process.env, LEASEHOLD_TEST_NOTIFICATION: JSON.stringify(options) },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve());
    child.once('close', () => reject(new Error('the worker process ended before it was ready')));
  });
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGKILL');
  await closed;
}

beforeAll(async () => {
  database = await createTestDatabase();
  lifecycle = await createLifecycle({ database, backend: createRecordingBackend(), namespace: `notification-${randomUUID()}` });
  mailServer = await startMailServer();
  receiver = await startReceiver();
  worker = await startWorker();
});
afterAll(async () => {
  await kill(worker);
  await receiver.close();
  await mailServer.close();
  await lifecycle.close();
  await database.drop();
});

it('tells everything once or more, and what it repeats by the same id', async () => {
  const spec = testSpec({ notifyWebhook: receiver.url('/killed') });
  await database.pool.query('INSERT INTO resource_notifications (resource_id, email) VALUES ($1, $2)', [
    spec.resourceId,
    'killed@example.test',
  ]);
  let hang = true;
  receiver.answer = ({ event }, response) => {
    if (hang && event.data.rung === '6h') return;
    response.writeHead(204).end();
  };
  const { handle, workflowId } = await startResource(lifecycle.client, spec);
  await skipToEnd(lifecycle.client, workflowId);
  const sixHours = () => receiver.to('/killed').filter(({ event }) => event.data.rung === '6h');
  await eventually(
    async () => sixHours().length,
    (calls) => calls >= 1,
    60_000,
  );
  await kill(worker);
  hang = false;
  worker = await startWorker();
  await handle.result();

  const events = await eventsOf(database, spec.resourceId);
  const told = () => new Set(receiver.to('/killed').map(({ event }) => event.id));
  await eventually(
    async () => [told().size, sixHours().length] as const,
    ([ids, calls]) => ids === events.length && calls >= 2,
    60_000,
  );
  expect(new Set(sixHours().map(({ event }) => event.id)).size).toBe(1);
  expect(new Set(sixHours().map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  const mails = await eventually(
    async () => mailServer.received,
    (received) => new Set(received.map(({ mail }) => mail.messageId)).size === 5,
    60_000,
  );
  for (const rung of ['6h', '2h', '1h']) expect(mails.some(({ mail }) => mail.subject?.endsWith(`expires in ${rung}`))).toBe(true);
  // The receiver knows of a call before the worker has written that it was answered.
  await eventually(
    async () =>
      (await database.pool.query('SELECT state FROM deliveries WHERE resource_id = $1 AND state <> $2', [spec.resourceId, 'delivered']))
        .rows,
    (undelivered) => undelivered.length === 0,
    60_000,
  );
});
