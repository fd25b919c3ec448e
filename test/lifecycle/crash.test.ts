// A worker process is killed, hard, before and after each activity call of a resource's life; the life must come out the same.
// Many lives share the process: each stops answering at its own point, and once all have got there the process is killed.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Client } from '@temporalio/client';
import type { ResourceRecord } from '../../shared/db';
import type { ResourceSpec } from '../../shared/resourcetype';
import { extendUpdate, pauseUpdate, resourceWorkflowId, resumeUpdate, rotateUpdate } from '../../workflows/resource/messages';
import { untilTaken } from '../harness/again';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { type DurableBackend, openDurableBackend, prepareDurableBackend } from '../harness/durable-backend';
import { createLifecycle, HOUR_MS, type Lifecycle, startResource, testSpec } from '../harness/lifecycle';
import { eventsOf, eventually, rowOf, type StoredEvent } from '../harness/rows';
import { temporalAddress } from '../harness/servers';
import { startWorkerProcess, type WorkerProcess } from '../harness/spawn-worker';
import type { CrashPoint, ToWorkerProcess } from '../harness/worker-process';

/** What happens while no worker is there. */
type Meanwhile = 'nothing' | 'delete' | 'extend';

interface Life {
  spec: ResourceSpec;
  point: CrashPoint;
  meanwhile: Meanwhile;
  name: string;
  events: StoredEvent[];
  error: Error | null;
}

const meta = (requestId: string) => ({ actor: { type: 'anonymous', id: 'tenant' }, requestId, commandId: requestId }) as const;

/** The life, step by step: what a caller does, and how it shows in the row that it was done. */
const STEPS: { run: (client: Client, spec: ResourceSpec) => Promise<unknown>; done: (row: ResourceRecord) => boolean }[] = [
  { run: (client, spec) => startResource(client, spec), done: (row) => row.status === 'active' },
  {
    run: (client, spec) => handleOf(client, spec).executeUpdate(pauseUpdate, { args: [meta('pause')], updateId: 'pause' }),
    done: (row) => row.status === 'paused',
  },
  {
    run: (client, spec) => handleOf(client, spec).executeUpdate(resumeUpdate, { args: [meta('resume')], updateId: 'resume' }),
    done: (row) => row.status === 'active',
  },
  {
    run: (client, spec) => handleOf(client, spec).executeUpdate(rotateUpdate, { args: [meta('rotate')], updateId: 'rotate' }),
    done: (row) => row.credential_version === 2,
  },
  {
    run: (client, spec) =>
      handleOf(client, spec).executeUpdate(extendUpdate, { args: [{ ...meta('extend'), ttlMs: HOUR_MS }], updateId: 'extend' }),
    done: (row) => (row.expires_at?.getTime() ?? 0) >= row.created_at.getTime() + 25 * HOUR_MS,
  },
  {
    run: (client, spec) => handleOf(client, spec).signal('delete', { ...meta('delete'), reason: 'by owner' }),
    done: (row) => row.status === 'deleted',
  },
];

const handleOf = (client: Client, spec: ResourceSpec) => client.workflow.getHandle(resourceWorkflowId(spec.resourceId));

/** One step to its end. That the resource is gone already is no failure: a delete came meanwhile. */
async function step(index: number, client: Client, spec: ResourceSpec): Promise<void> {
  const { run, done } = STEPS[index] as (typeof STEPS)[number];
  await untilTaken(() => run(client, spec)).catch((error: { name?: string; cause?: { type?: string } }) => {
    const type = error.cause?.type ?? '';
    if (error.name !== 'WorkflowNotFoundError' && !['resource_inactive', 'AcceptedUpdateCompletedWorkflow'].includes(type)) throw error;
  });
  await eventually(
    () => rowOf(database, spec.resourceId),
    (row) => row.status === 'deleted' || done(row),
    120_000,
  );
}

let database: TestDatabase;
let durable: DurableBackend;
let lifecycle: Lifecycle;
let worker: WorkerProcess;
/** The calls of a life in which nothing happens, and how many of them were made at the end of each step. */
let calls: string[] = [];
const callsAfter: number[] = [];
let undisturbed: StoredEvent[] = [];
let lives: Life[] = [];

