// Every command, by update and by signal, on a live resource; what must win when two things happen at once.
import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { WorkflowHandle } from '@temporalio/client';
import type { ResourceSpec } from '../../shared/resourcetype';
import {
  claimUpdate,
  extendUpdate,
  pauseUpdate,
  readyUpdate,
  resumeUpdate,
  rotateUpdate,
  scaleUpdate,
  stateQuery,
  suspendUpdate,
  unsuspendUpdate,
  updateUpdate,
} from '../../workflows/resource/messages';
import { createTestDatabase, type TestDatabase } from '../harness/database';
import { createLifecycle, HOUR_MS, type Lifecycle, startResource, testSpec } from '../harness/lifecycle';
import { createRecordingBackend, type RecordingBackend } from '../harness/recording-backend';
import { eventsOf, eventually, rowOf } from '../harness/rows';
import { breakDown, hold } from '../harness/stuck';
import { fastForward, skipToEnd, toTheMinute } from '../harness/time';

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

const policy = testSpec().policy;
const tenant = { actor: { type: 'anonymous', id: 'tenant' }, requestId: 'tenant-request' } as const;
const operator = { actor: { type: 'operator', id: 'op', role: 'platform_operator' }, requestId: 'operator-request' } as const;

interface Started {
  id: string;
  handle: WorkflowHandle;
  workflowId: string;
  objectName: string;
}

async function start(changes: Partial<ResourceSpec> = {}): Promise<Started> {
  const spec = testSpec(changes);
  const { handle, workflowId } = await startResource(lifecycle.client, spec);
  const row = await rowOf(database, spec.resourceId);
  return { id: spec.resourceId, handle, workflowId, objectName: row.object_name };
}

const typesOf = async (id: string) => (await eventsOf(database, id)).map((event) => event.type.replace('resource.', ''));
const statusOf = async (id: string) => (await rowOf(database, id)).status;
const isCut = (objectName: string) => backend.objects.get(objectName)?.cut;
const refusals = async (id: string) =>
  (await eventsOf(database, id)).filter((event) => event.type === 'resource.command_refused').map((event) => event.data.code);
const eventCount = async (id: string, count: number) =>
  await eventually(
    () => typesOf(id),
    (types) => types.length >= count,
  );
const code = (type: string) => ({ cause: { type } });

