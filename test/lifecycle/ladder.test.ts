// The whole life of a resource on the real Temporal server, its clock skipped, its row in the real platform database.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { extendUpdate } from '../../workflows/resource/messages';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { createLifecycle, HOUR_MS, type Lifecycle, startResource, testSpec } from '../harness/lifecycle';
import { createRecordingBackend, type RecordingBackend } from '../harness/recording-backend';
import { eventsOf, rowOf } from '../harness/rows';
import { fastForward, skipToEnd, toTheMinute } from '../harness/time';

let database: TestDatabase;
let backend: RecordingBackend;
let lifecycle: Lifecycle;

beforeAll(async () => {
  database = await createTestDatabase();
  backend = createRecordingBackend();
  lifecycle = await createLifecycle({ database, backend });
  await lifecycle.startWorkers();
});
afterAll(async () => {
  await lifecycle.close();
  await database.drop();
});

const actor = { type: 'anonymous', id: 'test' } as const;

/** Hours after creation at which each event of the type happened, to the minute. */
async function hoursOf(resourceId: string, type: string): Promise<number[]> {
  const row = await rowOf(database, resourceId);
  const events = await eventsOf(database, resourceId);
  return events
    .filter((event) => event.type === type)
    .map((event) => toTheMinute((event.occurred_at.getTime() - row.created_at.getTime()) / HOUR_MS));
}

describe('a day of a resource', () => {
  it('is warned at exactly 18 h, 22 h and 23 h and deleted at 24 h', async () => {
    const spec = testSpec();
    const { answer, handle, workflowId } = await startResource(lifecycle.client, spec);
    expect(answer.view.status).toBe('active');
    await skipToEnd(lifecycle.client, workflowId);
    expect(await handle.result()).toEqual({ outcome: 'deleted' });

    const events = await eventsOf(database, spec.resourceId);
    expect(events.map((event) => [event.type, event.data.rung])).toEqual([
      ['resource.reserved', undefined],
      ['resource.active', undefined],
      ['resource.expiring', '6h'],
      ['resource.expiring', '2h'],
      ['resource.expiring', '1h'],
      ['resource.expired', undefined],
      ['resource.deleting', undefined],
      ['resource.deleted', undefined],
    ]);
    expect(await hoursOf(spec.resourceId, 'resource.expiring')).toEqual([18, 22, 23]);
    expect(await hoursOf(spec.resourceId, 'resource.expired')).toEqual([24]);

    const row = await rowOf(database, spec.resourceId);
    expect(row.status).toBe('deleted');
    expect(row.revision).toBe(events.length);
    expect(backend.objects.has(row.object_name)).toBe(false);
    expect(backend.verbsOf(row.object_name)).toEqual(['provision', 'deprovision']);
  });

  it.each([1, 18.5, 22.5, 23.5])('arms every rung anew when extended at %s h', async (hours) => {
    const spec = testSpec();
    const { handle, workflowId } = await startResource(lifecycle.client, spec);
    expect(await fastForward(lifecycle.client, workflowId, hours * HOUR_MS)).toBe(true);
    const before = (await hoursOf(spec.resourceId, 'resource.expiring')).length;
    const answer = await handle.executeUpdate(extendUpdate, { args: [{ ttlMs: 6 * HOUR_MS, actor, requestId: 'extend' }] });
    expect(answer.applied).toBe(true);
    await skipToEnd(lifecycle.client, workflowId);
    await handle.result();
    const after = (await hoursOf(spec.resourceId, 'resource.expiring')).slice(before);
    const left = 30 - hours;
    const expected = [6, 2, 1].filter((rung) => rung < left).map((rung) => 30 - rung);
    expect(after).toEqual(expected);
    expect(await hoursOf(spec.resourceId, 'resource.expired')).toEqual([30]);
  });

  it('keeps the data through the grace and gives it back to an extend', async () => {
    const spec = testSpec({ policy: { ...testSpec().policy, graceMs: 24 * HOUR_MS } });
    const { handle, workflowId } = await startResource(lifecycle.client, spec);
    await fastForward(lifecycle.client, workflowId, 25 * HOUR_MS);
    const row = await rowOf(database, spec.resourceId);
    expect(row.status).toBe('expired');
    expect(backend.objects.get(row.object_name)).toEqual({ cut: true });
    await handle.executeUpdate(extendUpdate, { args: [{ ttlMs: 2 * HOUR_MS, actor, requestId: 'extend' }] });
    expect((await rowOf(database, spec.resourceId)).status).toBe('active');
    expect(backend.objects.get(row.object_name)).toEqual({ cut: false });
    await skipToEnd(lifecycle.client, workflowId);
    await handle.result();
    // Extended at 25 h by two hours, counted from then; a day of grace after.
    expect(await hoursOf(spec.resourceId, 'resource.expired')).toEqual([24, 27]);
    expect(await hoursOf(spec.resourceId, 'resource.deleting')).toEqual([51]);
  });

  it('refuses an extend past the plan and changes nothing', async () => {
    const spec = testSpec();
    const { handle, workflowId } = await startResource(lifecycle.client, spec);
    await expect(handle.executeUpdate(extendUpdate, { args: [{ ttlMs: 49 * HOUR_MS, actor, requestId: 'extend' }] })).rejects.toMatchObject(
      {
        cause: { type: 'ttl_too_long' },
      },
    );
    await handle.signal('extend', '100h');
    await handle.signal('extend', '2h');
    await handle.signal('extend', 'soon');
    await skipToEnd(lifecycle.client, workflowId);
    await handle.result();
    const events = await eventsOf(database, spec.resourceId);
    expect(events.filter((event) => event.type === 'resource.command_refused').map((event) => event.data.code)).toEqual([
      'ttl_too_long',
      'invalid_ttl',
    ]);
    expect(await hoursOf(spec.resourceId, 'resource.expired')).toEqual([26]);
  });
});
