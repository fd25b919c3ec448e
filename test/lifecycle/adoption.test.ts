// A run that was terminated, or forgotten, leaves a row; the next run for the same id takes it over and goes on from where it stands.
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import { createTransition } from '../../activities/platform/transition';
import type { TransitionAnswer, TransitionRequest } from '../../activities/platform/types';
import { resourceRowFromRecord, specFromRecord } from '../../shared/db';
import { LIFECYCLE_TASK_QUEUE, type ResourceSpec } from '../../shared/resourcetype';
import {
  extendUpdate,
  pauseUpdate,
  READY_UPDATE_ID,
  readyUpdate,
  resourceWorkflowId,
  resumeUpdate,
  rotateUpdate,
  suspendUpdate,
} from '../../workflows/resource/messages';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { createLifecycle, HOUR_MS, type Lifecycle, startResource, testSpec } from '../harness/lifecycle';
import { createRecordingBackend, type RecordingBackend, type Verb } from '../harness/recording-backend';
import { eventsOf, eventually, rowOf } from '../harness/rows';
import { breakDown, hold } from '../harness/stuck';
import { fastForward, skipToEnd, toTheMinute } from '../harness/time';

let database: TestDatabase;
let backend: RecordingBackend;
let lifecycle: Lifecycle;
let release = () => {};
/** Runs before each transition; a run that is held here is one whose worker stalls at the worst moment. */
let beforeTransition: (request: TransitionRequest) => Promise<void> = async () => undefined;
const transitions: { request: TransitionRequest; answer: TransitionAnswer }[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  backend = createRecordingBackend();
  lifecycle = await createLifecycle({ database, backend });
  await lifecycle.startWorkers({
    wrap: (activities) => ({
      ...activities,
      transition: async (request) => {
        await beforeTransition(request);
        const answer = await activities.transition(request);
        transitions.push({ request, answer });
        return answer;
      },
    }),
  });
});
afterEach(() => {
  release();
  release = () => {};
  backend.before = async () => undefined;
  beforeTransition = async () => undefined;
});
afterAll(async () => {
  await lifecycle.close();
  await database.drop();
});

const tenant = { actor: { type: 'anonymous', id: 'tenant' }, requestId: 'tenant-request' } as const;
const operator = { actor: { type: 'operator', id: 'op', role: 'platform_operator' }, requestId: 'operator-request' } as const;
const spec = () => testSpec({ policy: { ...testSpec().policy, graceMs: 12 * HOUR_MS } });
const typesOf = async (id: string) => (await eventsOf(database, id)).map((event) => event.type.replace('resource.', ''));
const statusOf = async (id: string) => (await rowOf(database, id)).status;

async function specOfRow(id: string): Promise<ResourceSpec> {
  return specFromRecord(await rowOf(database, id), { actor: { type: 'system', id: 'test' }, requestId: 'adoption' });
}

/** Starts the run that adopts, as the api's next command and the sweep do. */
async function adopt(id: string): Promise<WorkflowHandle> {
  return await lifecycle.client.workflow.start('resource', {
    workflowId: resourceWorkflowId(id),
    taskQueue: LIFECYCLE_TASK_QUEUE,
    args: [{ spec: await specOfRow(id) }],
    workflowIdReusePolicy: 'ALLOW_DUPLICATE',
  });
}

interface Stage {
  status: string;
  /** Takes a new resource there. */
  reach: (handle: WorkflowHandle, workflowId: string) => Promise<void>;
  facts: Record<string, unknown>;
}

const STAGES: Stage[] = [
  { status: 'active', reach: async () => undefined, facts: {} },
  {
    status: 'paused',
    reach: async (handle) => void (await handle.executeUpdate(pauseUpdate, { args: [tenant] })),
    facts: { paused_by_owner: true },
  },
  {
    status: 'suspended',
    reach: async (handle) => {
      await handle.executeUpdate(pauseUpdate, { args: [tenant] });
      await handle.executeUpdate(suspendUpdate, { args: [{ ...operator, reason: 'abuse' }] });
      await handle.executeUpdate(rotateUpdate, { args: [operator] });
    },
    facts: { paused_by_owner: true, suspended_reason: 'abuse', credential_version: 2, retiring_version: 1 },
  },
  {
    status: 'expired',
    reach: async (_handle, workflowId) => void (await fastForward(lifecycle.client, workflowId, 25 * HOUR_MS)),
    facts: { covered_ms: HOUR_MS },
  },
];