describe('pause and suspension', () => {
  it('are separate facts: lifting one leaves the other', async () => {
    const { id, handle, objectName } = await start();
    expect(await handle.executeUpdate(pauseUpdate, { args: [tenant] })).toMatchObject({ applied: true, view: { status: 'paused' } });
    expect(isCut(objectName)).toBe(true);
    const suspended = await handle.executeUpdate(suspendUpdate, { args: [{ ...operator, reason: 'abuse' }] });
    expect(suspended.view).toMatchObject({ status: 'suspended', suspendedReason: 'abuse' });
    expect(await rowOf(database, id)).toMatchObject({ status: 'suspended', paused_by_owner: true, suspended_reason: 'abuse' });
    const lifted = await handle.executeUpdate(unsuspendUpdate, { args: [operator] });
    expect(lifted.view.status).toBe('paused');
    expect(isCut(objectName)).toBe(true);
    expect((await handle.executeUpdate(resumeUpdate, { args: [tenant] })).view.status).toBe('active');
    expect(isCut(objectName)).toBe(false);
    expect(backend.verbsOf(objectName)).toEqual(['provision', 'cut', 'cut', 'restore']);
    expect(await typesOf(id)).toEqual(['reserved', 'active', 'paused', 'suspended', 'unsuspended', 'resumed']);
  });

  it('a suspension is not the tenant’s to lift or to work around', async () => {
    const { id, handle } = await start();
    await handle.executeUpdate(suspendUpdate, { args: [{ ...operator, reason: 'abuse' }] });
    const before = await typesOf(id);
    for (const refused of [
      handle.executeUpdate(resumeUpdate, { args: [tenant] }),
      handle.executeUpdate(pauseUpdate, { args: [tenant] }),
      handle.executeUpdate(rotateUpdate, { args: [tenant] }),
      handle.executeUpdate(extendUpdate, { args: [{ ...tenant, ttlMs: HOUR_MS }] }),
    ]) {
      await expect(refused).rejects.toMatchObject(code('resource_suspended'));
    }
    await expect(handle.executeUpdate(suspendUpdate, { args: [{ ...operator, reason: 'again' }] })).rejects.toMatchObject(
      code('already_suspended'),
    );
    expect(await typesOf(id)).toEqual(before);
    // The platform may extend what it suspended.
    await handle.executeUpdate(extendUpdate, { args: [{ ...operator, ttlMs: HOUR_MS }] });
    expect(await statusOf(id)).toBe('suspended');
    await handle.signal('resume');
    await eventually(
      () => statusOf(id),
      (status) => status === 'active',
    );
  });

  it('refuse what is so already', async () => {
    const { handle } = await start();
    await expect(handle.executeUpdate(resumeUpdate, { args: [tenant] })).rejects.toMatchObject(code('not_paused'));
    await expect(handle.executeUpdate(unsuspendUpdate, { args: [operator] })).rejects.toMatchObject(code('not_suspended'));
    await handle.executeUpdate(pauseUpdate, { args: [tenant] });
    await expect(handle.executeUpdate(pauseUpdate, { args: [tenant] })).rejects.toMatchObject(code('already_paused'));
  });

  it.each(['paused', 'suspended'])('the clock runs on while %s', async (status) => {
    const { id, handle, workflowId } = await start();
    if (status === 'paused') await handle.executeUpdate(pauseUpdate, { args: [tenant] });
    else await handle.executeUpdate(suspendUpdate, { args: [{ ...operator, reason: 'abuse' }] });
    await skipToEnd(lifecycle.client, workflowId);
    expect(await handle.result()).toEqual({ outcome: 'deleted' });
    const events = await eventsOf(database, id);
    const row = await rowOf(database, id);
    const hours = (type: string) =>
      events
        .filter((event) => event.type === type)
        .map((event) => toTheMinute((event.occurred_at.getTime() - row.created_at.getTime()) / HOUR_MS));
    expect(hours('resource.expiring')).toEqual([18, 22, 23]);
    expect(hours('resource.expired')).toEqual([24]);
    expect(events.filter((event) => event.type === 'resource.expiring').map((event) => event.status)).toEqual([status, status, status]);
  });

  it('an extend in grace gives back what was paused as paused', async () => {
    const { id, handle, workflowId, objectName } = await start({ policy: { ...policy, graceMs: 24 * HOUR_MS } });
    await handle.executeUpdate(pauseUpdate, { args: [tenant] });
    await fastForward(lifecycle.client, workflowId, 25 * HOUR_MS);
    expect(await statusOf(id)).toBe('expired');
    await expect(handle.executeUpdate(resumeUpdate, { args: [tenant] })).rejects.toMatchObject(code('resource_inactive'));
    await handle.executeUpdate(extendUpdate, { args: [{ ...tenant, ttlMs: 2 * HOUR_MS }] });
    expect(await statusOf(id)).toBe('paused');
    expect(isCut(objectName)).toBe(true);
    await handle.executeUpdate(resumeUpdate, { args: [tenant] });
    expect(isCut(objectName)).toBe(false);
  });
});

