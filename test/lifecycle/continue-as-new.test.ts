// Messages without pause while one run hands over to the next: none lost, none doubled.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Client, isGrpcServiceError, WorkflowNotFoundError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure, type UpdateDefinition } from '@temporalio/common';
import { extendUpdate, READY_UPDATE_ID, readyUpdate, updateUpdate } from '../../workflows/resource/messages';
import { untilTaken } from '../harness/again';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { type Lifecycle, startResource, testSpec } from '../harness/lifecycle';
import { createRecordingBackend, type RecordingBackend } from '../harness/recording-backend';
import { createRollingLifecycle } from '../harness/rolling';
import { eventsOf, eventually, rowOf } from '../harness/rows';

/** The short form; LEASEHOLD_TEST_HAND_OVERS=50 is the long one. */
const RUNS_AT_LEAST = Number(process.env.LEASEHOLD_TEST_HAND_OVERS ?? 20);
const TTL_MS = 10_000;
const MOST_COMMANDS = 3_000;
type UpdateArgument = typeof updateUpdate extends UpdateDefinition<unknown, [infer Argument]> ? Argument : never;
const meta = { actor: { type: 'anonymous', id: 'test' }, requestId: 'storm' } as const;

let database: TestDatabase;
let backend: RecordingBackend;
let lifecycle: Lifecycle;

beforeAll(async () => {
  database = await createTestDatabase();
  backend = createRecordingBackend();
  lifecycle = await createRollingLifecycle({ database, backend, suggestAfterEvents: 20 });
});
afterAll(async () => {
  await lifecycle.close();
  await database.drop();
});

/** Notes every run that the workflow id has had, until told to stop. */
function watchRuns(client: Client, workflowId: string) {
  const runs = new Set<string>();
  let watching = true;
  const done = (async () => {
    while (watching) runs.add((await client.workflow.getHandle(workflowId).describe()).runId);
  })();
  return {
    runs,
    stop: async () => {
      watching = false;
      await done;
    },
  };
}

/** As the api does: a run that hands over refuses, or its task fails because a message came in; the same command is sent again. */
async function labelUntilTaken(client: Client, workflowId: string, argument: UpdateArgument): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.workflow.getHandle(workflowId).executeUpdate(updateUpdate, { args: [argument] });
      return;
    } catch (error) {
      const draining =
        error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure && error.cause.type === 'draining';
      const taskFailed = isGrpcServiceError(error instanceof Error ? error.cause : null);
      if (attempt === 100 || !(draining || taskFailed || error instanceof WorkflowNotFoundError)) throw error;
      await sleep(50);
    }
  }
}

async function runsOf(client: Client, workflowId: string): Promise<number> {
  let count = 0;
  for await (const execution of client.workflow.list({ query: `WorkflowId = "${workflowId}"` }))
    if (execution.workflowId === workflowId) count += 1;
  return count;
}

describe('hand-overs under fire', () => {
  it('counts every extend exactly once, each sent twice, and then deletes', async () => {
    const spec = testSpec({ policy: { ...testSpec().policy, maxTtlMs: null, minimumTtlMs: 1_000, rungsMs: [] } });
    const { client } = lifecycle;
    const { handle, workflowId } = await startResource(client, spec);
    const before = await rowOf(database, spec.resourceId);
    const watch = watchRuns(client, workflowId);

    let sent = 0;
    let labelled = 0;
    const storm = async (lane: number) => {
      while (watch.runs.size <= RUNS_AT_LEAST && sent < MOST_COMMANDS) {
        sent += 1;
        const commandId = `lane-${lane}-${sent}`;
        const signal = () => handle.signal('extend', { ttl: '10s', commandId });
        await Promise.all([signal(), signal()]);
        if (sent % 10 !== 0) continue;
        await labelUntilTaken(client, workflowId, { labels: { sent: String(sent) }, ...meta, commandId: `${commandId}-label` });
        labelled += 1;
      }
    };
    await Promise.all([1, 2, 3].map(storm));
    await watch.stop();

    const expected = before.expires_at?.getTime() ?? 0;
    const countOf = async (type: string) => (await eventsOf(database, spec.resourceId)).filter((event) => event.type === type).length;
    await eventually(
      () => rowOf(database, spec.resourceId),
      (current) => current.expires_at?.getTime() === expected + sent * TTL_MS,
      120_000,
    );
    // A label whose run handed over was answered as accepted, and is written by the next run.
    await eventually(
      () => countOf('resource.updated'),
      (count) => count >= labelled,
    );
    expect(await countOf('resource.extended')).toBe(sent);
    expect(await countOf('resource.updated')).toBe(labelled);
    expect((await rowOf(database, spec.resourceId)).revision).toBe((await eventsOf(database, spec.resourceId)).length);
    // The list is kept beside the workflows, and a moment later than they.
    await eventually(
      () => runsOf(client, workflowId),
      (runs) => runs >= RUNS_AT_LEAST,
    );

    // A later run still says that it is ready, and knows the commands of its predecessors.
    const current = client.workflow.getHandle(workflowId);
    const ready = await untilTaken(() => current.executeUpdate(readyUpdate, { updateId: READY_UPDATE_ID }));
    expect(ready.view.status).toBe('active');
    await untilTaken(() => current.executeUpdate(extendUpdate, { args: [{ ttlMs: TTL_MS, ...meta, commandId: 'again' }] }));
    await current.signal('extend', { ttl: '10s', commandId: 'again' });
    await Promise.all([
      current.signal('extend', '10s'),
      current.signal('delete', { ...meta, reason: 'test' }),
      current.signal('extend', '10s'),
    ]);
    expect(await current.result()).toEqual({ outcome: 'deleted' });
    const last = (await rowOf(database, spec.resourceId)).expires_at?.getTime() ?? 0;
    // Whether an extend beside the delete was still taken is open; "again" counts once in any case.
    expect([1, 2, 3]).toContain((last - expected - sent * TTL_MS) / TTL_MS);
    expect(backend.objects.size).toBe(0);
    // A minute on a machine of its own.
  }, 400_000);
});