async function terminatedAt({ reach, status }: Pick<Stage, 'reach' | 'status'>): Promise<string> {
  const started = await startResource(lifecycle.client, spec());
  const id = started.answer.view.resourceId;
  await reach(started.handle, started.workflowId);
  expect(await statusOf(id)).toBe(status);
  await started.handle.terminate('test');
  return id;
}

describe('a new run for a row', () => {
  it.each(STAGES)('that is $status goes on from its revision with its facts, and the ladder with it', async (stage) => {
    const id = await terminatedAt(stage);
    const before = await rowOf(database, id);
    const handle = await adopt(id);
    const ready = await handle.executeUpdate(readyUpdate, { updateId: READY_UPDATE_ID });
    expect(ready.view).toMatchObject({ status: stage.status, revision: before.revision + 1 });
    const after = await rowOf(database, id);
    const { owner_run: _run, revision: _revision, updated_at: _updated, ...facts } = after;
    const { owner_run: ownerBefore, revision: revisionBefore, updated_at: _updatedBefore, ...factsBefore } = before;
    expect(facts).toEqual(factsBefore);
    expect(after).toMatchObject({ ...stage.facts, status: stage.status });
    expect(after.owner_run).not.toBe(ownerBefore);
    expect(after.revision).toBe(revisionBefore + 1);

    await skipToEnd(lifecycle.client, resourceWorkflowId(id));
    expect(await handle.result()).toEqual({ outcome: 'deleted' });
    const events = await eventsOf(database, id);
    expect(events.map((event) => event.revision)).toEqual(events.map((_, index) => index + 1));
    // Each rung once in the two runs together, at its hour.
    const rungs = events.filter((event) => event.type === 'resource.expiring').map((event) => event.data.rung);
    expect(rungs).toEqual(['6h', '2h', '1h']);
    expect(events.filter((event) => event.type === 'resource.expired')).toHaveLength(1);
    const hoursOf = (type: string) =>
      toTheMinute(((events.find((event) => event.type === type)?.occurred_at.getTime() ?? 0) - before.created_at.getTime()) / HOUR_MS);
    expect(hoursOf('resource.expired')).toBe(24);
    expect(hoursOf('resource.deleting')).toBe(36);
    expect(backend.objects.has(before.object_name)).toBe(false);
  });

  it('goes on in the middle of the ladder without repeating a rung', async () => {
    const id = await terminatedAt({
      status: 'active',
      reach: async (_handle, workflowId) => void (await fastForward(lifecycle.client, workflowId, 18.5 * HOUR_MS)),
    });
    const handle = await adopt(id);
    await handle.executeUpdate(readyUpdate, { updateId: READY_UPDATE_ID });
    await skipToEnd(lifecycle.client, resourceWorkflowId(id));
    await handle.result();
    expect(await typesOf(id)).toEqual([
      ...['reserved', 'active', 'expiring', 'adopted', 'expiring', 'expiring', 'expired', 'deleting', 'deleted'],
    ]);
  });

  it('takes commands, and keeps what was paused paused', async () => {
    const id = await terminatedAt(STAGES[1] as Stage);
    const handle = await adopt(id);
    await handle.executeUpdate(extendUpdate, { args: [{ ...tenant, ttlMs: HOUR_MS }] });
    expect(await statusOf(id)).toBe('paused');
    await handle.executeUpdate(resumeUpdate, { args: [tenant] });
    expect(await typesOf(id)).toEqual(['reserved', 'active', 'paused', 'adopted', 'extended', 'resumed']);
  });

  it.each(['provision', 'deprovision'] satisfies Verb[])('that was left in the middle of %s brings it to its end', async (verb) => {
    const held = hold(backend, verb);
    release = held.release;
    const fresh = spec();
    const starting = startResource(lifecycle.client, fresh);
    starting.catch(() => undefined);
    const first = lifecycle.client.workflow.getHandle(resourceWorkflowId(fresh.resourceId));
    if (verb === 'deprovision') {
      await starting;
      await first.signal('delete', { ...tenant, reason: 'by owner' });
    }
    await held.reached;
    await first.terminate('test');
    held.release();
    backend.before = async () => undefined;
    const handle = await adopt(fresh.resourceId);
    if (verb === 'provision') {
      const ready = await handle.executeUpdate(readyUpdate, { updateId: READY_UPDATE_ID });
      expect(ready.view.status).toBe('active');
      expect(await typesOf(fresh.resourceId)).toEqual(['reserved', 'adopted', 'active']);
    } else {
      expect(await handle.result()).toEqual({ outcome: 'deleted' });
      expect(await typesOf(fresh.resourceId)).toEqual(['reserved', 'active', 'deleting', 'adopted', 'deleted']);
      expect(backend.objects.has((await rowOf(database, fresh.resourceId)).object_name)).toBe(false);
    }
  });

  it('that could not be deleted goes on deleting it', async () => {
    const broken = breakDown(backend, 'deprovision');
    const id = await terminatedAt({
      status: 'delete_failed',
      reach: async (handle, workflowId) => {
        await handle.signal('delete');
        // Eight attempts take a minute and a half; the next round begins a minute later.
        await fastForward(lifecycle.client, workflowId, 130_000);
      },
    });
    const handle = await adopt(id);
    broken.repair();
    expect(await handle.result()).toEqual({ outcome: 'deleted' });
    expect((await typesOf(id)).slice(-3)).toEqual(['adopted', 'deleting', 'deleted']);
  });

  it.each(['deleted', 'failed'])('that is %s closes at once and writes nothing', async (status) => {
    const started = await startResource(lifecycle.client, spec());
    const id = started.answer.view.resourceId;
    await started.handle.signal('delete');
    await started.handle.result();
    await database.pool.query('UPDATE resources SET status = $2 WHERE id = $1', [id, status]);
    const before = await eventsOf(database, id);
    const calls = backend.calls.length;
    const handle = await adopt(id);
    expect(await handle.result()).toEqual({ outcome: status === 'failed' ? 'failed' : 'deleted' });
    expect(await eventsOf(database, id)).toEqual(before);
    expect(backend.calls.length).toBe(calls);
  });
});

