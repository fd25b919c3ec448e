// Where resources are placed, for operators: what there is, and taking a backend or a host out of use.
import { audit, auditDenial } from '../audit';
import { authorizeScope } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Route } from '../http/route';
import { drainAnswer, placementAnswer, placementParams } from '../schemas/placement';
import { noBody } from '../schemas/resources';

const PLACES = ['backend', 'host'] as const;
export type Place = (typeof PLACES)[number];

export function placementRoutes(deps: ApiDeps): Route[] {
  return [listRoute(deps), ...PLACES.flatMap((place) => [drainRoute(deps, place, true), drainRoute(deps, place, false)])];
}

function listRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/admin/backends',
    operationId: 'admin_list_backends',
    summary: 'Backends and hosts: how full, and whether they take anything new',
    tag: 'Operators',
    access: 'operator',
    answers: { 200: { description: 'All of them.', schema: placementAnswer } },
    errors: [],
    async handle({ caller, context }) {
      authorizeScope(deps, { caller, context, action: 'admin.list', scope: { kind: 'global' } });
      const { backends, hosts } = await deps.store.placements();
      const target = { type: 'platform', id: 'backends', teamId: null };
      await audit(deps, { caller, context, action: 'admin.list', target, result: 'success', data: { items: backends.length } });
      return {
        status: 200,
        body: {
          ok: true,
          backends,
          hosts: hosts.map((host) => ({ ...host, checked_at: host.checked_at?.toISOString() ?? null })),
        },
      };
    },
  });
}

function drainRoute(deps: ApiDeps, place: Place, drained: boolean): Route {
  const verb = drained ? 'drain' : 'undrain';
  return defineRoute({
    method: 'post',
    path: `/api/v1/admin/${place}s/:name/${verb}`,
    operationId: `admin_${verb}_${place}`,
    summary: drained ? `Place nothing new on this ${place}; what lives there stays` : `Place resources on this ${place} again`,
    description: drained ? undefined : 'One that backends.yaml drains is drained again when a worker starts.',
    tag: 'Operators',
    access: 'operator',
    params: placementParams,
    body: noBody,
    answers: { 200: { description: 'Done; for placements from now on.', schema: drainAnswer } },
    errors: ['not_found'],
    async handle({ caller, context, params }) {
      authorizeScope(deps, { caller, context, action: 'admin.drain', scope: { kind: 'global' } });
      const { name } = params;
      const fact = { caller, context, action: 'admin.drain', target: { type: place, id: name, teamId: null }, data: { drained } };
      if (!(await deps.store.setDrained({ place, name, drained }))) {
        auditDenial(deps, fact);
        throw new ApiError({ code: 'not_found', message: `There is no ${place} of this name; see /api/v1/admin/backends.` });
      }
      await audit(deps, { ...fact, result: 'success' });
      return { status: 200, body: { ok: true, name, drained } };
    },
  });
}
