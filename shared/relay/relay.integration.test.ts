import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { Registry } from 'prom-client';
import { findFreePort } from '../../stack/ports';
import { type NatsTestServer, natsIsHere, startNatsServer } from '../../test/contract/queue-harness';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database';
import { disorder, startRelayProcess, streamContent, writeMany, writeOutbox } from '../../test/harness/relay';
import { EVENT_STREAM } from '../events';
import { createLogger } from '../logctx';
import { listDeadLetters, outboxLag, relayReadiness, replayDeadLetter } from '../outbox';
import { Broker, type BrokerOptions, parseCreds } from './broker';
import { RelayMetrics } from './metrics';
import { Relay, type RelayOptions } from './relay';

const HOUR_MS = 3_600_000;
const PATIENCE_MS = 60_000;
/** What the relays of a test logged. */
let told: { level: string; message: string }[] = [];
const logger = createLogger({
  process: 'relay',
  level: 'warn',
  stream: new Writable({
    write(line: Buffer, _encoding, done) {
      told.push(JSON.parse(line.toString('utf8')));
      done();
    },
  }),
});

let database: TestDatabase;
let server: NatsTestServer;
let stopping: (() => Promise<void>)[] = [];

beforeAll(async () => {
  if (!natsIsHere()) throw new Error('nats-server is not to be had here: give LEASEHOLD_NATS_SERVER_BIN');
});
beforeEach(async () => {
  told = [];
  [database, server] = await Promise.all([createTestDatabase(), startNatsServer()]);
});
afterEach(async () => {
  await Promise.all(stopping.map((stop) => stop()));
  stopping = [];
  await Promise.all([database.drop(), server.destroy()]);
});

const brokerOptions = (): BrokerOptions => ({ ...server.events, stream: { retentionMs: HOUR_MS, maxBytes: 64 * 1024 * 1024 } });

/** In this process; answers how to stop it. */
function startRelay(options: Partial<RelayOptions> = {}): () => Promise<void> {
  const stop = new AbortController();
  const relay = new Relay({
    name: randomUUID(),
    pool: database.pool,
    databaseUrl: database.appUrl,
    broker: brokerOptions(),
    logger,
    metrics: new RelayMetrics(new Registry(), () => outboxLag(database.pool)),
    maximumAttempts: 3,
    retentionMs: HOUR_MS,
    ...options,
  });
  const running = relay.run(stop.signal);
  const end = async () => {
    stop.abort();
    await running;
  };
  stopping.push(end);
  return end;
}

async function until<Value>(what: string, read: () => Promise<Value>, done: (value: Value) => boolean): Promise<Value> {
  const endsAtMs = Date.now() + PATIENCE_MS;
  for (;;) {
    const value = await read();
    if (done(value)) return value;
    if (Date.now() > endsAtMs) throw new Error(`${what} did not happen; last seen: ${JSON.stringify(value)}`);
    await sleep(50);
  }
}

const drained = () =>
  until(
    'the outbox is empty',
    () => outboxLag(database.pool),
    (lag) => lag.waiting === 0,
  );

