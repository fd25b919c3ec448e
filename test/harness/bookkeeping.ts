// A lifecycle without an orchestrator: commands write the transitions that the workflow would, by the statements that it uses.
import { createPlatformActivities } from '../../activities/platform';
import type { TransitionRequest } from '../../activities/platform/types';
import type { LifecyclePort } from '../../api/lifecycle/port';
import type { Keyring } from '../../shared/crypto';
import { resourceRowFromRecord } from '../../shared/db';
import { LeaseholdError } from '../../shared/errors';
import type { ActorRef, ResourceRow, ResourceSpec } from '../../shared/resourcetype';
import type { TestDatabase } from './database';
import { rowOf } from './rows';

const RUN = 'run-1';

interface Change {
  patch: Partial<ResourceRow>;
  event: TransitionRequest['event'];
  actor: ActorRef;
  requestId: string | null;
  commandId?: string;
}

/** For tests of what the api lets through: authorisation, rows and audit lines are the real ones. */
export function bookkeepingLifecycle(database: TestDatabase, keyring: Keyring): LifecyclePort {
  const { pool, installationId } = database;
  const platform = createPlatformActivities({ pool, keyring, installationId, poolTemplateOf: () => 'template0' });

  async function change(resourceId: string, { patch, event, actor, requestId, commandId }: Change): Promise<ResourceRow> {
    const row = resourceRowFromRecord(await rowOf(database, resourceId));
    const next = { ...row, ...patch, revision: row.revision + 1 };
    await platform.transition({ ownerRun: RUN, row: next, event, actor, requestId, commandId: commandId ?? null, atMs: Date.now() });
    return next;
  }

  async function make(spec: ResourceSpec): Promise<void> {
    const workflowStartedAtMs = Date.now();
    const expiresAtMs = spec.ttlMs === null ? null : workflowStartedAtMs + spec.ttlMs;
    const answer = await platform.reserve({ spec, ownerRun: RUN, workflowStartedAtMs, expiresAtMs });
    if (answer.outcome === 'rejected') throw new LeaseholdError(answer);
    if (answer.outcome !== 'created') throw new Error(answer.outcome);
    const { actor, requestId } = spec;
    await change(spec.resourceId, {
      patch: { status: 'active' },
      event: { type: 'resource.active', data: { from_pool: false } },
      actor,
      requestId,
    });
  }

  return {
    async startAndWait(spec) {
      return await make(spec).then(
        () => ({ outcome: 'ready' as const }),
        (error: unknown) => ({ outcome: 'failed' as const, error }),
      );
    },
    start: make,
    async command({ command, commandId, spec }) {
      const { actor, requestId } = spec;
      const row = await change(spec.resourceId, {
        patch: {},
        event: { type: 'resource.updated', data: { name: null, labels_changed: false } },
        actor,
        requestId,
        commandId,
      });
      return {
        applied: true,
        view: {
          resourceId: row.resourceId,
          status: row.status,
          revision: row.revision,
          expiresAt: row.expiresAtMs === null ? null : new Date(row.expiresAtMs).toISOString(),
          previousCredentialValidUntil: null,
          suspendedReason: row.suspendedReason,
        },
        command,
      };
    },
    async remove(spec, { actor, requestId }) {
      await change(spec.resourceId, {
        patch: { status: 'deleting' },
        event: { type: 'resource.deleting', data: { reason: 'requested' } },
        actor,
        requestId,
      });
    },
    describe: async () => null,
    runState: async () => 'running',
  };
}
