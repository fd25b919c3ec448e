// What tests of the relay stand on: rows for it to publish, what is on the stream afterwards, and relays in processes of their own.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstream } from '@nats-io/jetstream';
import type pg from 'pg';
import { EVENT_STREAM, resourceEvent } from '../../shared/events';
import { parseCreds } from '../../shared/relay/broker';
import type { NatsTestServer } from '../contract/queue-harness';
import type { TestDatabase } from './database';

export interface StreamedMessage {
  subject: string;
  messageId: string;
  resourceId: string;
  revision: number;
  headers: Record<string, string>;
  body: Record<string, unknown>;
}

/** Everything on the stream, in its order, read with the reader's own credentials. */
export async function streamContent(server: NatsTestServer): Promise<StreamedMessage[]> {
  const { jwt, seed } = parseCreds(readFileSync(server.readerCredsFile, 'utf8'));
  const connection = await server.logIn({ nats_jwt: jwt, nats_nkey: seed });
  try {
    const consumer = await jetstream(connection, { timeout: 10_000 }).consumers.get(EVENT_STREAM);
    const { num_pending: count } = await consumer.info();
    const messages: StreamedMessage[] = [];
    if (count === 0) return messages;
    for await (const message of await consumer.consume({ max_messages: 100 })) {
      const headers = Object.fromEntries([...(message.headers ?? [])].map(([name, [value = '']]) => [name, value]));
      messages.push({
        subject: message.subject,
        messageId: headers['Nats-Msg-Id'] ?? '',
        resourceId: headers['Leasehold-Resource-Id'] ?? '',
        revision: Number(headers['Leasehold-Revision']),
        headers,
        body: message.json(),
      });
      if (messages.length === count) break;
    }
    return messages;
  } finally {
    await connection.close();
  }
}

export interface WrittenRow {
  type?: string;
  requestId?: string;
  traceparent?: string;
  padding?: string;
}

/** A row as a transition writes it. */
export async function writeOutbox(pool: pg.Pool, resourceId: string, revision: number, row: WrittenRow = {}): Promise<string> {
  const event = resourceEvent(
    { type: 'resource.updated', data: { name: 'orders', labels_changed: false } },
    {
      resource_id: resourceId,
      resource_type: 'postgres',
      resource_name: 'orders',
      team_id: null,
      revision,
      status: 'active',
      occurred_at: new Date().toISOString(),
      request_id: row.requestId ?? null,
    },
  );
  const payload = { ...event, ...(row.padding === undefined ? {} : { padding: row.padding }) };
  const values = [event.id, resourceId, revision, row.type ?? event.type, payload, row.traceparent ?? null];
  await pool.query(
    'INSERT INTO outbox_events (id, resource_id, revision, type, payload, traceparent) VALUES ($1, $2, $3, $4, $5, $6)',
    values,
  );
  return event.id;
}

/** So many resources at once, each with its revisions one after the other; answers the ids of what was written. */
export async function writeMany(pool: pg.Pool, options: { resources: number; revisions: number }): Promise<Set<string>> {
  const ids = new Set<string>();
  await Promise.all(
    Array.from({ length: options.resources }, async () => {
      const resourceId = randomUUID();
      for (let revision = 1; revision <= options.revisions; revision += 1) ids.add(await writeOutbox(pool, resourceId, revision));
    }),
  );
  return ids;
}

/** What is wrong with the order or the number of messages; empty when each event is there once, and each resource's are in order. */
export function disorder(messages: readonly StreamedMessage[], expected: ReadonlySet<string>): string[] {
  const wrong: string[] = [];
  const last = new Map<string, number>();
  const seen = new Set<string>();
  for (const { messageId, resourceId, revision } of messages) {
    if (seen.has(messageId)) wrong.push(`${messageId} is there twice`);
    seen.add(messageId);
    if (revision !== (last.get(resourceId) ?? 0) + 1) wrong.push(`${resourceId}: ${revision} after ${last.get(resourceId) ?? 'nothing'}`);
    last.set(resourceId, revision);
  }
  for (const id of expected) if (!seen.has(id)) wrong.push(`${id} is missing`);
  return wrong;
}

export interface RelayProcess {
  child: ChildProcess;
  exited: Promise<{ code: number | null; signal: string | null }>;
  metrics: () => Promise<string>;
}

/** The product's own process, from its source. */
export async function startRelayProcess(options: {
  database: TestDatabase;
  events: NatsTestServer['events'];
  metricsPort: number;
}): Promise<RelayProcess> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(__dirname, '../../stack/processes/relay.ts')], {
    env: {
      PATH: process.env.PATH,
      LEASEHOLD_DATABASE_URL: options.database.appUrl,
      LEASEHOLD_EVENTS_NATS_URL: options.events.url,
      LEASEHOLD_EVENTS_NATS_CREDS: options.events.creds,
      LEASEHOLD_RELAY_METRICS_PORT: String(options.metricsPort),
      LEASEHOLD_LOG: 'error',
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = new Promise<Awaited<RelayProcess['exited']>>((resolve) =>
    child.once('close', (code, signal) => resolve({ code, signal })),
  );
  await new Promise<void>((resolve, reject) => {
    child.once('close', () => reject(new Error('the relay ended before it was ready')));
    child.once('message', () => resolve());
  });
  return { child, exited, metrics: async () => (await fetch(`http://127.0.0.1:${options.metricsPort}/metrics`)).text() };
}