describe('relays', () => {
  it('two at once: each event is there once, and every resource’s in order, while more are written', async () => {
    startRelay();
    startRelay();
    const ids = await writeMany(database.pool, { resources: 200, revisions: 5 });
    await drained();
    const messages = await streamContent(server);
    expect(messages).toHaveLength(1_000);
    expect(disorder(messages, ids)).toEqual([]);
  });

  it('killed in mid-run: another one finishes its work, in order, and what was sent twice is there once', async () => {
    const [first, second] = await Promise.all([findFreePort(), findFreePort()]);
    const killed = await startRelayProcess({ database, events: server.events, metricsPort: first });
    const writing = writeMany(database.pool, { resources: 200, revisions: 4 });
    await until(
      'some are published',
      async () => (await killed.metrics()).match(/published_total (\d+)/)?.[1] ?? '0',
      (count) => Number(count) > 20,
    );
    killed.child.kill('SIGKILL');
    expect((await killed.exited).signal).toBe('SIGKILL');
    // What it had taken is its own until its lease ends, which is waited for; but not for all of its half minute.
    await database.pool.query(
      `UPDATE outbox_events SET next_attempt_at = next_attempt_at - interval '26 s' WHERE published_at IS NULL AND next_attempt_at > now()`,
    );
    const heir = await startRelayProcess({ database, events: server.events, metricsPort: second });
    const ids = await writing;
    await drained();
    expect(disorder(await streamContent(server), ids)).toEqual([]);
    heir.child.kill('SIGTERM');
    expect(await heir.exited).toEqual({ code: 0, signal: null });
    // Who was killed is still listed; who left in order is not.
    const { rows } = await database.pool.query('SELECT name FROM outbox_relays');
    expect(rows).toHaveLength(1);
  });

  it('killed between the publish and the mark: the same message id is sent again, and the broker keeps one', async () => {
    const resourceId = randomUUID();
    const id = await writeOutbox(database.pool, resourceId, 1);
    const broker = await Broker.open(brokerOptions());
    const { rows } = await database.pool.query('SELECT id, type, payload FROM outbox_events');
    const row = { ...rows[0], resourceId, revision: 1, attempts: 1, traceparent: null, createdAt: new Date() };
    expect(await broker.publish(row)).toEqual({ outcome: 'published', isDuplicate: false });
    await broker.close();
    startRelay();
    await drained();
    const messages = await streamContent(server);
    expect(messages.map(({ messageId }) => messageId)).toEqual([id]);
  });

  it('say what the event belongs to, in headers, and leave out what a header cannot carry', async () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const [good, bad] = [randomUUID(), randomUUID()];
    await writeOutbox(database.pool, good, 1, { requestId: 'request-1', traceparent });
    await writeOutbox(database.pool, bad, 1, { requestId: 'two\r\nlines', traceparent: 'none' });
    startRelay();
    await drained();
    const messages = await streamContent(server);
    const headers = (id: string) => messages.find(({ resourceId }) => resourceId === id)?.headers;
    expect(headers(good)).toMatchObject({ 'Leasehold-Request-Id': 'request-1', traceparent, 'Leasehold-Revision': '1' });
    expect(Object.keys(headers(bad) ?? {}).sort()).toEqual(['Leasehold-Resource-Id', 'Leasehold-Revision', 'Nats-Msg-Id']);
    expect(messages[0]?.subject).toBe('leasehold.events.v1.postgres.resource.updated');
    expect(messages[0]?.body).toMatchObject({ type: 'resource.updated', version: 1 });
  });
});

describe('a broker that is away', () => {
  it('costs no row an attempt, is asked seldom, and gets everything in order when it is back', async () => {
    startRelay();
    const before = await writeMany(database.pool, { resources: 5, revisions: 2 });
    await drained();
    // A first connection that a busy machine did not make in time was told too.
    told = [];
    await server.kill();
    const during = await writeMany(database.pool, { resources: 20, revisions: 3 });
    await until(
      'the relay says so',
      () => relayReadiness(database.pool).then(() => '', String),
      (said) => said.includes('away'),
    );
    await sleep(3_000);
    const { rows } = await database.pool.query('SELECT max(attempts) AS attempts FROM outbox_events WHERE published_at IS NULL');
    // None but those that were on their way when it went; theirs do not count either.
    expect(rows[0]?.attempts).toBeLessThanOrEqual(1);
    expect(await outboxLag(database.pool)).toMatchObject({ waiting: 60, deadLettered: 0 });
    expect(told.filter(({ message }) => message.includes('broker is away'))).toHaveLength(1);
    await server.start();
    await drained();
    expect(disorder(await streamContent(server), new Set([...before, ...during]))).toEqual([]);
    expect(
      await until(
        'ready again',
        () => relayReadiness(database.pool).catch(() => undefined),
        (report) => report !== undefined,
      ),
    ).toMatchObject({ status: 'ok' });
  });
});

