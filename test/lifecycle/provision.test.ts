// From the call to `ready`, and every way in which it does not come to that: nothing may be left, no waiter may hang.
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { WithStartWorkflowOperation, type WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { ResourceSpec } from '../../shared/resourcetype';
import { LIFECYCLE_TASK_QUEUE } from '../../shared/resourcetype';
import { READY_UPDATE_ID, readyUpdate, resourceWorkflowId } from '../../workflows/resource/messages';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { createLifecycle, HOUR_MS, type Lifecycle, startResource, testSpec } from '../harness/lifecycle';
import { createRecordingBackend, type RecordingBackend } from '../harness/recording-backend';
import { eventsOf, eventually, rowOf } from '../harness/rows';
import { breakDown, hold } from '../harness/stuck';
import { fastForward, skipToEnd } from '../harness/time';

const DAY_MS = 24 * HOUR_MS;

let database: TestDatabase;
let backend: RecordingBackend;
let lifecycle: Lifecycle;
let release = () => {};

beforeAll(async () => {
  database = await createTestDatabase();
  backend = createRecordingBackend();
  lifecycle = await createLifecycle({ database, backend });
  await lifecycle.startWorkers();
});
afterEach(() => {
  release();
  release = () => {};
  backend.before = async () => undefined;
});
afterAll(async () => {
  await lifecycle.close();
  await database.drop();
});

const code = (type: string) => ({ cause: { type } });
const typesOf = async (id: string) => (await eventsOf(database, id)).map((event) => event.type.replace('resource.', ''));
const statusOf = async (id: string) => (await rowOf(database, id)).status;
const handleOf = (spec: ResourceSpec): WorkflowHandle => lifecycle.client.workflow.getHandle(resourceWorkflowId(spec.resourceId));
const anonymous = () => ({ type: 'anonymous', fingerprint: randomUUID(), addressHash: 'a' }) as const;

async function heldSlots(spec: ResourceSpec): Promise<number> {
  if (spec.owner.type === 'team') throw new Error('anonymous only');
  const { rows } = await database.pool.query(
    `SELECT 1 FROM resources WHERE owner_fingerprint = $1 AND status NOT IN ('deleted', 'failed')`,
    [spec.owner.fingerprint],
  );
  return rows.length;
}

async function addWarmItem(): Promise<string> {
  const name = `lhwarm_${randomUUID()}`;
  await database.pool.query(
    `INSERT INTO pool_items (object_name, backend_name, kind, template, server_version, state)
     VALUES ($1, $2, 'postgres', 'template0', 'test', 'ready')`,
    [name, database.backendName],
  );
  return name;
}

async function addTeam(): Promise<string> {
  const teamId = randomUUID();
  await database.pool.query(`INSERT INTO teams (id, name, tier) VALUES ($1, 'team', 'pro')`, [teamId]);
  return teamId;
}

describe('ready', () => {
  it('is one update for any number of waiters, and answers them all alike', async () => {
    const spec = testSpec();
    const started = await Promise.all(Array.from({ length: 30 }, () => startResource(lifecycle.client, spec)));
    expect(new Set(started.map(({ answer }) => JSON.stringify(answer))).size).toBe(1);
    expect(started[0]?.answer).toMatchObject({ fromPool: false, view: { status: 'active', revision: 2 } });
    const { events } = await handleOf(spec).fetchHistory();
    expect(events?.filter((event) => event.workflowExecutionUpdateAcceptedEventAttributes)).toHaveLength(1);
    expect(await typesOf(spec.resourceId)).toEqual(['reserved', 'active']);
  });

  it('of a resource that lives already answers at once', async () => {
    const spec = testSpec();
    await startResource(lifecycle.client, spec);
    expect(await handleOf(spec).executeUpdate(readyUpdate, { updateId: randomUUID() })).toMatchObject({ view: { status: 'active' } });
  });
});

describe('a provision that fails', () => {
  it('for good: the waiter hears at once, the status waits until everything is unmade, then the slot is free', async () => {
    const spec = testSpec({ owner: anonymous(), quota: { kindCount: 1, provisionsPerDay: -1 } });
    let unmade = () => {};
    const unmaking = new Promise<void>((resolve) => {
      unmade = resolve;
    });
    release = unmade;
    backend.before = async (verb, objectName) => {
      // It took effect before it failed.
      if (verb === 'provision') {
        backend.objects.set(objectName, { cut: false });
        throw ApplicationFailure.nonRetryable('disk full on 10.0.0.1', 'DiskFull');
      }
      if (verb === 'deprovision') await unmaking;
    };
    await expect(startResource(lifecycle.client, spec)).rejects.toMatchObject({
      cause: { type: 'provision_failed', message: expect.not.stringContaining('10.0.0.1') },
    });
    const row = await rowOf(database, spec.resourceId);
    expect(row.status).toBe('pending');
    expect(await heldSlots(spec)).toBe(1);
    // Whoever comes now, before the end, hears the same.
    await expect(handleOf(spec).executeUpdate(readyUpdate, { updateId: randomUUID() })).rejects.toMatchObject(code('provision_failed'));
    unmade();
    expect(await handleOf(spec).result()).toEqual({ outcome: 'failed' });
    expect(await rowOf(database, spec.resourceId)).toMatchObject({ status: 'failed', failure_code: 'provision_failed' });
    expect(backend.objects.has(row.object_name)).toBe(false);
    expect(backend.verbsOf(row.object_name)).toEqual(['provision', 'deprovision']);
    expect(await heldSlots(spec)).toBe(0);
    expect(await typesOf(spec.resourceId)).toEqual(['reserved', 'failed']);
  });

  it('with a code of the catalogue passes it on', async () => {
    backend.before = async (verb) => {
      if (verb === 'provision') throw ApplicationFailure.nonRetryable('no vector here', 'service_disabled');
    };
    await expect(startResource(lifecycle.client, testSpec())).rejects.toMatchObject(code('service_disabled'));
  });

  it('for a while is tried again; for ten minutes is given up', async () => {
    const spec = testSpec();
    breakDown(backend, 'provision');
    const waiting = startResource(lifecycle.client, spec);
    waiting.catch(() => undefined);
    await eventually(
      async () => backend.calls.filter((call) => (call.argument as { resourceId: string }).resourceId === spec.resourceId),
      (calls) => calls.length > 0,
    );
    expect(await fastForward(lifecycle.client, resourceWorkflowId(spec.resourceId), 300_000)).toBe(true);
    expect(await statusOf(spec.resourceId)).toBe('pending');
    await skipToEnd(lifecycle.client, resourceWorkflowId(spec.resourceId));
    await expect(waiting).rejects.toMatchObject(code('provision_failed'));
    expect(await handleOf(spec).result()).toEqual({ outcome: 'failed' });
    const row = await rowOf(database, spec.resourceId);
    const [, failed] = await eventsOf(database, spec.resourceId);
    expect(((failed?.occurred_at.getTime() ?? 0) - row.created_at.getTime()) / 60_000).toBeCloseTo(10, 0);
    expect(backend.verbsOf(row.object_name).filter((verb) => verb === 'provision').length).toBeGreaterThan(10);
    expect(backend.objects.has(row.object_name)).toBe(false);
  });

  it('and then comes back makes a resource like any other', async () => {
    let calls = 0;
    backend.before = async (verb) => {
      calls += verb === 'provision' ? 1 : 0;
      if (verb === 'provision' && calls === 1) throw ApplicationFailure.retryable('away', 'BackendDown');
    };
    expect((await startResource(lifecycle.client, testSpec())).answer.view.status).toBe('active');
    expect(calls).toBe(2);
  });

  it('that the fence stops ends the run without touching what is not its own', async () => {
    const spec = testSpec();
    backend.before = async (verb) => {
      if (verb === 'provision') throw ApplicationFailure.nonRetryable('not ours any more', 'Fenced');
    };
    await expect(startResource(lifecycle.client, spec)).rejects.toMatchObject(code('provision_failed'));
    expect(await handleOf(spec).result()).toEqual({ outcome: 'superseded' });
    const row = await rowOf(database, spec.resourceId);
    expect(backend.verbsOf(row.object_name)).toEqual(['provision']);
    expect(row.status).toBe('pending');
  });
});

describe('a delete during the provision', () => {
  it('ends it: deleted, nothing left, and the waiters hear so', async () => {
    const spec = testSpec();
    const held = hold(backend, 'provision');
    release = held.release;
    const waiters = [1, 2, 3].map(() => startResource(lifecycle.client, spec));
    for (const waiter of waiters) waiter.catch(() => undefined);
    await held.reached;
    await handleOf(spec).signal('delete');
    for (const waiter of waiters) await expect(waiter).rejects.toMatchObject(code('resource_inactive'));
    expect(await handleOf(spec).result()).toEqual({ outcome: 'deleted' });
    const row = await rowOf(database, spec.resourceId);
    expect(await typesOf(spec.resourceId)).toEqual(['reserved', 'deleting', 'deleted']);
    expect(backend.verbsOf(row.object_name)).toEqual(['provision', 'deprovision']);
    expect(row.status).toBe('deleted');
  });

  it('sent with the start, before anything else, leaves a deleted row', async () => {
    const spec = testSpec();
    const handle = await lifecycle.client.workflow.signalWithStart('resource', {
      workflowId: resourceWorkflowId(spec.resourceId),
      taskQueue: LIFECYCLE_TASK_QUEUE,
      args: [{ spec }],
      signal: 'delete',
      signalArgs: [],
    });
    expect(await handle.result()).toEqual({ outcome: 'deleted' });
    expect(await typesOf(spec.resourceId)).toEqual(['reserved', 'deleting', 'deleted']);
  });

  it('commands sent before it is ready take effect once it is', async () => {
    const spec = testSpec();
    const held = hold(backend, 'provision');
    release = held.release;
    const waiting = startResource(lifecycle.client, spec);
    await held.reached;
    await handleOf(spec).signal('extend', '1h');
    await handleOf(spec).signal('suspend', 'abuse');
    held.release();
    await waiting;
    await eventually(
      () => typesOf(spec.resourceId),
      (types) => types.length === 4,
    );
    expect(await typesOf(spec.resourceId)).toEqual(['reserved', 'active', 'extended', 'suspended']);
  });
});

describe('a warm item', () => {
  it('is claimed within the workflow task, without a provision', async () => {
    const claimed = async () => {
      const name = await addWarmItem();
      const spec = testSpec();
      const { answer, handle } = await startResource(lifecycle.client, spec);
      expect(answer).toMatchObject({ fromPool: true, view: { status: 'active' } });
      expect((await rowOf(database, spec.resourceId)).object_name).toBe(name);
      const { events = [] } = await handle.fetchHistory();
      return { verbs: backend.verbsOf(name), events: events ?? [] };
    };
    // The claim has half a second, which a busy machine may not have for it: the next item is claimed then.
    const { events } = await eventually(claimed, ({ verbs, events: all }) => {
      const inTime = verbs.length === 1 && verbs[0] === 'claimWarm';
      const inOneTask = all.every((event) => !event.activityTaskScheduledEventAttributes && !event.workflowTaskTimedOutEventAttributes);
      return inTime && inOneTask;
    });
    // Each event costs every resource: reserve, claim and transition are markers of one workflow task.
    expect(events.length).toBeLessThanOrEqual(13);
  });

  it('whose claim fails, or takes too long, is completed by a provision of the same name', async () => {
    for (const failure of ['fails', 'hangs']) {
      const name = await addWarmItem();
      let let_go = () => {};
      const hung = new Promise<void>((resolve) => {
        let_go = resolve;
      });
      release = let_go;
      backend.before = async (verb) => {
        if (verb !== 'claimWarm') return;
        if (failure === 'hangs') return await hung;
        throw ApplicationFailure.nonRetryable('not what it should be', 'PoolItemBroken');
      };
      const { answer } = await startResource(lifecycle.client, testSpec());
      let_go();
      expect(answer.fromPool).toBe(true);
      expect(backend.verbsOf(name)).toEqual(['claimWarm', 'provision']);
    }
  });

  it('that was claimed is never given back: it is destroyed when the provision fails', async () => {
    const name = await addWarmItem();
    backend.before = async (verb) => {
      if (verb === 'claimWarm' || verb === 'provision') throw ApplicationFailure.nonRetryable('broken', 'PoolItemBroken');
    };
    const spec = testSpec();
    await expect(startResource(lifecycle.client, spec)).rejects.toMatchObject(code('provision_failed'));
    expect(await handleOf(spec).result()).toEqual({ outcome: 'failed' });
    expect(backend.verbsOf(name)).toEqual(['claimWarm', 'provision', 'deprovision']);
    expect((await database.pool.query('SELECT 1 FROM pool_items WHERE object_name = $1', [name])).rows).toEqual([]);
    expect((await database.pool.query('SELECT 1 FROM retired_names WHERE object_name = $1', [name])).rows).toHaveLength(1);
  });
});

describe('a rejection', () => {
  async function rejected(spec: ResourceSpec, expected: string): Promise<void> {
    await expect(startResource(lifecycle.client, spec)).rejects.toMatchObject(code(expected));
    expect(await handleOf(spec).result()).toEqual({ outcome: 'rejected', code: expected });
    await expect(rowOf(database, spec.resourceId)).rejects.toThrow('no row');
    expect(await eventsOf(database, spec.resourceId)).toEqual([]);
    expect(backend.calls.filter((call) => (call.argument as { resourceId: string }).resourceId === spec.resourceId)).toEqual([]);
  }

  it('for want of a backend makes nothing', async () => {
    await rejected(testSpec({ kind: 'vector' }), 'service_disabled');
  });

  it('by the kind’s limit makes nothing, and a deletion makes room', async () => {
    const owner = { type: 'team', teamId: await addTeam() } as const;
    const changes = { owner, quota: { kindCount: 1, provisionsPerDay: -1 } };
    const first = await startResource(lifecycle.client, testSpec(changes));
    await rejected(testSpec(changes), 'postgres_limit_reached');
    await first.handle.signal('delete');
    await first.handle.result();
    expect((await startResource(lifecycle.client, testSpec(changes))).answer.view.status).toBe('active');
  });

  it('by the day’s limit makes nothing', async () => {
    // All three within one day, which ends at midnight UTC.
    await eventually(
      async () => DAY_MS - (Date.now() % DAY_MS),
      (leftMs) => leftMs > 60_000,
      90_000,
    );
    const changes = { owner: anonymous(), quota: { kindCount: -1, provisionsPerDay: 2 } };
    await startResource(lifecycle.client, testSpec(changes));
    await startResource(lifecycle.client, testSpec(changes));
    await rejected(testSpec(changes), 'provision_limit_reached');
  });

  it('is exact under 60 parallel starts of one caller', async () => {
    const changes = { owner: anonymous(), quota: { kindCount: 5, provisionsPerDay: -1 } };
    const results = await Promise.allSettled(Array.from({ length: 60 }, () => startResource(lifecycle.client, testSpec(changes))));
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(5);
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.cause?.type] : []));
    expect(new Set(refused)).toEqual(new Set(['postgres_limit_reached']));
  });

  it('comes with the run’s end even when other messages came with the start', async () => {
    const spec = testSpec({ kind: 'vector' });
    const handle = await lifecycle.client.workflow.signalWithStart('resource', {
      workflowId: resourceWorkflowId(spec.resourceId),
      taskQueue: LIFECYCLE_TASK_QUEUE,
      args: [{ spec }],
      signal: 'extend',
      signalArgs: ['1h'],
    });
    expect(await handle.result()).toEqual({ outcome: 'rejected', code: 'service_disabled' });
  });

  it('is what a waiter that attached to the run hears too', async () => {
    const spec = testSpec({ kind: 'vector' });
    const attach = () => {
      const startWorkflowOperation = new WithStartWorkflowOperation('resource', {
        workflowId: resourceWorkflowId(spec.resourceId),
        taskQueue: LIFECYCLE_TASK_QUEUE,
        args: [{ spec }],
        workflowIdConflictPolicy: 'USE_EXISTING',
      });
      return lifecycle.client.workflow.executeUpdateWithStart(readyUpdate, { startWorkflowOperation, updateId: READY_UPDATE_ID });
    };
    for (const result of await Promise.allSettled([attach(), attach(), attach()])) {
      expect(result).toMatchObject({ status: 'rejected', reason: { cause: { type: 'service_disabled' } } });
    }
  });
});
