// The paths of the platform's own workflows, over activities that answer what the path needs.
import { ApplicationFailure } from '@temporalio/common';
import type { PoolFiller, PoolPlanner } from '../../activities/platform/pool';
import type { BackendSweep, RowSweep } from '../../activities/platform/sweep';
import type { Meter, QuotaReporter } from '../../activities/platform/usage';
import { LIFECYCLE_TASK_QUEUE } from '../../shared/resourcetype';
import { createLifecycle } from '../harness/lifecycle';
import { eventually } from '../harness/rows';
import type { Lived, Path, Stage } from './paths';

type Upkeep = PoolPlanner & PoolFiller & BackendSweep & RowSweep & Meter & QuotaReporter;

const backends = [{ name: 'postgres-tenants', kind: 'postgres' as const }];
const away = async () => {
  throw ApplicationFailure.nonRetryable('the backend is away');
};

/** Workers in a namespace of their own that know these activities too. */
async function upkeep(stage: Stage, activities: Partial<Upkeep>): Promise<Required<Pick<Lived, 'client' | 'close'>>> {
  const lifecycle = await createLifecycle(stage);
  await lifecycle.startWorkers({ wrap: (known) => ({ ...known, ...activities }) });
  return { client: lifecycle.client, close: lifecycle.close };
}

function run(workflowType: string, argument: object, activities: Partial<Upkeep>): Path {
  return async (stage) => {
    const { client, close } = await upkeep(stage, activities);
    const handle = await client.workflow.start(workflowType, {
      workflowId: workflowType,
      taskQueue: LIFECYCLE_TASK_QUEUE,
      args: [argument],
    });
    await handle.result();
    return { workflowId: workflowType, client, close };
  };
}

const sweepInput = { backends, orphanMinimumAgeMs: 600_000 };
const usageInput = { backends, thresholds: { readOnlyAtPercent: 100, suspendAtPercent: 120, liftBelowPercent: 90 } };
const due = [{ objectName: `lhaaaaaaaa_${'b'.repeat(24)}`, reason: 'unknown' as const }];

export const UPKEEP_PATHS: Readonly<Record<string, Path>> = {
  'swept-clean': run('sweep', sweepInput, {
    sightOrphans: async () => ({ listed: 3, orphans: 0, held: 0, due: [] }),
    restartLostWorkflows: async () => ({ checked: 3, restarted: 0 }),
  }),
  'swept-orphan': run('sweep', sweepInput, {
    sightOrphans: async () => ({ listed: 3, orphans: 1, held: 0, due }),
    removeOrphan: async () => ({ removed: true }),
    restartLostWorkflows: async () => ({ checked: 3, restarted: 1 }),
  }),
  'swept-nothing-answers': run('sweep', sweepInput, { sightOrphans: away, restartLostWorkflows: away }),
  'measured-findings': run('measureUsage', usageInput, {
    measureBackend: async () => ({ measured: 2, findings: [{ resourceId: 'a', bytes: 2, action: 'read_only' }] }),
    reportFindings: async () => ({ reported: 1 }),
  }),
  'measured-backend-away': run('measureUsage', usageInput, { measureBackend: away }),
  'pool-refilled': async (stage) => {
    let looks = 0;
    const { client, close } = await upkeep(stage, {
      planRefill: async () => {
        looks += 1;
        if (looks === 1) return { create: ['one'], destroy: ['old'], ready: 0, full: false };
        return { create: [], destroy: [], ready: 1, full: true };
      },
      createItems: async () => ({ made: 1 }),
      destroyItems: async () => ({ destroyed: 1 }),
    });
    const workflowId = 'pool/postgres-tenants';
    const input = { backendName: 'postgres-tenants', kind: 'postgres', template: 'template0', target: 1 };
    const handle = await client.workflow.start('refillPool', { workflowId, taskQueue: LIFECYCLE_TASK_QUEUE, args: [input] });
    await handle.signal('refill');
    await handle.signal('configure', { ...input, target: 2 });
    await eventually(
      async () => looks,
      (seen) => seen >= 3,
    );
    await handle.cancel();
    await handle.result().catch(() => undefined);
    return { workflowId, client, close };
  },
};
