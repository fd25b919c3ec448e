// The move from an open server to an account of its own, when a server of it is down or a worker lost: everything else goes on.
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { createTransition } from '../../activities/platform/transition';
import type { ResourceEventDraft } from '../../activities/platform/types';
import { resourceRowFromRecord } from '../../shared/db';
import type { ResourceMove, ResourceSpec } from '../../shared/resourcetype';
import { extendUpdate, isolateUpdate, pauseUpdate, rotateUpdate, updateUpdate } from '../../workflows/resource/messages';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { createLifecycle, HOUR_MS, type Lifecycle, startResource, testSpec } from '../harness/lifecycle';
import { createRecordingBackend, type RecordingBackend } from '../harness/recording-backend';
import { eventsOf, eventually, rowOf } from '../harness/rows';
import { breakDown } from '../harness/stuck';
import { fastForward } from '../harness/time';

const { policy } = testSpec();
const operator = { actor: { type: 'operator', id: 'op', role: 'platform_operator' }, requestId: 'operator-request' } as const;
const MINUTE_MS = 60_000;

let database: TestDatabase;
let backend: RecordingBackend;
let lifecycle: Lifecycle;
let copy: () => Promise<{ auth_mode: string }>;
let copies = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  backend = createRecordingBackend();
  lifecycle = await createLifecycle({ database, backend });
  await lifecycle.startWorkers({
    wrap: (known) => ({
      ...known,
      chooseIsolation: async () => ({ outcome: 'target', backendName: database.backendName }),
      copyToIsolated: async () => {
        copies += 1;
        return await copy();
      },
    }),
  });
});
beforeEach(() => {
  copies = 0;
  copy = async () => ({ auth_mode: 'isolated' });
});
afterEach(() => {
  backend.before = async () => undefined;
});
afterAll(async () => {
  await lifecycle.close();
  await database.drop();
});

const start = async (changes: Partial<ResourceSpec> = {}) => {
  const spec = testSpec(changes);
  const { handle, workflowId } = await startResource(lifecycle.client, spec);
  const { object_name: objectName } = await rowOf(database, spec.resourceId);
  return { id: spec.resourceId, handle, workflowId, objectName };
};
const typesOf = async (id: string) => (await eventsOf(database, id)).map((event) => event.type.replace('resource.', ''));
const has = async (id: string, type: string) =>
  await eventually(
    () => typesOf(id),
    (types) => types.includes(type),
  );
const isolate = (handle: WorkflowHandle, commandId: string = randomUUID()) =>
  handle.executeUpdate(isolateUpdate, { args: [{ ...operator, commandId }] });
const end = async (handle: WorkflowHandle) => {
  await handle.signal('delete');
  await handle.result();
};
const refusesToCopy = async () => {
  throw ApplicationFailure.nonRetryable('stream orders is kept in memory', 'invalid_request');
};

describe('while the open server is down', () => {
  it('the move is done, every command is carried out, and what is left there goes when it is back', async () => {
    const { id, handle, workflowId } = await start();
    const broken = breakDown(backend, 'deprovision');
    expect(await isolate(handle)).toMatchObject({ applied: true });
    expect(await handle.executeUpdate(pauseUpdate, { args: [operator] })).toMatchObject({ applied: true });
    expect(await handle.executeUpdate(extendUpdate, { args: [{ ...operator, ttlMs: HOUR_MS }] })).toMatchObject({ applied: true });
    expect(await handle.executeUpdate(rotateUpdate, { args: [operator] })).toMatchObject({ applied: true });
    expect((await rowOf(database, id)).moving).toMatchObject({ phase: 'leaving' });
    broken.repair();
    await fastForward(lifecycle.client, workflowId, MINUTE_MS);
    await has(id, 'open_streams_removed');
    expect((await rowOf(database, id)).moving).toBeNull();
    expect(copies).toBe(1);
    await end(handle);
  });

  it('old credentials end when it was said, and the expiry cuts when it is due', async () => {
    const [ttlMs, rotationGraceMs] = [12 * MINUTE_MS, 5 * MINUTE_MS];
    const { id, handle, workflowId } = await start({ ttlMs, policy: { ...policy, ttlMs, rungsMs: [], rotationGraceMs, graceMs: HOUR_MS } });
    breakDown(backend, 'deprovision');
    await isolate(handle);
    await handle.executeUpdate(rotateUpdate, { args: [operator] });
    await fastForward(lifecycle.client, workflowId, 6 * MINUTE_MS);
    await has(id, 'credentials_retired');
    expect((await rowOf(database, id)).moving).toMatchObject({ phase: 'leaving' });
    await fastForward(lifecycle.client, workflowId, 7 * MINUTE_MS);
    await has(id, 'expired');
    const events = await eventsOf(database, id);
    const atMs = (type: string) => events.find((event) => event.type === `resource.${type}`)?.occurred_at.getTime() ?? 0;
    expect(atMs('credentials_retired') - atMs('credentials_rotated')).toBeLessThan(rotationGraceMs + MINUTE_MS / 2);
    expect(atMs('expired') - (await rowOf(database, id)).created_at.getTime()).toBeLessThan(ttlMs + MINUTE_MS / 2);
    backend.before = async () => undefined;
    await end(handle);
  });
});

