// The second door to a row, on the real database: all of a transition or nothing of it, once, by the owner alone.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Keyring } from '../../shared/crypto';
import { resourceEventId } from '../../shared/events';
import type { ResourceRow } from '../../shared/resourcetype';
import { createTestDatabase, type TestDatabase } from '../../test/harness/database';
import { TEST_KEYRING, testSpec } from '../../test/harness/lifecycle';
import { eventsOf, rowOf } from '../../test/harness/rows';
import { createPlatformActivities } from './index';
import type { PlatformActivities, TransitionRequest } from './types';

const STARTED_AT = Date.UTC(2026, 4, 1, 12);
const SYSTEM = { type: 'system', id: 'lifecycle' } as const;

let database: TestDatabase;
let platform: PlatformActivities;

beforeAll(async () => {
  database = await createTestDatabase();
  const { pool, installationId } = database;
  platform = createPlatformActivities({
    pool,
    keyring: Keyring.parse(TEST_KEYRING),
    installationId,
    poolTemplateOf: () => 'template0',
  });
});
afterAll(async () => {
  await database.drop();
});

async function reserved(): Promise<ResourceRow> {
  const request = { spec: testSpec(), ownerRun: 'run-1', workflowStartedAtMs: STARTED_AT, expiresAtMs: STARTED_AT + 86_400_000 };
  const answer = await platform.reserve(request);
  if (answer.outcome !== 'created') throw new Error(answer.outcome);
  return answer.row;
}

function change(
  row: ResourceRow,
  patch: Partial<ResourceRow>,
  type: TransitionRequest['event']['type'],
  rest: Partial<TransitionRequest> = {},
): TransitionRequest {
  return {
    ownerRun: 'run-1',
    row: { ...row, ...patch, revision: row.revision + 1 },
    // No statement looks into the data, but for what a test gives itself.
    event: { type, data: {} } as TransitionRequest['event'],
    actor: SYSTEM,
    requestId: null,
    commandId: null,
    atMs: STARTED_AT + 1000,
    ...rest,
  };
}

async function numberOf(table: string, column: string, id: string): Promise<number> {
  const { rows } = await database.pool.query(`SELECT 1 FROM ${table} WHERE ${column}::text = $1`, [id]);
  return rows.length;
}