/** What became of workflow tasks that did not complete: a workflow that stands still says why only there. */
async function taskTroubles(client: Client, spec: ResourceSpec): Promise<string> {
  const { events } = await handleOf(client, spec).fetchHistory();
  const troubles = (events ?? []).flatMap(({ workflowTaskFailedEventAttributes: failed, workflowTaskTimedOutEventAttributes: late }) => [
    ...(failed ? [`failed (${failed.cause}): ${failed.failure?.message ?? ''} ${failed.failure?.cause?.message ?? ''}`] : []),
    ...(late ? [`timed out (${late.timeoutType})`] : []),
  ]);
  return `${events?.length ?? 0} events; workflow tasks: ${troubles.length === 0 ? 'all completed' : troubles.join(', ')}`;
}

/** Everybody's next step comes at once, so that nobody waits at a crash point until a timeout makes something else of it. */
async function liveThroughCrash(): Promise<void> {
  const { client } = lifecycle;
  const crashStep = ({ point }: Life) => callsAfter.findIndex((count) => count > point.call);
  for (const { spec, point } of lives) worker.child.send({ resourceId: spec.resourceId, crash: point } satisfies ToWorkerProcess);
  const each = async (run: (life: Life) => Promise<void>) => {
    const guarded = async (life: Life) => {
      try {
        await run(life);
      } catch (error) {
        life.error ??= new Error(await taskTroubles(client, life.spec), { cause: error });
      }
    };
    await Promise.all(lives.map(guarded));
  };
  await each(async (life) => {
    for (let index = 0; index < crashStep(life); index += 1) await step(index, client, life.spec);
  });
  const crashing = each(async (life) => {
    for (let index = crashStep(life); index < STEPS.length; index += 1) await step(index, client, life.spec);
  });
  const allReached = async () =>
    lives.filter(({ spec, error }) => error === null && !worker.reached.has(spec.resourceId)).map(({ name }) => name);
  await eventually(allReached, (missing) => missing.length === 0, 120_000);
  worker.child.kill('SIGKILL');
  expect(await worker.exited).toBe('SIGKILL');
  await each(async ({ spec, meanwhile }) => {
    if (meanwhile === 'delete') await handleOf(client, spec).signal('delete', { ...meta('meanwhile'), reason: 'meanwhile' });
    if (meanwhile === 'extend') await handleOf(client, spec).signal('extend', { ttl: '1h', commandId: 'meanwhile' });
  });
  // All lives come at once, each with its whole history. Few at a time: what was taken must be done within the time of a task, on a busy
  // machine too, and what waits for its turn must not be read anew for it.
  await lifecycle.startWorkers({ maxConcurrentWorkflowTaskExecutions: 10, stickyQueueScheduleToStartTimeout: '10s' });
  await crashing;
  await each(async (life) => {
    life.events = await eventsOf(database, life.spec.resourceId);
  });
}

const newLife = (point: CrashPoint, meanwhile: Meanwhile): Life => ({
  spec: testSpec(),
  point,
  meanwhile,
  name: `${point.side} ${calls[point.call]}, ${meanwhile} meanwhile`,
  events: [],
  error: null,
});

beforeAll(async () => {
  database = await createTestDatabase();
  await prepareDurableBackend(database.ownerUrl);
  durable = openDurableBackend(database.ownerUrl);
  const namespace = `crash-${randomUUID()}`;
  lifecycle = await createLifecycle({ database, backend: durable.backend, namespace });
  worker = await startWorkerProcess({ database, namespace, address: temporalAddress() });

  const spec = testSpec();
  for (const index of STEPS.keys()) {
    await step(index, lifecycle.client, spec);
    callsAfter.push(worker.calls.get(spec.resourceId)?.length ?? 0);
  }
  calls = worker.calls.get(spec.resourceId) ?? [];
  undisturbed = await eventsOf(database, spec.resourceId);

  const all = calls.flatMap((_, call): CrashPoint[] => [
    { call, side: 'before' },
    { call, side: 'after' },
  ]);
  const beforeDeletion = all.filter(({ call }) => call < calls.indexOf('transition resource.deleting'));
  lives = [
    ...all.map((point) => newLife(point, 'nothing')),
    // The repeated workflow task sees more than the lost one saw, and takes another way from a row that went on already.
    ...beforeDeletion.map((point) => newLife(point, 'delete')),
    ...beforeDeletion.map((point) => newLife(point, 'extend')),
  ];
  await liveThroughCrash();
}, 400_000);