describe('rotate', () => {
  it('keeps the former version for its grace, then ends it', async () => {
    const { id, handle, workflowId, objectName } = await start();
    const answer = await handle.executeUpdate(rotateUpdate, { args: [tenant] });
    expect(answer.view.previousCredentialValidUntil).not.toBeNull();
    const versions = async () =>
      (
        await database.pool.query<{ version: number }>('SELECT version FROM resource_credentials WHERE resource_id = $1 ORDER BY 1', [id])
      ).rows.map((stored) => stored.version);
    expect(await versions()).toEqual([1, 2]);
    expect(backend.calls.find((call) => call.verb === 'rotate' && call.objectName === objectName)?.argument).toMatchObject({
      credentialVersion: 2,
      previousVersion: 1,
    });
    await fastForward(lifecycle.client, workflowId, HOUR_MS + 1000);
    // The clock may be there before the retirement that fell due on the way has been written.
    await eventually(
      () => rowOf(database, id),
      (row) => row.retiring_version === null,
    );
    expect(await versions()).toEqual([2]);
    expect(backend.verbsOf(objectName)).toEqual(['provision', 'rotate', 'retireCredential']);
    expect(await typesOf(id)).toEqual(['reserved', 'active', 'credentials_rotated', 'credentials_retired']);
    expect(await rowOf(database, id)).toMatchObject({ credential_version: 2, retiring_version: null, retiring_until: null });
  });

  it('twice within the grace ends the oldest first: never more than two versions', async () => {
    const { id, handle, objectName } = await start();
    for (const _ of [1, 2, 3]) await handle.executeUpdate(rotateUpdate, { args: [tenant] });
    const steps = backend.calls
      .filter((call) => call.objectName === objectName && call.verb !== 'provision')
      .map(({ verb, argument }) => {
        const { credentialVersion, retireVersion } = argument as { credentialVersion: number; retireVersion?: number };
        return [verb, retireVersion ?? credentialVersion];
      });
    expect(steps).toEqual([
      ['rotate', 2],
      ['retireCredential', 1],
      ['rotate', 3],
      ['retireCredential', 2],
      ['rotate', 4],
    ]);
    const { rows } = await database.pool.query('SELECT version FROM resource_credentials WHERE resource_id = $1 ORDER BY 1', [id]);
    expect(rows).toEqual([{ version: 3 }, { version: 4 }]);
  });

  it('is no way to wedge a resource whose retirement fails until it expires', async () => {
    const { id, handle, workflowId } = await start({ policy: { ...policy, rotationGraceMs: 4 * 60_000, rungsMs: [] }, ttlMs: 6 * 60_000 });
    await handle.executeUpdate(rotateUpdate, { args: [tenant] });
    breakDown(backend, 'retireCredential');
    await skipToEnd(lifecycle.client, workflowId);
    expect(await handle.result()).toEqual({ outcome: 'deleted' });
    expect(await typesOf(id)).toEqual(['reserved', 'active', 'credentials_rotated', 'expired', 'deleting', 'deleted']);
  });
});

