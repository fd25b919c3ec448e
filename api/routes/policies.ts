// Operators set figures in place of those of plans.yaml: for all, for a team, or for a network.
import { audit } from '../audit';
import { authorizeScope } from '../auth/authorize';
import { actorOf } from '../auth/caller';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Route, type RouteRequest } from '../http/route';
import { policiesAnswer, policyAnswer, policyBody, policyGone, policyName } from '../schemas/policies';

const PATH = '/api/v1/admin/policies';
const COMMON = { path: PATH, tag: 'Operators', access: 'operator' } as const;

export function policyRoutes(deps: ApiDeps): Route[] {
  return [listRoute(deps), putRoute(deps), deleteRoute(deps)];
}

function authorize(deps: ApiDeps, { caller, context }: Pick<RouteRequest, 'caller' | 'context'>): void {
  authorizeScope(deps, { caller, context, action: 'admin.policies', scope: { kind: 'global' } });
}

/** Before the change: what cannot be recorded is not done. */
async function record(
  deps: ApiDeps,
  { caller, context }: Pick<RouteRequest, 'caller' | 'context'>,
  id: string,
  data: object,
): Promise<void> {
  const target = { type: 'policy', id, teamId: null };
  await audit(deps, { caller, context, action: 'admin.policies', target, result: 'success', data: { ...data } });
}

function listRoute(deps: ApiDeps): Route {
  return defineRoute({
    ...COMMON,
    method: 'get',
    operationId: 'admin_list_policies',
    summary: 'Figures that hold in place of those of plans.yaml',
    answers: { 200: { description: 'All of them.', schema: policiesAnswer } },
    errors: [],
    async handle(request) {
      authorize(deps, request);
      const policies = await deps.policies.list();
      await record(deps, request, 'all', { items: policies.length });
      const items = policies.map(({ scope, key, value, updatedAt, updatedBy }) => ({
        ...{ scope, key, value, updated_at: updatedAt.toISOString(), updated_by: updatedBy },
      }));
      return { status: 200, body: { ok: true, items } };
    },
  });
}

function putRoute(deps: ApiDeps): Route {
  return defineRoute({
    ...COMMON,
    method: 'put',
    operationId: 'admin_put_policy',
    summary: 'Set one figure for all, for one team or for one network',
    description: 'In force within three seconds on every api process; of the scopes that fit, the team’s counts, then the network’s.',
    body: policyBody,
    answers: { 200: { description: 'It holds.', schema: policyAnswer } },
    errors: [],
    async handle(request) {
      authorize(deps, request);
      const { scope, key, value } = request.body;
      await record(deps, request, `${scope} ${key}`, { value });
      await deps.policies.put({ scope, key, value, updatedBy: actorOf(request.caller).id });
      return { status: 200, body: { ok: true, scope, key, value } };
    },
  });
}

function deleteRoute(deps: ApiDeps): Route {
  return defineRoute({
    ...COMMON,
    method: 'delete',
    operationId: 'admin_delete_policy',
    summary: 'Take a figure back: plans.yaml holds again',
    query: policyName,
    answers: { 200: { description: 'It holds no more.', schema: policyGone } },
    errors: ['not_found'],
    async handle(request) {
      authorize(deps, request);
      const { scope, key } = request.query;
      await record(deps, request, `${scope} ${key}`, { removed: true });
      if (!(await deps.policies.remove({ scope, key }))) {
        throw new ApiError({ code: 'not_found', message: `No such policy is set; see ${PATH}.` });
      }
      return { status: 200, body: { ok: true, scope, key } };
    },
  });
}
