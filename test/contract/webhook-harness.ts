// Webhook inboxes on the test's tenants' server, behind the real receiver, with what a test needs to stand on both sides of it.
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { Writable } from 'node:stream';
import pg from 'pg';
import type { KindBackend, ProvisionRequest } from '../../activities/backend';
import { createWebhookBackend } from '../../activities/webhook';
import { createReceiver, type ReceiverOptions } from '../../api/receiver/server';
import { generatePassword, randomBase32 } from '../../shared/crypto';
import { InboxStore, prepareInboxDatabase } from '../../shared/inbox';
import { createLogger, type Logger } from '../../shared/logctx';
import { tenantsAdminUrl } from '../harness/servers';
import { aRequest, type BackendHarness, type TenantSession } from './backend.contract';

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: { ok?: boolean; id?: string; error?: string };
  text: string;
}

export interface Sending {
  method?: string;
  path?: string;
  headers?: http.OutgoingHttpHeaders;
  body?: string | Buffer;
  agent?: http.Agent;
}

export interface WebhookHarness extends BackendHarness {
  backend: KindBackend;
  store: InboxStore;
  port: number;
  /** Everything that the receiver wrote to its log. */
  logged: string[];
  tokenOf(request: Pick<ProvisionRequest, 'resourceId'>, version?: number): string;
  /** To the receive address of a credential version. */
  send(request: ProvisionRequest, sending?: Sending & { version?: number }): Promise<Answer>;
  /** To any path of the receiver, as it stands. */
  sendTo(path: string, sending?: Sending): Promise<Answer>;
  admin<Row extends pg.QueryResultRow>(sql: string, values?: unknown[]): Promise<Row[]>;
  /** As a worker that starts does. */
  prepareAgain(): Promise<void>;
}

export interface WebhookHarnessOptions {
  redisUrl?: string;
  receiver?: Partial<Pick<ReceiverOptions, 'requestsPerMinute' | 'maxConnections' | 'timeouts'>>;
}

export async function startWebhookHarness(options: WebhookHarnessOptions = {}): Promise<WebhookHarness> {
  const installationId = randomBase32(8);
  const database = `inbox_${randomBase32(12)}`;
  const inboxUrl = new URL(tenantsAdminUrl());
  Object.assign(inboxUrl, { username: database, password: generatePassword(), pathname: `/${database}` });
  const passwords = new Map<string, string>();
  const closedFences = new Set<string>();
  const { logger, logged } = keepingLogger();
  const tokenOf = (resourceId: string, version: number): string => {
    const key = `${resourceId}/${version}`;
    const token = passwords.get(key) ?? randomBase32(40);
    passwords.set(key, token);
    return token;
  };
  const open = (applicationName: string) =>
    new InboxStore({
      url: inboxUrl.href,
      redisUrl: options.redisUrl,
      // On a busy machine a second passes without a word from a Redis that is well.
      redisTimeoutMs: 30_000,
      applicationName,
      maxConnections: 10,
      logger,
    });
  // As in life: one store in the worker's process, one in the receiver's.
  const [workers, receivers] = [open('test-worker'), open('test-receiver')];
  const prepare = () => prepareInboxDatabase({ adminUrl: tenantsAdminUrl(), inboxUrl: inboxUrl.href });
  const backend = createWebhookBackend({
    store: workers,
    prepare,
    readCredential: async ({ resourceId, version }) => ({ username: `x_${version}`, password: tokenOf(resourceId, version) }),
    fence: async (ref) => !closedFences.has(ref.objectName),
    installationId,
  });
  await backend.prepareServer('test');
  const { server, port } = await startReceiver({ store: receivers, logger, ...options.receiver });
  const sendTo: WebhookHarness['sendTo'] = (path, sending = {}) => exchange(port, path, sending);
  const harness: WebhookHarness = {
    backend,
    store: receivers,
    port,
    logged,
    sendTo,
    tokenOf: ({ resourceId }, version = 1) => tokenOf(resourceId, version),
    send: (request, { version = 1, path = '', ...sending } = {}) =>
      sendTo(`/webhook/receive/${tokenOf(request.resourceId, version)}${path}`, sending),
    newRequest: () =>
      aRequest({
        resourceId: randomUUID(),
        kind: 'webhook',
        objectName: `lh${installationId}_${randomBase32(24)}`,
        limits: { requestsStored: 100 },
      }),
    setFence: (objectName, isOpen) => void (isOpen ? closedFences.delete(objectName) : closedFences.add(objectName)),
    open: (request, version = 1) => openSession(harness, request, version),
    admin: (sql, values) => admin(database, sql, values),
    prepareAgain: prepare,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await Promise.all([workers.close(), receivers.close()]);
      await admin('postgres', `DROP DATABASE "${database}" WITH (FORCE)`);
      await admin('postgres', `DROP ROLE "${database}"`);
    },
  };
  return harness;
}

function keepingLogger(): { logger: Logger; logged: string[] } {
  const logged: string[] = [];
  const stream = new Writable({
    write(chunk, _encoding, done) {
      logged.push(String(chunk));
      done();
    },
  });
  return { logger: createLogger({ process: 'receiver', level: 'debug', stream }), logged };
}

async function startReceiver(
  options: Pick<ReceiverOptions, 'store' | 'logger'> & WebhookHarnessOptions['receiver'],
): Promise<{ server: http.Server; port: number }> {
  const server = createReceiver({ baseUrl: 'http://leasehold.test', requestsPerMinute: 100_000, maxConnections: 1_000, ...options });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, port: (server.address() as AddressInfo).port };
}

async function admin<Row extends pg.QueryResultRow>(database: string, sql: string, values: unknown[] = []): Promise<Row[]> {
  const url = new URL(tenantsAdminUrl());
  url.pathname = `/${database}`;
  const client = new pg.Client({ connectionString: url.href });
  await client.connect();
  try {
    return (await client.query<Row>(sql, values)).rows;
  } finally {
    await client.end();
  }
}

function exchange(port: number, path: string, { method = 'POST', headers = {}, body, agent }: Sending): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path, method, headers, agent: agent ?? new http.Agent() }, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', reject);
      response.once('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text === '' ? {} : JSON.parse(text), text }),
      );
    });
    request.once('error', reject);
    request.end(body);
  });
}

/** One kept connection, as a sender with a pool has. A probe goes first: an address that is closed says so at once. */
async function openSession(harness: WebhookHarness, request: ProvisionRequest, version: number): Promise<TenantSession> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  const probe = async () => {
    const answer = await harness.send(request, { version, agent, path: '/probe' });
    // Over its storage it takes nothing, and still is there.
    if (answer.status !== 200 && answer.status !== 503) throw new Error(`${answer.status} ${answer.body.error}`);
  };
  await probe();
  return {
    async write(value) {
      const answer = await harness.send(request, { version, agent, path: '/write', body: value });
      if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body.error}`);
    },
    async read() {
      await probe();
      const page = await harness.store.list(request.objectName, { before: null, limit: 100 });
      const written = page.filter((stored) => stored.path === '/write').reverse();
      const bodies = await Promise.all(written.map(({ id }) => harness.store.get(request.objectName, id)));
      return bodies.map((stored) => stored?.body.toString('utf8') ?? '');
    },
    close: async () => agent.destroy(),
  };
}