describe('a transition', () => {
  it('is one row, event, outbox row and audit row', async () => {
    const row = await reserved();
    const id = row.resourceId;
    const request = change(row, { status: 'active' }, 'resource.active', { requestId: 'r-1' });
    expect(await platform.transition(request)).toEqual({ outcome: 'written' });
    const [, event] = await eventsOf(database, id);
    expect(event).toMatchObject({ id: resourceEventId(id, 2), type: 'resource.active', status: 'active', revision: 2, request_id: 'r-1' });
    const outbox = await database.pool.query('SELECT id, payload FROM outbox_events WHERE resource_id = $1 AND revision = 2', [id]);
    expect(outbox.rows[0]).toMatchObject({
      id: resourceEventId(id, 2),
      payload: { type: 'resource.active', revision: 2, status: 'active' },
    });
    expect(await numberOf('audit_logs', 'target_id', id)).toBe(2);
    expect(await rowOf(database, id)).toMatchObject({ status: 'active', revision: 2, updated_at: new Date(STARTED_AT + 1000) });
  });

  it('repeated, also at once, is written once, and every repeat is told so', async () => {
    const row = await reserved();
    const request = change(row, { status: 'active' }, 'resource.active');
    const answers = await Promise.all(Array.from({ length: 10 }, () => platform.transition(request)));
    expect(answers.map((answer) => answer.outcome)).toEqual(Array(10).fill('written'));
    expect(await numberOf('resource_events', 'resource_id', row.resourceId)).toBe(2);
    expect(await numberOf('outbox_events', 'resource_id', row.resourceId)).toBe(2);
    expect(await numberOf('audit_logs', 'target_id', row.resourceId)).toBe(2);
  });

  it('repeated a moment later gives the facts as they were stored', async () => {
    const row = await reserved();
    await platform.transition(change(row, { status: 'active', coveredMs: 1000 }, 'resource.active'));
    const answer = await platform.transition(change(row, { status: 'active', coveredMs: 999 }, 'resource.active'));
    expect(answer).toMatchObject({ outcome: 'written', row: { coveredMs: 1000, revision: 2 } });
  });

  it('another one at the same revision gives the row as it stands, and writes nothing', async () => {
    const row = await reserved();
    await platform.transition(change(row, { status: 'active' }, 'resource.active'));
    const active = (await platform.transition(change(row, {}, 'resource.deleting'))) as { outcome: string; row: ResourceRow };
    expect(active).toMatchObject({
      outcome: 'moved',
      row: { status: 'active', revision: 2 },
      events: [{ type: 'resource.active', commandId: null, data: {} }],
    });
    await platform.transition(change(active.row, { pausedByOwner: true, status: 'paused' }, 'resource.paused', { commandId: 'a' }));
    // The same type for another command is another event.
    const other = change(active.row, { pausedByOwner: true, status: 'paused' }, 'resource.paused', { commandId: 'b' });
    expect(await platform.transition(other)).toMatchObject({
      outcome: 'moved',
      events: [{ type: 'resource.paused', commandId: 'a', data: {} }],
    });
    // A row that is behind what the run remembers, as after a restore of the database.
    expect(await platform.transition(change({ ...active.row, revision: 40 }, {}, 'resource.expiring'))).toMatchObject({
      outcome: 'moved',
      row: { revision: 3 },
      events: [],
    });
    expect(await numberOf('resource_events', 'resource_id', row.resourceId)).toBe(3);
  });

  it('by a run that does not own the row is superseded, and so is one of a row that is gone', async () => {
    const row = await reserved();
    const request = change(row, { status: 'active' }, 'resource.active', { ownerRun: 'run-0' });
    expect(await platform.transition(request)).toEqual({ outcome: 'superseded' });
    expect(await rowOf(database, row.resourceId)).toMatchObject({ status: 'pending', revision: 1 });
    expect(await numberOf('resource_events', 'resource_id', row.resourceId)).toBe(1);
    const nowhere = change({ ...row, resourceId: randomUUID() }, {}, 'resource.active');
    expect(await platform.transition(nowhere)).toEqual({ outcome: 'superseded' });
  });

  it('of two runs at once only the owner writes', async () => {
    const row = await reserved();
    const attempts = Array.from({ length: 20 }, (_, index) =>
      platform.transition(change(row, { status: 'active' }, 'resource.active', { ownerRun: index % 2 === 0 ? 'run-1' : 'run-2' })),
    );
    const answers = (await Promise.all(attempts)).map((answer) => answer.outcome);
    expect(answers.filter((_, index) => index % 2 === 1)).toEqual(Array(10).fill('superseded'));
    expect(answers.filter((_, index) => index % 2 === 0)).toEqual(Array(10).fill('written'));
  });

  it('fails for good, and whole, when the database will never take it', async () => {
    const row = await reserved();
    const claim = change(row, { owner: { type: 'team', teamId: randomUUID() } }, 'resource.claimed');
    await expect(platform.transition(claim)).rejects.toMatchObject({ nonRetryable: true, type: 'internal_error' });
    const named = change(row, { name: 'a\u0000b' }, 'resource.updated');
    await expect(platform.transition(named)).rejects.toMatchObject({ nonRetryable: true });
    expect(await numberOf('resource_events', 'resource_id', row.resourceId)).toBe(1);
    expect(await rowOf(database, row.resourceId)).toMatchObject({ revision: 1 });
  });

  it('to deleted retires the name and drops every credential and the warm item', async () => {
    const row = await reserved();
    await database.pool.query(
      `INSERT INTO pool_items (object_name, backend_name, kind, template, server_version, state, claimed_by)
       VALUES ($1, $2, 'postgres', 'template0', 'test', 'claimed', $3)`,
      [row.objectName, row.backendName, row.resourceId],
    );
    await platform.prepareCredential({ resourceId: row.resourceId, version: 2 });
    expect(await numberOf('resource_credentials', 'resource_id', row.resourceId)).toBe(2);
    await platform.transition(change(row, { status: 'deleted' }, 'resource.deleted'));
    expect(await numberOf('resource_credentials', 'resource_id', row.resourceId)).toBe(0);
    expect(await numberOf('retired_names', 'object_name', row.objectName)).toBe(1);
    expect(await numberOf('pool_items', 'object_name', row.objectName)).toBe(0);
  });

  it('keeps the credential that is being retired, and drops it once it is', async () => {
    const row = { ...(await reserved()), status: 'active' as const };
    const id = row.resourceId;
    await platform.transition(change(row, {}, 'resource.active'));
    const versions = async () =>
      (
        await database.pool.query<{ version: number }>('SELECT version FROM resource_credentials WHERE resource_id = $1 ORDER BY 1', [id])
      ).rows.map((stored) => stored.version);
    await platform.prepareCredential({ resourceId: id, version: 2 });
    const rotated = { credentialVersion: 2, retiring: { version: 1, untilMs: STARTED_AT + 5000 } };
    await platform.transition(change({ ...row, revision: 2 }, rotated, 'resource.credentials_rotated'));
    expect(await versions()).toEqual([1, 2]);
    await platform.transition(change({ ...row, ...rotated, revision: 3 }, { retiring: null }, 'resource.credentials_retired'));
    expect(await versions()).toEqual([2]);
  });

  it('writes a refusal as denied, and the reason of a failure into the row', async () => {
    const row = await reserved();
    const refusal = change(row, {}, 'resource.command_refused');
    await platform.transition(refusal);
    const audit = await database.pool.query('SELECT result FROM audit_logs WHERE id = $1', [resourceEventId(row.resourceId, 2)]);
    expect(audit.rows).toEqual([{ result: 'denied' }]);
    const failed = change({ ...row, revision: 2 }, { status: 'failed' }, 'resource.failed');
    await platform.transition({ ...failed, event: { type: 'resource.failed', data: { code: 'no_capacity', message: 'full' } } });
    expect(await rowOf(database, row.resourceId)).toMatchObject({ status: 'failed', failure_code: 'no_capacity', failure_message: 'full' });
  });

  it('tells who listens', async () => {
    const row = await reserved();
    const client = await database.pool.connect();
    try {
      const heard: string[] = [];
      client.on('notification', (message) => heard.push(message.payload ?? ''));
      await client.query('LISTEN resource_events');
      await platform.transition(change(row, { status: 'active' }, 'resource.active'));
      for (let attempt = 0; attempt < 3_000 && !heard.includes(row.resourceId); attempt += 1) await client.query('SELECT pg_sleep(0.02)');
      expect(heard).toContain(row.resourceId);
    } finally {
      client.release(true);
    }
  });
});

describe('a credential version', () => {
  it('is made once, whoever asks', async () => {
    const row = await reserved();
    await Promise.all(Array.from({ length: 10 }, () => platform.prepareCredential({ resourceId: row.resourceId, version: 2 })));
    const read = () =>
      database.pool.query('SELECT username, password_encrypted FROM resource_credentials WHERE resource_id = $1 AND version = 2', [
        row.resourceId,
      ]);
    const first = (await read()).rows;
    expect(first).toMatchObject([{ username: `${row.objectName}_2` }]);
    await platform.prepareCredential({ resourceId: row.resourceId, version: 2 });
    expect((await read()).rows).toEqual(first);
  });
});