describe('a delete', () => {
  it.each(STAGES)('of what is $status works after the workflow was terminated', async (stage) => {
    const id = await terminatedAt(stage);
    const handle = await lifecycle.client.workflow.signalWithStart('resource', {
      workflowId: resourceWorkflowId(id),
      taskQueue: LIFECYCLE_TASK_QUEUE,
      args: [{ spec: await specOfRow(id) }],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'USE_EXISTING',
      signal: 'delete',
      signalArgs: [{ ...tenant, reason: 'by owner' }],
    });
    expect(await handle.result()).toEqual({ outcome: 'deleted' });
    expect((await typesOf(id)).slice(-3)).toEqual(['adopted', 'deleting', 'deleted']);
    expect(backend.objects.has((await rowOf(database, id)).object_name)).toBe(false);
  });
});

describe('two runs', () => {
  it('never both write: what the former one still had under way is superseded', async () => {
    const { handle: first, answer } = await startResource(lifecycle.client, spec());
    const id = answer.view.resourceId;
    const oldRun = (await rowOf(database, id)).owner_run;
    let reach = () => {};
    const reached = new Promise<void>((resolve) => {
      reach = resolve;
    });
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    beforeTransition = async (request) => {
      if (request.ownerRun !== oldRun) return;
      reach();
      await released;
    };
    await first.signal('extend', { ttl: '5h', commandId: 'late' });
    await reached;
    await first.terminate('test');
    const second = await adopt(id);
    await second.executeUpdate(pauseUpdate, { args: [tenant] });
    const before = await rowOf(database, id);
    release();
    const late = () => transitions.filter(({ request }) => request.ownerRun === oldRun && request.event.type === 'resource.extended');
    await eventually(
      async () => late().map(({ answer: told }) => told.outcome),
      (outcomes) => outcomes.length > 0,
    );
    expect(new Set(late().map(({ answer: told }) => told.outcome))).toEqual(new Set(['superseded']));
    expect(await rowOf(database, id)).toEqual(before);
    expect(await typesOf(id)).toEqual(['reserved', 'active', 'adopted', 'paused']);
    await second.executeUpdate(resumeUpdate, { args: [tenant] });
    expect(await statusOf(id)).toBe('active');
  });

  it('a run whose row was taken over ends by itself, without touching the backend', async () => {
    const { handle, answer } = await startResource(lifecycle.client, spec());
    const id = answer.view.resourceId;
    await database.pool.query(`UPDATE resources SET owner_run = 'another' WHERE id = $1`, [id]);
    const before = await rowOf(database, id);
    await handle.signal('delete');
    expect(await handle.result()).toEqual({ outcome: 'superseded' });
    expect(await rowOf(database, id)).toEqual(before);
    expect(backend.verbsOf(before.object_name)).toEqual(['provision']);
  });

  it('what an attempt of the run did before its worker died, and could not tell, is not done again', async () => {
    const { handle, answer } = await startResource(lifecycle.client, spec());
    const id = answer.view.resourceId;
    const record = await rowOf(database, id);
    const row = resourceRowFromRecord(record);
    await createTransition({ pool: database.pool, notify: () => undefined })({
      ownerRun: record.owner_run,
      row: { ...row, revision: 3, expiresAtMs: (row.expiresAtMs ?? 0) + HOUR_MS },
      event: { type: 'resource.extended', data: { expires_at: null, previous_expires_at: null } },
      ...tenant,
      commandId: 'lost',
      atMs: row.createdAtMs,
    });
    // Another command comes first and finds the row elsewhere; then the lost one is sent again, under another update.
    await handle.executeUpdate(pauseUpdate, { args: [tenant] });
    expect(await handle.executeUpdate(extendUpdate, { args: [{ ...tenant, ttlMs: HOUR_MS, commandId: 'lost' }] })).toMatchObject({
      applied: true,
    });
    expect(await typesOf(id)).toEqual(['reserved', 'active', 'extended', 'paused']);
    const after = await rowOf(database, id);
    expect((after.expires_at?.getTime() ?? 0) - (record.expires_at?.getTime() ?? 0)).toBe(HOUR_MS);
    // The same request id does not make two commands one.
    await handle.executeUpdate(extendUpdate, { args: [{ ...tenant, ttlMs: HOUR_MS, commandId: 'another' }] });
    expect(await typesOf(id)).toEqual(['reserved', 'active', 'extended', 'paused', 'extended']);
  });

  it('a row that a restore of the database put back is gone on from, not waited for', async () => {
    const { handle, answer } = await startResource(lifecycle.client, spec());
    const id = answer.view.resourceId;
    await handle.executeUpdate(pauseUpdate, { args: [tenant] });
    await database.pool.query(
      `UPDATE resources SET status = 'active', paused_by_owner = false, paused_at = NULL, revision = 2 WHERE id = $1`,
      [id],
    );
    const owner = new (await import('pg')).default.Client({ connectionString: database.ownerUrl });
    await owner.connect();
    await owner.query('DELETE FROM resource_events WHERE resource_id = $1 AND revision > 2', [id]);
    await owner.query('DELETE FROM outbox_events WHERE resource_id = $1 AND revision > 2', [id]);
    await owner.query(`DELETE FROM audit_logs WHERE target_id = $1::text AND action = 'resource.paused'`, [id]);
    await owner.end();
    await handle.executeUpdate(extendUpdate, { args: [{ ...tenant, ttlMs: HOUR_MS }] });
    expect(await rowOf(database, id)).toMatchObject({ status: 'active', revision: 3 });
    expect(await typesOf(id)).toEqual(['reserved', 'active', 'extended']);
  });
});