describe('a move that is given up', () => {
  it('says why, to whoever asked and in its event', async () => {
    const { id, handle } = await start();
    copy = refusesToCopy;
    await expect(isolate(handle)).rejects.toMatchObject({
      cause: { type: 'invalid_request', message: expect.stringContaining('stream orders') },
    });
    await has(id, 'copy_removed');
    const events = await eventsOf(database, id);
    expect(events.map((event) => event.type.replace('resource.', ''))).toEqual([
      'reserved',
      'active',
      'isolating',
      'isolation_abandoned',
      'copy_removed',
    ]);
    expect(events[3]?.data).toEqual({ code: 'invalid_request', message: 'stream orders is kept in memory' });
    await end(handle);
  });

  it('takes writes again though the target is down, copies no more, and lets every command through', async () => {
    const { id, handle, workflowId, objectName } = await start();
    copy = refusesToCopy;
    const broken = breakDown(backend, 'deprovision');
    await expect(isolate(handle)).rejects.toMatchObject({ cause: { type: 'invalid_request' } });
    // Once before the row keeps late attempts from copying, and once after it.
    const verbs = backend.verbsOf(objectName);
    expect(verbs.indexOf('setReadOnly')).toBe(1);
    await eventually(
      async () => backend.verbsOf(objectName).slice(1, 4),
      (first) => first.length === 3,
    );
    expect(backend.verbsOf(objectName).slice(0, 4)).toEqual(['provision', 'setReadOnly', 'setReadOnly', 'deprovision']);
    expect(await handle.executeUpdate(updateUpdate, { args: [{ ...operator, name: 'renamed' }] })).toMatchObject({ applied: true });
    await expect(isolate(handle)).rejects.toMatchObject({ cause: { type: 'temporarily_unavailable' } });
    expect((await rowOf(database, id)).moving).toMatchObject({ phase: 'abandoning' });
    expect(copies).toBe(1);
    broken.repair();
    copy = async () => ({ auth_mode: 'isolated' });
    expect(await isolate(handle)).toMatchObject({ applied: true });
    await fastForward(lifecycle.client, workflowId, MINUTE_MS);
    await has(id, 'open_streams_removed');
    await end(handle);
  });
});

describe('what a lost attempt wrote', () => {
  /** As an attempt does it whose workflow task is then lost: the row is further than the run that has it knows. */
  async function lose(id: string, commandId: string, moving: ResourceMove, event: ResourceEventDraft): Promise<void> {
    const record = await rowOf(database, id);
    const row = resourceRowFromRecord(record);
    await createTransition({ pool: database.pool, notify: () => undefined })({
      ownerRun: record.owner_run,
      row: { ...row, revision: row.revision + 1, moving },
      event,
      ...operator,
      commandId,
      atMs: Date.now(),
    });
  }

  it('is a refusal where the move was abandoned', async () => {
    const { id, handle } = await start();
    const moving: ResourceMove = { phase: 'abandoning', backendName: database.backendName };
    await lose(id, 'lost', moving, { type: 'resource.isolation_abandoned', data: { code: 'invalid_request', message: 'in memory' } });
    await expect(isolate(handle, 'lost')).rejects.toMatchObject({ cause: { type: 'invalid_request', message: 'in memory' } });
    expect(copies).toBe(0);
    await end(handle);
  });

  it('names the command only where it says what became of it', async () => {
    const { id, handle } = await start();
    copy = refusesToCopy;
    // The event that begins it does not name the command: found again, it answers nothing.
    await expect(isolate(handle, 'begun')).rejects.toMatchObject({ cause: { type: 'invalid_request' } });
    const { rows } = await database.pool.query<{ type: string; command: string | null }>(
      `SELECT e.type, a.data ->> 'command_id' AS command FROM resource_events e JOIN audit_logs a ON a.id = e.id
        WHERE e.resource_id = $1 AND e.type LIKE 'resource.isol%' ORDER BY e.revision`,
      [id],
    );
    expect(rows).toEqual([
      { type: 'resource.isolating', command: null },
      { type: 'resource.isolation_abandoned', command: 'begun' },
    ]);
    await end(handle);
  });
});
