// API keys of a team: made and revoked by its admins, never by a key.
import { auditEntry } from '../audit';
import { authorizeTeam, isUuid, refuseUnknown } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { defineRoute, type Route } from '../http/route';
import { apiKeyAnswer, apiKeyBody, apiKeysAnswer, doneAnswer, idParams } from '../schemas/identity';

const PATH = '/api/v1/auth/api-keys';

export function apiKeyRoutes(deps: ApiDeps): Route[] {
  return [createRoute(deps), listRoute(deps), revokeRoute(deps)];
}

function createRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: PATH,
    operationId: 'create_api_key',
    summary: 'Make an api key; it is shown this once',
    description: 'It may do what its scopes name and its maker’s role allows, and ends when its maker leaves the team.',
    tag: 'API keys',
    access: 'bearer',
    rate: 'credential_mints',
    body: apiKeyBody,
    answers: { 201: { description: 'The key.', schema: apiKeyAnswer } },
    errors: [],
    async handle(request) {
      const { context, body } = request;
      const caller = authorizeTeam(deps, { ...request, action: 'api_key.create' });
      const { name, scopes } = body;
      const made = await deps.apiKeys.create({ teamId: caller.teamId, name, scopes, createdBy: caller.userId }, (id) =>
        auditEntry({
          caller,
          context,
          action: 'api_key.create',
          target: { type: 'api_key', id, teamId: caller.teamId },
          result: 'success',
          data: { scopes: scopes.join(' ') },
        }),
      );
      return {
        status: 201,
        body: { ok: true, id: made.id, name, key: made.key, scopes, created_at: made.createdAt.toISOString() },
      };
    },
  });
}

function listRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: PATH,
    operationId: 'list_api_keys',
    summary: 'The team’s api keys, revoked ones too',
    tag: 'API keys',
    access: 'bearer',
    answers: { 200: { description: 'Newest first.', schema: apiKeysAnswer } },
    errors: [],
    async handle(request) {
      const { teamId } = authorizeTeam(deps, { ...request, action: 'api_key.list' });
      const items = (await deps.apiKeys.list(teamId)).map((key) => ({
        id: key.id,
        name: key.name,
        scopes: key.scopes,
        hint: key.hint,
        created_at: key.createdAt.toISOString(),
        created_by: key.createdBy,
        last_used_at: key.lastUsedAt?.toISOString() ?? null,
        revoked_at: key.revokedAt?.toISOString() ?? null,
      }));
      return { status: 200, body: { ok: true, items } };
    },
  });
}

function revokeRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'delete',
    path: `${PATH}/:id`,
    operationId: 'revoke_api_key',
    summary: 'Revoke an api key, at once and for good',
    tag: 'API keys',
    access: 'bearer',
    params: idParams,
    answers: { 200: { description: 'It opens nothing any more.', schema: doneAnswer } },
    errors: ['not_found'],
    async handle(request) {
      const { context, params } = request;
      const caller = authorizeTeam(deps, { ...request, action: 'api_key.revoke' });
      const id = params.id.toLowerCase();
      const target = { type: 'api_key', id, teamId: caller.teamId };
      const entry = auditEntry({ caller, context, action: 'api_key.revoke', target, result: 'success' });
      if (!isUuid(id) || !(await deps.apiKeys.revoke(caller.teamId, id, entry)))
        throw refuseUnknown(deps, { caller, context, action: 'api_key.revoke', target });
      return { status: 200, body: { ok: true, message: 'The key is revoked.' } };
    },
  });
}
