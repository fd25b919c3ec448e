// What must go on when one run hands over to the next: a deletion without end, an effect that is stuck, a command in the middle.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { pauseUpdate, resumeUpdate } from '../../workflows/resource/messages';
import { untilTaken } from '../harness/again';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { type Lifecycle, startResource, testSpec } from '../harness/lifecycle';
import { createRecordingBackend, type RecordingBackend } from '../harness/recording-backend';
import { createRollingLifecycle } from '../harness/rolling';
import { eventsOf, eventually, rowOf } from '../harness/rows';
import { breakDown } from '../harness/stuck';
import { skipToEnd } from '../harness/time';

let database: TestDatabase;
let backend: RecordingBackend;
let lifecycle: Lifecycle;

beforeAll(async () => {
  database = await createTestDatabase();
  backend = createRecordingBackend();
  lifecycle = await createRollingLifecycle({ database, backend, suggestAfterEvents: 30 });
});
afterAll(async () => {
  await lifecycle.close();
  await database.drop();
});

const tenant = { actor: { type: 'anonymous', id: 'tenant' }, requestId: 'tenant-request' } as const;

function endlessSpec() {
  const { policy } = testSpec();
  return testSpec({ policy: { ...policy, maxTtlMs: null, rungsMs: [], minimumTtlMs: 1000 } });
}

describe('one run handing over to the next', () => {
  it('a delete under fire is a delete, with nothing after it', async () => {
    const { handle, answer, workflowId } = await startResource(lifecycle.client, endlessSpec());
    const id = answer.view.resourceId;
    let firing = true;
    let count = 0;
    const fire = async () => {
      while (firing) {
        count += 1;
        // The run may close under it.
        await handle.signal('extend', { ttl: '10s', commandId: `x-${count}` }).catch(() => undefined);
      }
    };
    const lanes = [fire(), fire()];
    try {
      const seenRuns = new Set<string>();
      await eventually(
        async () => seenRuns.add((await handle.describe()).runId).size,
        (runs) => runs > 3,
      );
      await handle.signal('delete');
      await eventually(
        async () => (await rowOf(database, id)).status,
        (status) => status === 'deleted',
      );
    } finally {
      firing = false;
      await Promise.all(lanes);
    }
    expect(await lifecycle.client.workflow.getHandle(workflowId).result()).toEqual({ outcome: 'deleted' });
    const types = (await eventsOf(database, id)).map((event) => event.type);
    expect(types.slice(-2)).toEqual(['resource.deleting', 'resource.deleted']);
  });

  it('carries a deletion that goes on and on', async () => {
    const { handle, answer } = await startResource(lifecycle.client, endlessSpec());
    const id = answer.view.resourceId;
    const broken = breakDown(backend, 'deprovision');
    await handle.signal('delete', { ...tenant, reason: 'by owner' });
    await skipToEnd(lifecycle.client, handle.workflowId);
    const seenRuns = new Set<string>();
    await eventually(
      async () => seenRuns.add((await handle.describe()).runId).size,
      (runs) => runs > 2,
    );
    broken.repair();
    await eventually(
      async () => (await rowOf(database, id)).status,
      (status) => status === 'deleted',
    );
    const events = await eventsOf(database, id);
    expect(events.at(-1)?.data).toEqual({ reason: 'by owner' });
    expect(events.map((event) => event.revision)).toEqual(events.map((_, index) => index + 1));
  });

  it('takes over a command whose effect is stuck, rather than refusing all others meanwhile', async () => {
    const { handle, answer } = await startResource(lifecycle.client, endlessSpec());
    const id = answer.view.resourceId;
    const broken = breakDown(backend, 'cut');
    const first = (await handle.describe()).runId;
    // Enough for the server to suggest a new run, which cannot begin in the middle of an effect without giving it up.
    for (let index = 0; index < 12; index += 1) await handle.signal('extend', { ttl: '10s', commandId: `before-${index}` });
    const pause = { ...tenant, commandId: 'pause' };
    const outcome = untilTaken(() => handle.executeUpdate(pauseUpdate, { args: [pause], updateId: randomUUID() })).catch(
      (error: unknown) => error,
    );
    await eventually(
      async () => backend.calls.filter((call) => call.verb === 'cut').length,
      (calls) => calls > 0,
    );
    broken.repair();
    await outcome;
    await eventually(
      async () => (await rowOf(database, id)).status,
      (status) => status === 'paused',
    );
    await untilTaken(() => handle.executeUpdate(resumeUpdate, { args: [{ ...tenant, commandId: 'resume' }], updateId: randomUUID() }));
    await eventually(
      async () => (await handle.describe()).runId,
      (run) => run !== first,
    );
  });
});