afterAll(async () => {
  worker.child.kill('SIGKILL');
  await lifecycle.close();
  await durable.close();
  await database.drop();
});

const story = (events: StoredEvent[]) =>
  events.map(({ revision, type, status, actor_type, request_id, data }) => [
    revision,
    type,
    status,
    actor_type,
    request_id,
    Object.keys(data),
  ]);

/** With what lies behind it: a refused command says why only there. */
const told = (error: unknown): string =>
  error instanceof Error ? [error.message, ...(error.cause === undefined ? [] : [told(error.cause)])].join(' < ') : String(error);

/** Runs the check for each life and names those that fail it. */
async function expectOfEach(meanwhile: Meanwhile | null, check: (life: Life) => Promise<void> | void): Promise<void> {
  const failures: string[] = [];
  const chosen = lives.filter((life) => meanwhile === null || life.meanwhile === meanwhile);
  expect(chosen.length).toBeGreaterThan(15);
  for (const life of chosen) {
    try {
      await check(life);
    } catch (error) {
      failures.push(`${life.name}: ${told(error)}`);
    }
  }
  expect(failures).toEqual([]);
}

describe('a worker killed at an activity boundary', () => {
  it('is killed at every one there is', () => {
    expect(calls).toEqual([
      'reserve',
      'provision',
      'transition resource.active',
      'cut',
      'transition resource.paused',
      'restore',
      'transition resource.resumed',
      'prepareCredential',
      'rotate',
      'transition resource.credentials_rotated',
      'transition resource.extended',
      'transition resource.deleting',
      'deprovision',
      'transition resource.deleted',
    ]);
    expect(lives).toHaveLength(2 * 14 + 2 * 2 * 11);
  });

  it('is survived by every life', async () => {
    await expectOfEach(null, ({ error }) => {
      if (error !== null) throw error;
    });
  });

  it('leaves nothing: no object, no credential, no event without its transition, no transition without its event', async () => {
    const objects = await durable.objects();
    const { pool } = database;
    await expectOfEach(null, async ({ spec, events }) => {
      const row = await rowOf(database, spec.resourceId);
      expect(row).toMatchObject({ status: 'deleted', revision: events.length });
      expect(objects[row.object_name]).toBeUndefined();
      const ids = async (sql: string) => (await pool.query<{ id: string }>(sql, [spec.resourceId])).rows.map(({ id }) => id);
      const eventIds = await ids('SELECT id FROM resource_events WHERE resource_id = $1 ORDER BY revision');
      expect(await ids('SELECT id FROM outbox_events WHERE resource_id = $1 ORDER BY revision')).toEqual(eventIds);
      expect(new Set(await ids('SELECT id FROM audit_logs WHERE target_id = $1::text'))).toEqual(new Set(eventIds));
      expect(await ids('SELECT version AS id FROM resource_credentials WHERE resource_id = $1')).toEqual([]);
      expect(await ids('SELECT object_name AS id FROM retired_names WHERE resource_id = $1')).toEqual([row.object_name]);
    });
  });

  it('changes nothing of what comes out', async () => {
    expect(undisturbed).toHaveLength(8);
    await expectOfEach('nothing', ({ events }) => expect(story(events)).toEqual(story(undisturbed)));
  });

  it('and a delete that comes meanwhile deletes, with nothing after it', async () => {
    await expectOfEach('delete', ({ events }) => {
      const types = events.map(({ type }) => type);
      expect(types.slice(-2)).toEqual(['resource.deleting', 'resource.deleted']);
      expect(events.at(-1)?.data).toEqual({ reason: 'meanwhile' });
      expect(new Set(types).size).toBe(types.length);
    });
  });

  it('and an extension that comes meanwhile counts once, as does the other', async () => {
    await expectOfEach('extend', async ({ spec, events }) => {
      const extended = events.filter(({ type }) => type === 'resource.extended').map(({ request_id }) => request_id);
      expect(extended.sort()).toEqual(['extend', 'meanwhile']);
      const row = await rowOf(database, spec.resourceId);
      expect((row.expires_at?.getTime() ?? 0) - row.created_at.getTime()).toBe(26 * HOUR_MS);
      expect(new Set(events.map(({ type }) => type)).size).toBe(events.length - 1);
    });
  });
});
