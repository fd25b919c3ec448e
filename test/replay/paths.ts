// One small life for every path through the resource workflow; each leaves a closed run whose history is kept.
import { randomUUID } from 'node:crypto';
import type { Client, WorkflowHandle } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { createTransition } from '../../activities/platform/transition';
import { resourceRowFromRecord } from '../../shared/db';
import type { ResourceSpec } from '../../shared/resourcetype';
import { LIFECYCLE_TASK_QUEUE } from '../../shared/resourcetype';
import {
  claimUpdate,
  extendUpdate,
  pauseUpdate,
  resourceWorkflowId,
  resumeUpdate,
  rotateUpdate,
  scaleUpdate,
  suspendUpdate,
  unsuspendUpdate,
  updateUpdate,
} from '../../workflows/resource/messages';
import type { TestDatabase } from '../harness/database';
import { HOUR_MS, type Lifecycle, startResource, testSpec } from '../harness/lifecycle';
import type { RecordingBackend } from '../harness/recording-backend';
import { createRollingLifecycle } from '../harness/rolling';
import { eventually, rowOf } from '../harness/rows';
import { fastForward, skipToEnd } from '../harness/time';

export interface Stage {
  database: TestDatabase;
  backend: RecordingBackend;
  lifecycle: Lifecycle;
}

/** Lives one path and answers with the workflow's id; the run it leaves is closed. */
export type Path = (stage: Stage) => Promise<Lived>;

export interface Lived {
  workflowId: string;
  runId?: string;
  /** Of a server of the path's own. */
  client?: Client;
  close?: () => Promise<void>;
}

const meta = { actor: { type: 'team', id: 'team' }, requestId: 'request' } as const;
const { policy } = testSpec();

async function live(stage: Stage, changes: Partial<ResourceSpec>, act: (handle: WorkflowHandle, workflowId: string) => Promise<unknown>) {
  const { handle, workflowId } = await startResource(stage.lifecycle.client, testSpec(changes));
  await act(handle, workflowId);
  return { handle, workflowId };
}

async function liveAndDelete(
  stage: Stage,
  changes: Partial<ResourceSpec>,
  act: (handle: WorkflowHandle, workflowId: string) => Promise<unknown>,
) {
  const { handle, workflowId } = await live(stage, changes, act);
  await handle.signal('delete', { ...meta, reason: 'test' });
  await handle.result();
  return { workflowId };
}

function breaks(stage: Stage, verb: string, times: number, error: () => Error): void {
  let left = times;
  stage.backend.before = async (called) => {
    if (called !== verb || left === 0) return;
    left -= 1;
    throw error();
  };
}

/** A start that is refused or fails: its waiter hears why, its run closes. */
async function failing(stage: Stage, changes: Partial<ResourceSpec>): Promise<{ workflowId: string }> {
  const spec = testSpec(changes);
  await startResource(stage.lifecycle.client, spec).catch(() => undefined);
  const workflowId = resourceWorkflowId(spec.resourceId);
  await stage.lifecycle.client.workflow.getHandle(workflowId).result();
  return { workflowId };
}

async function addPoolItem(stage: Stage): Promise<void> {
  await stage.database.pool.query(
    `INSERT INTO pool_items (object_name, backend_name, kind, template, server_version, state) VALUES ($1, $2, 'postgres', 'template0', 'test', 'ready')`,
    [
      `lh${stage.database.installationId}_${randomUUID()
        .replaceAll(/[^a-f2-7]/g, 'a')
        .slice(0, 24)}`,
      stage.database.backendName,
    ],
  );
}

async function makeTeam(stage: Stage): Promise<string> {
  const teamId = randomUUID();
  await stage.database.pool.query(`INSERT INTO teams (id, name, tier) VALUES ($1, 'team', 'pro')`, [teamId]);
  return teamId;
}

