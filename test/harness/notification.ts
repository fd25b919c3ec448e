// A real SMTP server, a real receiver of webhooks, and the workers that tell them what happened.
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { NativeConnection, Worker } from '@temporalio/worker';
import PostalMime, { type Email } from 'postal-mime';
import { Registry } from 'prom-client';
import { SMTPServer } from 'smtp-server';
import { createNotifications, type NotificationOptions } from '../../activities/notification';
import { JwtSigner, Keyring } from '../../shared/crypto';
import { createPool } from '../../shared/db';
import { createEgress } from '../../shared/egress';
import { NOTIFICATION_TASK_QUEUE } from '../../workflows/notification/messages';
import { createTestDatabase, type TestDatabase } from './database';
import { createLifecycle, type Lifecycle, TEST_KEYRING } from './lifecycle';
import { createRecordingBackend } from './recording-backend';
import { temporalAddress, workflowBundlePath } from './servers';

export interface ReceivedMail {
  to: string;
  mail: Email;
}

export interface MailServer {
  url: string;
  received: ReceivedMail[];
  /** Runs before a message is taken; throw to refuse it. */
  before: (to: string) => Promise<void>;
  close: () => Promise<void>;
}

export async function startMailServer(): Promise<MailServer> {
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    onRcptTo({ address }, _session, done) {
      mail.before(address).then(
        () => done(),
        (error: Error) => done(error),
      );
    },
    onData(stream, session, done) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        PostalMime.parse(Buffer.concat(chunks)).then((parsed) => {
          mail.received.push({ to: session.envelope.rcptTo[0]?.address ?? '', mail: parsed });
          done();
        }, done);
      });
    },
  });
  // A client that is killed in the middle of a mail.
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const mail: MailServer = {
    url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    received: [],
    before: async () => undefined,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  return mail;
}

export interface ReceivedCall {
  path: string;
  headers: http.IncomingHttpHeaders;
  body: string;
  event: { id: string; type: string; resource_id: string; data: Record<string, string> };
}

export interface Receiver {
  url: (path: string) => string;
  received: ReceivedCall[];
  /** What it answers; default 204. */
  answer: (call: ReceivedCall, response: http.ServerResponse) => void;
  to: (path: string) => ReceivedCall[];
  close: () => Promise<void>;
}

export async function startReceiver(): Promise<Receiver> {
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const call: ReceivedCall = { path: request.url ?? '', headers: request.headers, body, event: JSON.parse(body) };
      receiver.received.push(call);
      receiver.answer(call, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const receiver: Receiver = {
    url: (path) => `${base}${path}`,
    received: [],
    answer: (_call, response) => void response.writeHead(204).end(),
    to: (path) => receiver.received.filter((call) => call.path === path),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return receiver;
}

export interface NotificationWorld {
  database: TestDatabase;
  lifecycle: Lifecycle;
  mailServer: MailServer;
  receiver: Receiver;
  notifications: RunningNotifications;
  close: () => Promise<void>;
}

/** A lifecycle whose events are told by mail and webhook. */
export async function openNotificationWorld(changes: Parameters<typeof startNotifications>[1] = {}): Promise<NotificationWorld> {
  const database = await createTestDatabase();
  const lifecycle = await createLifecycle({ database, backend: createRecordingBackend() });
  await lifecycle.startWorkers();
  const mailServer = await startMailServer();
  const receiver = await startReceiver();
  const notifications = await startNotifications({ database, lifecycle, smtpUrl: mailServer.url }, changes);
  return {
    ...{ database, lifecycle, mailServer, receiver, notifications },
    async close() {
      await notifications.stop();
      await receiver.close();
      await mailServer.close();
      await lifecycle.close();
      await database.drop();
    },
  };
}

export const TEST_JWT_KEYS = TEST_KEYRING;
export const TEST_BASE_URL = 'http://leasehold.test';

export interface RunningNotifications {
  registry: Registry;
  stop: () => Promise<void>;
}

/** The worker of the queue and the loops (one, unless told otherwise), as the product starts them; what the test changes comes in as options. */
export async function startNotifications(
  { database, lifecycle, smtpUrl }: { database: Pick<TestDatabase, 'appUrl'>; lifecycle: Lifecycle; smtpUrl: string | null },
  { loops = 1, ...changes }: Partial<NotificationOptions> & { loops?: number } = {},
): Promise<RunningNotifications> {
  const pool = createPool({ url: database.appUrl, applicationName: 'notification', max: 6 });
  const registry = new Registry();
  const notifications = createNotifications({
    pool,
    databaseUrl: database.appUrl,
    keyring: Keyring.parse(TEST_KEYRING),
    egress: createEgress({ allowedCidrs: ['127.0.0.1/32'], ports: 'any', timeoutMs: 10_000 }),
    registry,
    logger: { info() {}, warn() {} },
    mail:
      smtpUrl === null
        ? null
        : {
            smtpUrl,
            from: 'Leasehold <notices@leasehold.test>',
            baseUrl: TEST_BASE_URL,
            perAddressADay: 100,
            jwt: JwtSigner.parse(TEST_JWT_KEYS),
          },
    maximumAttempts: 4,
    perTarget: 4,
    firstBackoffMs: 100,
    maximumBackoffMs: 1_000,
    ...changes,
  });
  const connection = await NativeConnection.connect({ address: temporalAddress() });
  const worker = await Worker.create({
    connection,
    namespace: lifecycle.namespace,
    taskQueue: NOTIFICATION_TASK_QUEUE,
    workflowBundle: { codePath: workflowBundlePath() },
    activities: { ...notifications.activities },
    // No limit on the end itself: a busy machine would miss it, and the end would fail.
    shutdownGraceTime: '1s',
  });
  const running = worker.run();
  const started = Array.from({ length: loops }, () => notifications.startLoop(lifecycle.client));
  return {
    registry,
    async stop() {
      for (const loop of started) await loop.stop();
      worker.shutdown();
      await running;
      notifications.close();
      await pool.end();
      await connection.close();
    },
  };
}
