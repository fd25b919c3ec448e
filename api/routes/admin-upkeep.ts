// What operators do when something was left behind: look for it, and delete for good.
import { specFromRecord } from '../../shared/db';
import { isTerminal } from '../../shared/resourcestatus';
import { audit } from '../audit';
import { authorizeScope, isUuid, refuseUnknown } from '../auth/authorize';
import { actorOf } from '../auth/caller';
import type { ApiDeps } from '../deps';
import { defineRoute, type Route } from '../http/route';
import type { RunState } from '../lifecycle/port';
import type { StuckRow } from '../projection/leaks';
import { forceDeleteBody, leaksAnswer } from '../schemas/audit';
import { deleteAnswer, resourceParams } from '../schemas/resources';

/** Each is one question to the orchestrator. */
const ASKED_MOST = 20;

export function adminUpkeepRoutes(deps: ApiDeps): Route[] {
  return [forceDeleteRoute(deps), leaksRoute(deps)];
}

function forceDeleteRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/admin/resources/:id/delete',
    operationId: 'admin_delete_resource',
    summary: 'Delete anybody’s resource, at once and without grace',
    description: 'Also where its deletion failed, or its workflow was lost: a new run takes it over.',
    tag: 'Operators',
    access: 'operator',
    params: resourceParams,
    body: forceDeleteBody,
    answers: { 200: { description: 'It is going, or gone already.', schema: deleteAnswer } },
    errors: ['not_found'],
    async handle({ caller, context, params, body }) {
      const action = 'admin.delete' as const;
      authorizeScope(deps, { caller, context, action, scope: { kind: 'global' } });
      const id = params.id.toLowerCase();
      const row = isUuid(id) ? await deps.store.find({ id, tokenHash: null }) : null;
      if (row === null) throw refuseUnknown(deps, { caller, context, action, target: { type: 'resource', id, teamId: null } });
      context.resourceId = row.id;
      const reason = body?.reason ?? 'an operator deleted it';
      const target = { type: 'resource', id: row.id, teamId: row.team_id };
      // Before the deed: what cannot be recorded is not done.
      await audit(deps, { caller, context, action, target, result: 'success', data: { reason, status: row.status } });
      if (!isTerminal(row.status)) {
        const actor = actorOf(caller);
        await deps.lifecycle.remove(specFromRecord(row, { actor, requestId: context.requestId }), {
          actor,
          requestId: context.requestId,
          reason,
        });
      }
      return { status: 200, body: { ok: true, id: row.id, message: 'The resource is being deleted.', status: 'deleting' } };
    },
  });
}

function leaksRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/admin/leaks',
    operationId: 'admin_leaks',
    summary: 'What may have been left behind',
    description: `Up to 100 of each; of the ${ASKED_MOST} oldest rows it says whether a workflow still works on them.`,
    tag: 'Operators',
    access: 'operator',
    answers: { 200: { description: 'The report.', schema: leaksAnswer } },
    errors: [],
    async handle({ caller, context }) {
      authorizeScope(deps, { caller, context, action: 'admin.leaks', scope: { kind: 'global' } });
      const { orphans, deleteFailed, overdue } = await deps.leakReport.leaks();
      const states = await statesOf(deps, [...deleteFailed, ...overdue].slice(0, ASKED_MOST));
      const target = { type: 'platform', id: 'leaks', teamId: null };
      await audit(deps, { caller, context, action: 'admin.leaks', target, result: 'success' });
      const wire = (row: StuckRow) => toWire(row, states.get(row.id) ?? null);
      const body = {
        ok: true,
        orphans: orphans.map((orphan) => ({
          backend_name: orphan.backendName,
          object_name: orphan.objectName,
          first_seen_at: orphan.firstSeenAt.toISOString(),
          last_seen_at: orphan.lastSeenAt.toISOString(),
        })),
        delete_failed: deleteFailed.map(wire),
        overdue: overdue.map(wire),
      };
      return { status: 200, body };
    },
  });
}

async function statesOf(deps: ApiDeps, rows: readonly StuckRow[]): Promise<Map<string, RunState>> {
  const states = new Map<string, RunState>();
  const ask = async ({ id }: StuckRow) => {
    states.set(id, await deps.lifecycle.runState(id));
  };
  // The report is of use without the orchestrator too.
  await Promise.allSettled(rows.map(ask));
  return states;
}

function toWire(row: StuckRow, workflow: RunState | null) {
  return {
    id: row.id,
    resource_type: row.kind,
    status: row.status,
    backend_name: row.backendName,
    object_name: row.objectName,
    team_id: row.teamId,
    expires_at: row.expiresAt?.toISOString() ?? null,
    updated_at: row.updatedAt.toISOString(),
    workflow,
  };
}