describe('what else an owner may change', () => {
  it('claims an anonymous resource for a team, once, with its plan, and arms the ladder anew', async () => {
    const teamId = randomUUID();
    await database.pool.query(`INSERT INTO teams (id, name, tier) VALUES ($1, 'team', 'pro')`, [teamId]);
    const { id, handle, objectName } = await start();
    const plan = { ...policy, tier: 'pro', ttlMs: null, maxTtlMs: null };
    const claim = { ...tenant, teamId, policy: plan, limits: { storageMb: 500 }, ttlMs: null };
    expect((await handle.executeUpdate(claimUpdate, { args: [claim] })).view.expiresAt).toBeNull();
    expect(await rowOf(database, id)).toMatchObject({
      team_id: teamId,
      owner_fingerprint: null,
      tier: 'pro',
      expires_at: null,
      limits: { storageMb: 500 },
    });
    expect(backend.calls.find((call) => call.verb === 'applyLimits' && call.objectName === objectName)?.argument).toMatchObject({
      limits: { storageMb: 500 },
    });
    await expect(handle.executeUpdate(claimUpdate, { args: [claim] })).rejects.toMatchObject(code('already_claimed'));
    await expect(handle.executeUpdate(extendUpdate, { args: [{ ...tenant, ttlMs: HOUR_MS }] })).rejects.toMatchObject(code('no_expiry'));
    const { typedSearchAttributes } = await handle.describe();
    expect(typedSearchAttributes.getAll().find((pair) => pair.key.name === 'TeamId')?.value).toBe(teamId);
  });

  it('a claim for a team that is not there is refused and leaves the resource working', async () => {
    const { id, handle } = await start();
    const claim = { ...tenant, teamId: randomUUID(), policy, limits: {}, ttlMs: null };
    await expect(handle.executeUpdate(claimUpdate, { args: [claim] })).rejects.toMatchObject(code('internal_error'));
    await handle.executeUpdate(pauseUpdate, { args: [tenant] });
    expect(await typesOf(id)).toEqual(['reserved', 'active', 'paused']);
  });

  it('renames and labels, also in grace; scales', async () => {
    const { id, handle, workflowId } = await start({ policy: { ...policy, graceMs: HOUR_MS } });
    await handle.executeUpdate(updateUpdate, { args: [{ ...tenant, name: 'invoices', labels: { a: 'b' } }] });
    await handle.executeUpdate(scaleUpdate, { args: [{ ...operator, limits: { storageMb: 20, connections: 5 } }] });
    expect(await rowOf(database, id)).toMatchObject({ name: 'invoices', labels: { a: 'b' }, limits: { storageMb: 20, connections: 5 } });
    await fastForward(lifecycle.client, workflowId, 24.5 * HOUR_MS);
    await handle.executeUpdate(updateUpdate, { args: [{ ...tenant, name: 'late' }] });
    expect(await rowOf(database, id)).toMatchObject({ status: 'expired', name: 'late', labels: { a: 'b' } });
  });

  it('the meter’s signals: read-only, suspension, recovery; each finding once', async () => {
    const { id, handle, objectName } = await start();
    const bytes = 11_000_000;
    await handle.signal('storage', { bytes, action: 'read_only', commandId: 'q1' });
    await handle.signal('storage', { bytes, action: 'read_only', commandId: 'q1' });
    await handle.signal('storage', { bytes, action: 'read_only', commandId: 'q2' });
    await handle.signal('storage', { bytes, action: 'suspend', commandId: 'q3' });
    await eventually(
      () => statusOf(id),
      (status) => status === 'suspended',
    );
    expect(await rowOf(database, id)).toMatchObject({ suspended_reason: 'quota', read_only_by_quota: true });
    await handle.signal('storage', { bytes: 10, action: 'lift', commandId: 'q4' });
    await eventually(
      () => statusOf(id),
      (status) => status === 'active',
    );
    expect(await rowOf(database, id)).toMatchObject({ suspended_reason: null, read_only_by_quota: false });
    expect(isCut(objectName)).toBe(false);
    expect(await typesOf(id)).toEqual(['reserved', 'active', 'storage_exceeded', 'storage_exceeded', 'storage_recovered']);
    // Room again does not lift a suspension that has another reason.
    await handle.executeUpdate(suspendUpdate, { args: [{ ...operator, reason: 'abuse' }] });
    await handle.signal('storage', { bytes: 10, action: 'lift', commandId: 'q5' });
    await handle.executeUpdate(updateUpdate, { args: [{ ...tenant, name: 'after' }] });
    expect(await statusOf(id)).toBe('suspended');
  });
});

describe('a command’s id', () => {
  it('makes it happen once and answers every repeat alike, refusals included', async () => {
    const { id, handle } = await start();
    const args = [{ ...tenant, ttlMs: HOUR_MS, commandId: 'extend-once' }] as const;
    const answers = await Promise.all([1, 2, 3].map(() => handle.executeUpdate(extendUpdate, { args: [...args], updateId: randomUUID() })));
    answers.push(await handle.executeUpdate(extendUpdate, { args: [...args], updateId: randomUUID() }));
    expect(new Set(answers.map((answer) => answer.view.expiresAt)).size).toBe(1);
    await handle.signal('extend', { ttl: '1h', commandId: 'extend-once' });
    await handle.executeUpdate(updateUpdate, { args: [{ ...tenant, name: 'after' }] });
    expect(await typesOf(id)).toEqual(['reserved', 'active', 'extended', 'updated']);
  });

  it('a refused signal is one event, also when it is sent twice', async () => {
    const { id, handle } = await start();
    await handle.signal('resume', { commandId: 'r' });
    await handle.signal('resume', { commandId: 'r' });
    await handle.signal('extend', { ttl: '90d', commandId: 'x' });
    await eventually(
      () => refusals(id),
      (codes) => codes.length === 2,
    );
    await handle.executeUpdate(updateUpdate, { args: [{ ...tenant, name: 'after' }] });
    expect(await refusals(id)).toEqual(['not_paused', 'ttl_too_long']);
  });
});

