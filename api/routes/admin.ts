// What operators do: look across teams, suspend and lift a suspension.
import { audit } from '../audit';
import { authorizeScope, isUuid, refuseUnknown } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { defineRoute, type Reply, type Route, type RouteRequest } from '../http/route';
import type { LifecycleCommand } from '../lifecycle/port';
import { decodeListCursor } from '../projection/cursor';
import { toAdminItem } from '../projection/item';
import type { StoredResource } from '../projection/store';
import { resourceUrls } from '../provision/answer';
import {
  adminCommandAnswer,
  adminListAnswer,
  LIST_FIELD_CODES,
  listQuery,
  noBody,
  parseLabels,
  resourceParams,
  suspendBody,
} from '../schemas/resources';
import { sendCommand, warningOf } from './commands';
import { nextCursor } from './resources';

const COMMAND_ERRORS = [
  'not_found',
  'resource_inactive',
  'resource_not_ready',
  'draining',
  'timeout',
  'invalid_idempotency_key',
  'provision_failed',
] as const;
const COMMAND_ANSWERS = {
  200: { description: 'Done.', schema: adminCommandAnswer },
  202: { description: 'Accepted; the effect is still under way.', schema: adminCommandAnswer, headers: ['Location'] },
};

export function adminRoutes(deps: ApiDeps): Route[] {
  return [listRoute(deps), suspendRoute(deps), unsuspendRoute(deps), isolateRoute(deps)];
}

function listRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/admin/resources',
    operationId: 'admin_list_resources',
    summary: 'List resources of every owner, newest first',
    tag: 'Operators',
    access: 'operator',
    query: listQuery,
    fieldCodes: LIST_FIELD_CODES,
    answers: { 200: { description: 'One page.', schema: adminListAnswer } },
    errors: ['invalid_filter', 'invalid_limit', 'invalid_cursor'],
    async handle({ caller, context, query }) {
      authorizeScope(deps, { caller, context, action: 'admin.list', scope: { kind: 'global' } });
      const limit = Number(query.limit);
      const after = query.cursor === undefined ? null : decodeListCursor(query.cursor);
      const { env, kind, status } = query;
      const page = await deps.store.list({ teamId: null, env, kind, status, labels: parseLabels(query.label) }, { limit, after });
      const target = { type: 'platform', id: 'resources', teamId: null };
      await audit(deps, { caller, context, action: 'admin.list', target, result: 'success', data: { items: page.items.length } });
      const body = { ok: true, items: page.items.map(toAdminItem), total: page.total, next_cursor: nextCursor(page, limit) };
      return { status: 200, body };
    },
  });
}

type CommandAction = 'admin.suspend' | 'admin.unsuspend' | 'admin.isolate';

async function command(
  deps: ApiDeps,
  request: RouteRequest<{ id: string }>,
  action: CommandAction,
  lifecycleCommand: LifecycleCommand,
): Promise<Reply> {
  const row = await resourceForOperator(deps, request, action);
  const { applied, found } = await sendCommand(deps, request, row, lifecycleCommand);
  const item = toAdminItem(found.resource);
  const body = { ok: true, id: item.id, status: item.status, ...warningOf(found), item };
  if (applied) return { status: 200, body };
  return { status: 202, body, headers: { Location: resourceUrls(deps.settings.baseUrl, item.id).resource_url } };
}

/** By id only: an operator has no use for a tenant's token. */
async function resourceForOperator(
  deps: ApiDeps,
  { caller, context, params }: RouteRequest<{ id: string }>,
  action: CommandAction,
): Promise<StoredResource> {
  authorizeScope(deps, { caller, context, action, scope: { kind: 'global' } });
  const id = params.id.toLowerCase();
  const row = isUuid(id) ? await deps.store.find({ id, tokenHash: null }) : null;
  if (row === null) throw refuseUnknown(deps, { caller, context, action, target: { type: 'resource', id, teamId: null } });
  context.resourceId = row.id;
  return row;
}

function suspendRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/admin/resources/:id/suspend',
    operationId: 'admin_suspend_resource',
    summary: 'Cut access, with a reason that the owner reads',
    tag: 'Operators',
    access: 'operator',
    params: resourceParams,
    body: suspendBody,
    answers: COMMAND_ANSWERS,
    errors: [...COMMAND_ERRORS, 'already_suspended'],
    handle: (request) => command(deps, request, 'admin.suspend', { type: 'suspend', reason: request.body.reason }),
  });
}

function unsuspendRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/admin/resources/:id/unsuspend',
    operationId: 'admin_unsuspend_resource',
    summary: 'Lift a suspension; what the owner paused stays paused',
    tag: 'Operators',
    access: 'operator',
    params: resourceParams,
    body: noBody,
    answers: COMMAND_ANSWERS,
    errors: [...COMMAND_ERRORS, 'not_suspended'],
    handle: (request) => command(deps, request, 'admin.unsuspend', { type: 'unsuspend' }),
  });
}

function isolateRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/admin/resources/:id/isolate',
    operationId: 'admin_isolate_resource',
    summary: 'Move a queue from a server without credentials to an account of its own',
    description:
      'Streams, messages, consumers and their positions go along; subjects keep their names. Writes are refused from the first moment until clients connect with the new credentials.',
    tag: 'Operators',
    access: 'operator',
    params: resourceParams,
    body: noBody,
    answers: COMMAND_ANSWERS,
    errors: [...COMMAND_ERRORS, 'no_capacity'],
    handle: (request) => command(deps, request, 'admin.isolate', { type: 'isolate' }),
  });
}