export const PATHS: Readonly<Record<string, Path>> = {
  expires: async (stage) => {
    const { handle, workflowId } = await live(stage, {}, (_handle, id) => skipToEnd(stage.lifecycle.client, id));
    await handle.result();
    return { workflowId };
  },
  extended: (stage) =>
    liveAndDelete(stage, {}, async (handle, id) => {
      await fastForward(stage.lifecycle.client, id, 19 * HOUR_MS);
      await handle.executeUpdate(extendUpdate, { args: [{ ttlMs: 6 * HOUR_MS, ...meta }] });
      await fastForward(stage.lifecycle.client, id, 6 * HOUR_MS);
    }),
  'paused-resumed': (stage) =>
    liveAndDelete(stage, {}, async (handle) => {
      await handle.executeUpdate(pauseUpdate, { args: [meta] });
      await handle.executeUpdate(resumeUpdate, { args: [meta] });
    }),
  'suspended-lifted': (stage) =>
    liveAndDelete(stage, {}, async (handle) => {
      await handle.executeUpdate(suspendUpdate, { args: [{ reason: 'abuse', ...meta }] });
      await handle.executeUpdate(unsuspendUpdate, { args: [meta] });
    }),
  'rotated-retired': (stage) =>
    liveAndDelete(stage, {}, async (handle, id) => {
      await handle.executeUpdate(rotateUpdate, { args: [meta] });
      await handle.executeUpdate(rotateUpdate, { args: [meta] });
      await fastForward(stage.lifecycle.client, id, 2 * HOUR_MS);
    }),
  'claimed-updated-scaled': (stage) =>
    liveAndDelete(stage, {}, async (handle) => {
      const teamId = await makeTeam(stage);
      const claim = {
        teamId,
        policy: { ...policy, tier: 'pro', maxTtlMs: null },
        limits: { storageMb: 100, connections: 20 },
        ttlMs: null,
      };
      await handle.executeUpdate(claimUpdate, { args: [{ ...claim, ...meta }] });
      await handle.executeUpdate(updateUpdate, { args: [{ name: 'renamed', labels: { a: 'b' }, ...meta }] });
      await handle.executeUpdate(scaleUpdate, { args: [{ limits: { storageMb: 200, connections: 30 }, ...meta }] });
    }),
  'claimed-once': (stage) =>
    liveAndDelete(stage, {}, async (handle, id) => {
      const claim = async (limits: object, kindCount: number) =>
        await handle
          .executeUpdate(claimUpdate, {
            args: [{ teamId: await makeTeam(stage), policy: { ...policy, tier: 'free' }, limits, ttlMs: policy.ttlMs, kindCount, ...meta }],
          })
          .catch(() => undefined);
      // No slot is left: what was applied is taken back.
      await claim({ storageMb: 100, connections: 20 }, 0);
      await fastForward(stage.lifecycle.client, id, 19 * HOUR_MS);
      await Promise.all(Array.from({ length: 5 }, () => claim({ storageMb: 10, connections: 2 }, 2)));
      await fastForward(stage.lifecycle.client, id, 20 * HOUR_MS);
    }),
  'claimed-while-provisioning': async (stage) => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    stage.backend.before = (verb) => (verb === 'provision' ? held : Promise.resolve());
    const spec = testSpec();
    const started = startResource(stage.lifecycle.client, spec);
    await eventually(
      async () => stage.backend.calls.filter((call) => call.verb === 'provision').length,
      (calls) => calls > 0,
    );
    const handle = stage.lifecycle.client.workflow.getHandle(resourceWorkflowId(spec.resourceId));
    const claim = {
      teamId: await makeTeam(stage),
      policy: { ...policy, tier: 'free' },
      limits: spec.limits,
      ttlMs: policy.ttlMs,
      kindCount: 2,
    };
    const claimed = handle.executeUpdate(claimUpdate, { args: [{ ...claim, ...meta }] });
    release();
    await Promise.all([started, claimed]);
    await handle.signal('delete', { ...meta, reason: 'test' });
    await handle.result();
    return { workflowId: resourceWorkflowId(spec.resourceId) };
  },
  'claimed-across-runs': async (stage) => {
    const often = await createRollingLifecycle({ ...stage, suggestAfterEvents: 30 });
    const spec = testSpec({ policy: { ...policy, maxTtlMs: null } });
    const { handle, workflowId } = await startResource(often.client, spec);
    const first = (await handle.describe()).runId;
    const isFirst = async () => (await often.client.workflow.getHandle(workflowId).describe()).runId === first;
    const claim = {
      teamId: await makeTeam(stage),
      policy: { ...policy, tier: 'pro' },
      limits: { storageMb: 100 },
      ttlMs: null,
      kindCount: 5,
    };
    breaks(stage, 'applyLimits', 1000, () => new Error('the backend is away'));
    await handle.startUpdate(claimUpdate, { args: [{ ...claim, ...meta, commandId: 'claim' }], waitForStage: 'ACCEPTED' });
    for (let count = 0; (await isFirst()) && count < 100; count += 1)
      await handle.signal('extend', { ttl: '10s', commandId: `extend-${count}` });
    stage.backend.before = async () => undefined;
    await eventually(
      () => rowOf(stage.database, spec.resourceId),
      (row) => row.tier === 'pro' && row.team_id === claim.teamId,
      60_000,
    );
    return { workflowId, runId: first, client: often.client, close: often.close };
  },
  'over-quota': (stage) =>
    liveAndDelete(stage, {}, async (handle, id) => {
      for (const action of ['read_only', 'suspend', 'lift'])
        await handle.signal('storage', { bytes: 1, action, commandId: `${id}/${action}` });
      const resourceId = id.slice('resource/'.length);
      await eventually(
        () => rowOf(stage.database, resourceId),
        (row) => row.status === 'active' && row.revision >= 5,
      );
    }),
  'signals-refused': (stage) =>
    liveAndDelete(stage, {}, async (handle, id) => {
      await handle.signal('extend', 'soon');
      await handle.signal('resume');
      await handle.signal('suspend', 'operator');
      await handle.signal('extend', { ttl: '1h', commandId: 'once' });
      await eventually(
        () => rowOf(stage.database, id.slice('resource/'.length)),
        (row) => row.revision >= 6,
      );
    }),
  'expired-in-grace-extended': (stage) =>
    liveAndDelete(stage, { policy: { ...policy, graceMs: 24 * HOUR_MS } }, async (handle, id) => {
      await fastForward(stage.lifecycle.client, id, 25 * HOUR_MS);
      await handle.executeUpdate(extendUpdate, { args: [{ ttlMs: HOUR_MS, ...meta }] });
    }),
  'grace-over': async (stage) => {
    const { handle, workflowId } = await live(stage, { policy: { ...policy, graceMs: HOUR_MS } }, (_handle, id) =>
      skipToEnd(stage.lifecycle.client, id),
    );
    await handle.result();
    return { workflowId };
  },
  cancelled: async (stage) => {
    const { handle, workflowId } = await live(stage, {}, (running) => running.cancel());
    await handle.result();
    return { workflowId };
  },
  'provision-failed': (stage) => {
    breaks(stage, 'provision', 1, () => ApplicationFailure.nonRetryable('no', 'ProviderMisconfigured'));
    return failing(stage, {});
  },
  rejected: (stage) => failing(stage, { kind: 'redis' }),
  'deleted-while-provisioning': async (stage) => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    stage.backend.before = (verb) => (verb === 'provision' ? held : Promise.resolve());
    const spec = testSpec();
    const workflowId = resourceWorkflowId(spec.resourceId);
    const started = startResource(stage.lifecycle.client, spec).catch(() => undefined);
    await eventually(
      async () => stage.backend.calls.filter((call) => call.verb === 'provision').length,
      (calls) => calls > 0,
    );
    const handle = stage.lifecycle.client.workflow.getHandle(workflowId);
    await handle.signal('delete', { ...meta, reason: 'test' });
    await handle.result();
    release();
    await started;
    return { workflowId };
  },
  'delete-stalled': async (stage) => {
    const { handle, workflowId } = await live(stage, {}, async (running, id) => {
      breaks(stage, 'deprovision', 9, () => new Error('the backend is away'));
      await running.signal('delete', { ...meta, reason: 'test' });
      await skipToEnd(stage.lifecycle.client, id);
    });
    await handle.result();
    return { workflowId };
  },
  'warm-claim': async (stage) => {
    await addPoolItem(stage);
    return await liveAndDelete(stage, {}, async () => undefined);
  },
  'warm-claim-failed': async (stage) => {
    await addPoolItem(stage);
    breaks(stage, 'claimWarm', 1, () => new Error('slow'));
    return await liveAndDelete(stage, {}, async () => undefined);
  },
  adopted: async (stage) => {
    const spec = testSpec();
    const { handle, workflowId } = await startResource(stage.lifecycle.client, spec);
    await handle.terminate('test');
    const { client } = stage.lifecycle;
    const next = await client.workflow.signalWithStart('resource', {
      workflowId,
      taskQueue: LIFECYCLE_TASK_QUEUE,
      args: [{ spec }],
      signal: 'extend',
      signalArgs: ['1h'],
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
      workflowIdConflictPolicy: 'USE_EXISTING',
    });
    await skipToEnd(client, workflowId);
    await next.result();
    return { workflowId, runId: next.signaledRunId };
  },
  'burst-of-signals': (stage) =>
    liveAndDelete(stage, { policy: { ...policy, maxTtlMs: null } }, async (handle, id) => {
      await Promise.all(Array.from({ length: 40 }, (_, index) => handle.signal('extend', { ttl: '10s', commandId: `burst-${index}` })));
      await eventually(
        () => rowOf(stage.database, id.slice('resource/'.length)),
        (row) => row.revision >= 42,
      );
    }),
  'malformed-messages': (stage) =>
    liveAndDelete(stage, {}, async (handle, id) => {
      for (const [name, argument] of [
        ['extend', null],
        ['storage', { bytes: 'many' }],
        ['suspend', { reason: 7 }],
        ['resume', 7],
      ] as const)
        await handle.signal(name, argument);
      await eventually(
        () => rowOf(stage.database, id.slice('resource/'.length)),
        (row) => row.revision >= 5,
      );
      await handle.executeUpdate('pause', { args: [] });
    }),
  'effect-cut-short-by-expiry': async (stage) => {
    const short = { policy: { ...policy, rungsMs: [60_000] }, ttlMs: 120_000 };
    const { handle, workflowId } = await live(stage, short, async (running, id) => {
      breaks(stage, 'cut', 1000, () => new Error('the backend is away'));
      await running.startUpdate(pauseUpdate, { args: [meta], waitForStage: 'ACCEPTED' });
      await skipToEnd(stage.lifecycle.client, id);
    });
    await handle.result();
    return { workflowId };
  },
  'row-moved-by-a-lost-attempt': (stage) =>
    liveAndDelete(stage, {}, async (handle, id) => {
      const record = await rowOf(stage.database, id.slice('resource/'.length));
      const row = resourceRowFromRecord(record);
      const lost = { revision: row.revision + 1, expiresAtMs: (row.expiresAtMs ?? 0) + HOUR_MS };
      await createTransition({ pool: stage.database.pool, notify: () => undefined })({
        ownerRun: record.owner_run,
        row: { ...row, ...lost },
        event: { type: 'resource.extended', data: { expires_at: null, previous_expires_at: null } },
        ...meta,
        commandId: 'lost',
        atMs: row.createdAtMs,
      });
      await handle.signal('suspend', 'operator');
      await handle.signal('resume');
      await eventually(
        () => rowOf(stage.database, row.resourceId),
        (current) => current.status === 'active' && current.revision === 5,
      );
      // Already done, as the lost attempt's event says.
      await handle.executeUpdate(extendUpdate, { args: [{ ttlMs: HOUR_MS, ...meta, commandId: 'lost' }] });
    }),
  'continued-as-new': async (stage) => {
    const often = await createRollingLifecycle({ ...stage, suggestAfterEvents: 30 });
    const spec = testSpec({ policy: { ...policy, maxTtlMs: null } });
    const { handle, workflowId } = await startResource(often.client, spec);
    const first = (await handle.describe()).runId;
    const isFirst = async () => (await often.client.workflow.getHandle(workflowId).describe()).runId === first;
    for (let count = 0; (await isFirst()) && count < 100; count += 1)
      await handle.signal('extend', { ttl: '10s', commandId: `extend-${count}` });
    return { workflowId, runId: first, client: often.client, close: often.close };
  },
};