describe('an operator’s signal', () => {
  it('with the wrong argument, or none, never stops the resource', async () => {
    const { id, handle } = await start();
    for (const [name, args] of [
      ['extend', []],
      ['extend', [null]],
      ['extend', [7200]],
      ['extend', [{ ttl: 7200 }]],
      ['storage', []],
      ['storage', [{ bytes: 'many', action: 'explode' }]],
      ['suspend', [{ reason: 7 }]],
      ['resume', [null]],
      ['suspend', [null]],
      ['resume', [7]],
      ['suspend', []],
      ['resume', ['now']],
    ] as const) {
      await handle.signal(name, ...args);
    }
    await eventCount(id, 12);
    expect(await refusals(id)).toEqual(['invalid_ttl', 'invalid_ttl', 'invalid_ttl', 'invalid_ttl']);
    expect((await typesOf(id)).slice(6)).toEqual(['suspended', 'unsuspended', 'suspended', 'unsuspended', 'suspended', 'unsuspended']);
    await expect(handle.executeUpdate('pause', { args: [] })).resolves.toMatchObject({ applied: true });
    await expect(handle.executeUpdate('claim', { args: [{}] })).rejects.toMatchObject(code('invalid_request'));
    await handle.signal('delete', { actor: 'me' });
    expect(await handle.result()).toEqual({ outcome: 'deleted' });
  });

  it('does what the command does, and says by whom', async () => {
    const { id, handle } = await start();
    await handle.signal('suspend', 'abuse');
    await handle.signal('extend', '2h');
    await handle.signal('resume');
    await eventCount(id, 5);
    const events = (await eventsOf(database, id)).slice(2);
    expect(events.map((event) => [event.type, event.actor_type])).toEqual([
      ['resource.suspended', 'operator'],
      ['resource.extended', 'operator'],
      ['resource.unsuspended', 'operator'],
    ]);
  });
});