describe('an event that the broker will never take', () => {
  it('is dead-lettered, holds back its own resource alone, and goes out in its turn once replayed', async () => {
    const [poisoned, healthy] = [randomUUID(), randomUUID()];
    const dead = await writeOutbox(database.pool, poisoned, 1, { type: 'resource.* >' });
    const behind = await writeOutbox(database.pool, poisoned, 2);
    const large = await writeOutbox(database.pool, randomUUID(), 1, { padding: 'x'.repeat(1_100_000) });
    const fine = await writeOutbox(database.pool, healthy, 1);
    startRelay();
    await until(
      'two are dead-lettered',
      () => outboxLag(database.pool),
      (lag) => lag.deadLettered === 2,
    );
    // Told once it is written.
    await until(
      'both are told',
      async () => told.filter(({ level, message }) => level === 'error' && message.includes('dead-lettered')),
      ({ length }) => length === 2,
    );
    const after = await writeOutbox(database.pool, healthy, 2);
    await until(
      'the healthy one goes on',
      () => outboxLag(database.pool),
      (lag) => lag.waiting === 1,
    );
    expect((await streamContent(server)).map(({ messageId }) => messageId)).toEqual([fine, after]);
    const letters = await listDeadLetters(database.pool, 10);
    expect(letters.map(({ id }) => id).sort()).toEqual([dead, large].sort());
    expect(letters.find(({ id }) => id === dead)).toMatchObject({ resourceId: poisoned, attempts: 3, waitingBehind: 1 });
    expect(letters.find(({ id }) => id === large)?.lastError).toMatch(/^larger than/);
    expect(await relayReadiness(database.pool)).toMatchObject({ status: 'degraded', detail: { dead_lettered: 2, waiting: 1 } });

    expect(await replayDeadLetter(database.pool, behind)).toBeNull();
    await database.pool.query(`UPDATE outbox_events SET type = 'resource.updated' WHERE id = $1`, [dead]);
    expect(await replayDeadLetter(database.pool, dead)).toEqual({ resourceId: poisoned });
    await drained();
    expect((await streamContent(server)).map(({ messageId }) => messageId)).toEqual([fine, after, dead, behind]);
    expect(await replayDeadLetter(database.pool, dead)).toBeNull();
  });
});

describe('without a broker', () => {
  it('nothing is published, the rows of the retention are kept, and the relay says so', async () => {
    await writeMany(database.pool, { resources: 3, revisions: 2 });
    await database.pool.query(`UPDATE outbox_events SET created_at = now() - interval '2 hours' WHERE revision = 1`);
    const end = startRelay({ broker: null });
    await until(
      'the old ones are gone',
      () => outboxLag(database.pool),
      (lag) => lag.waiting === 3,
    );
    const said = await until(
      'the relay has said that it is there',
      () => relayReadiness(database.pool).catch(() => undefined),
      (report) => report !== undefined,
    );
    expect(said).toMatchObject({ status: 'ok', detail: { broker: 'off', waiting: 3 } });
    await end();
    await expect(relayReadiness(database.pool)).rejects.toThrow(/no relay runs; 3 events wait/);
    startRelay();
    await drained();
    expect((await streamContent(server)).map(({ revision }) => revision)).toEqual([2, 2, 2]);
  });

  it('with one, only what was published goes after the retention', async () => {
    await writeMany(database.pool, { resources: 2, revisions: 1 });
    const dead = await writeOutbox(database.pool, randomUUID(), 1);
    await database.pool.query(`UPDATE outbox_events SET dead_lettered_at = now(), created_at = now() - interval '1 day' WHERE id = $1`, [
      dead,
    ]);
    startRelay({ timing: { pruneMs: 100 }, retentionMs: 1 });
    const left = await until(
      'the published are gone',
      async () => (await database.pool.query<{ id: string }>('SELECT id FROM outbox_events')).rows,
      (rows) => rows.length === 1,
    );
    expect(left).toEqual([{ id: dead }]);
  });
});

describe('the stream', () => {
  it('is made once by ten at once, brought up to date by whoever comes, and never emptied', async () => {
    const settings = brokerOptions();
    const open = async (maxBytes: number) => {
      const broker = await Broker.open({ ...settings, stream: { ...settings.stream, maxBytes } });
      await broker.close();
    };
    await Promise.all(Array.from({ length: 10 }, (_, index) => open((index % 3) * 1024 * 1024 + 8 * 1024 * 1024)));
    await writeOutbox(database.pool, randomUUID(), 1);
    startRelay();
    await drained();
    await Promise.all(Array.from({ length: 10 }, () => open(32 * 1024 * 1024)));
    expect(await streamContent(server)).toHaveLength(1);
    const { jwt, seed } = parseCreds(server.events.creds);
    const connection = await server.logIn({ nats_jwt: jwt, nats_nkey: seed });
    const { streams } = await jetstreamManager(connection, { checkAPI: false, timeout: 10_000 });
    const { config } = await streams.info(EVENT_STREAM);
    expect(config).toMatchObject({ storage: 'file', retention: 'limits', max_bytes: 32 * 1024 * 1024, max_age: HOUR_MS * 1e6 });
    expect(config.duplicate_window).toBe(120e9);
    // Not even the relay's own credentials can delete it.
    await expect(streams.delete(EVENT_STREAM)).rejects.toThrow(/Permissions Violation/);
    await expect(streams.purge(EVENT_STREAM)).rejects.toThrow(/Permissions Violation/);
    await connection.close();
  });
});