describe('what wins', () => {
  it('a delete during an effect that does not come back', async () => {
    const { id, handle, objectName } = await start();
    const held = hold(backend, 'cut');
    release = held.release;
    const paused = handle.executeUpdate(pauseUpdate, { args: [tenant] });
    paused.catch(() => undefined);
    await held.reached;
    const queued = handle.executeUpdate(extendUpdate, { args: [{ ...tenant, ttlMs: HOUR_MS }] });
    queued.catch(() => undefined);
    await eventually(
      async () => (await handle.query(stateQuery)).queued,
      (length) => length === 2,
    );
    await handle.signal('delete');
    await expect(paused).rejects.toMatchObject(code('resource_inactive'));
    await expect(queued).rejects.toMatchObject(code('resource_inactive'));
    expect(await handle.result()).toEqual({ outcome: 'deleted' });
    expect(await typesOf(id)).toEqual(['reserved', 'active', 'deleting', 'deleted']);
    expect(backend.objects.has(objectName)).toBe(false);
    // The effect that is let go afterwards changes nothing.
    held.release();
    expect(await statusOf(id)).toBe('deleted');
  });

  it('the expiry over an effect that keeps failing, with its warnings meanwhile', async () => {
    const { id, handle, workflowId } = await start({ policy: { ...policy, rungsMs: [120_000, 60_000, 30_000] }, ttlMs: 150_000 });
    await handle.executeUpdate(pauseUpdate, { args: [tenant] });
    breakDown(backend, 'restore');
    const resumed = handle.startUpdate(resumeUpdate, { args: [tenant], waitForStage: 'ACCEPTED' });
    const answer = (await resumed).result();
    await skipToEnd(lifecycle.client, workflowId);
    expect(await answer).toMatchObject({ applied: false, view: { status: 'paused' } });
    expect(await handle.result()).toEqual({ outcome: 'deleted' });
    expect(await typesOf(id)).toEqual([
      'reserved',
      'active',
      'paused',
      'expiring',
      'expiring',
      'expiring',
      'expired',
      'deleting',
      'deleted',
    ]);
  });

  it('a command whose effect takes longer than 20 s is answered as accepted, and takes effect later', async () => {
    const { id, handle, workflowId } = await start();
    const broken = breakDown(backend, 'cut');
    const update = await handle.startUpdate(pauseUpdate, { args: [tenant], waitForStage: 'ACCEPTED' });
    await fastForward(lifecycle.client, workflowId, 25_000);
    expect(await update.result()).toMatchObject({ applied: false, view: { status: 'active' } });
    expect(await statusOf(id)).toBe('active');
    broken.repair();
    await fastForward(lifecycle.client, workflowId, 30_000);
    await eventually(
      () => statusOf(id),
      (status) => status === 'paused',
    );
  });

  it('the grace over a cut that keeps failing: the resource expires and goes', async () => {
    const { id, handle, workflowId } = await start({ policy: { ...policy, graceMs: 120_000 } });
    breakDown(backend, 'cut');
    await skipToEnd(lifecycle.client, workflowId);
    expect(await handle.result()).toEqual({ outcome: 'deleted' });
    const events = await eventsOf(database, id);
    const row = await rowOf(database, id);
    const deletedAt = events.find((event) => event.type === 'resource.deleting')?.occurred_at.getTime() ?? 0;
    expect(toTheMinute((deletedAt - row.created_at.getTime()) / HOUR_MS)).toBe((24 * 60 + 2) / 60);
  });

  it('an effect that the backend refuses for good is the command’s failure alone', async () => {
    const { id, handle, objectName } = await start();
    backend.objects.delete(objectName);
    await expect(handle.executeUpdate(pauseUpdate, { args: [tenant] })).rejects.toMatchObject(code('provision_failed'));
    expect(await typesOf(id)).toEqual(['reserved', 'active']);
    await handle.signal('delete');
    expect(await handle.result()).toEqual({ outcome: 'deleted' });
  });

  it('a cancelled workflow is a deleted resource', async () => {
    const { id, handle, objectName } = await start();
    await handle.cancel();
    expect(await handle.result()).toEqual({ outcome: 'deleted' });
    expect(await typesOf(id)).toEqual(['reserved', 'active', 'deleting', 'deleted']);
    expect(backend.objects.has(objectName)).toBe(false);
  });

  it('nothing over a deletion: each command then is refused, and delete is delete however often', async () => {
    const { id, handle } = await start();
    const held = hold(backend, 'deprovision');
    release = held.release;
    await handle.signal('delete', { ...tenant, reason: 'by owner' });
    await held.reached;
    await handle.signal('delete');
    await handle.signal('extend', '1h');
    await expect(handle.executeUpdate(extendUpdate, { args: [{ ...tenant, ttlMs: HOUR_MS }] })).rejects.toMatchObject(
      code('resource_inactive'),
    );
    await expect(handle.executeUpdate(readyUpdate, { updateId: randomUUID() })).rejects.toMatchObject(code('resource_inactive'));
    held.release();
    expect(await handle.result()).toEqual({ outcome: 'deleted' });
    const events = await eventsOf(database, id);
    expect(events.map((event) => event.type)).toEqual(['resource.reserved', 'resource.active', 'resource.deleting', 'resource.deleted']);
    expect(events.at(-1)?.data).toEqual({ reason: 'by owner' });
  });

  it('a deletion that keeps failing is shown, and goes on until the backend is back', async () => {
    const { id, handle, workflowId, objectName } = await start();
    const broken = breakDown(backend, 'deprovision');
    await handle.signal('delete');
    await fastForward(lifecycle.client, workflowId, 600_000);
    const types = await typesOf(id);
    expect(types.filter((type) => type === 'delete_failed').length).toBeGreaterThanOrEqual(2);
    expect(backend.objects.has(objectName)).toBe(true);
    broken.repair();
    await skipToEnd(lifecycle.client, workflowId);
    expect(await handle.result()).toEqual({ outcome: 'deleted' });
    expect(backend.objects.has(objectName)).toBe(false);
  });
});
