// Reading resources: lists, one, its credentials.
import { isInactive, isTerminal } from '../../shared/resourcestatus';
import { audit } from '../audit';
import { authorizeResource, authorizeTeam } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { prefers } from '../http/prefer';
import { defineRoute, type Route } from '../http/route';
import { decodeListCursor, encodeListCursor } from '../projection/cursor';
import { toItem } from '../projection/item';
import type { ListPage, StoredResource } from '../projection/store';
import { waitFor } from '../projection/waiter';
import { inactiveError } from '../provision/answer';
import {
  credentialsAnswer,
  getQuery,
  LIST_FIELD_CODES,
  listAnswer,
  listQuery,
  parseLabels,
  resourceAnswer,
  resourceParams,
} from '../schemas/resources';

export const TOKEN_HEADER = { 'X-Resource-Token': 'The token of an anonymous resource.' };

export function resourceRoutes(deps: ApiDeps): Route[] {
  return [listRoute(deps), getRoute(deps), credentialsRoute(deps)];
}

export function nextCursor(page: ListPage, limit: number): string | null {
  const last = page.items.at(-1);
  return last === undefined || page.items.length < limit ? null : encodeListCursor({ createdKey: last.created_key, id: last.id });
}

export function itemBody(deps: Pick<ApiDeps, 'secrets'>, row: StoredResource) {
  const item = toItem(row, deps.secrets.token(row));
  return { ok: true as const, item, resource: item, ...item };
}

function listRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/resources',
    operationId: 'list_resources',
    summary: 'List the team’s resources, newest first',
    tag: 'Resources',
    access: 'bearer',
    query: listQuery,
    fieldCodes: LIST_FIELD_CODES,
    answers: { 200: { description: 'One page.', schema: listAnswer } },
    errors: ['invalid_filter', 'invalid_limit', 'invalid_cursor'],
    async handle({ caller, context, query }) {
      if (caller.type === 'operator')
        throw new ApiError({ code: 'forbidden', message: 'An operator owns no resources. List all of them at /api/v1/admin/resources.' });
      const { teamId } = authorizeTeam(deps, { caller, context, action: 'resource.list' });
      const limit = Number(query.limit);
      const after = query.cursor === undefined ? null : decodeListCursor(query.cursor);
      const { env, kind, status } = query;
      const page = await deps.store.list({ teamId, env, kind, status, labels: parseLabels(query.label) }, { limit, after });
      const items = page.items.map((row) => toItem(row, deps.secrets.token(row)));
      return { status: 200, body: { ok: true, items, total: page.total, next_cursor: nextCursor(page, limit) } };
    },
  });
}

function getRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/resources/:id',
    operationId: 'get_resource',
    summary: 'Read one resource',
    description:
      'With "Prefer: wait=20" and ?status=active the answer comes when the status is reached, when it cannot be any more, or in time.',
    tag: 'Resources',
    access: 'caller',
    params: resourceParams,
    query: getQuery,
    fieldCodes: { status: 'invalid_filter' },
    headers: { ...TOKEN_HEADER, Prefer: 'wait=<seconds>, up to 25.' },
    answers: { 200: { description: 'As it stands.', schema: resourceAnswer, headers: ['Preference-Applied'] } },
    errors: ['not_found', 'invalid_filter'],
    async handle({ caller, context, params, query, header, response }) {
      const access = { id: params.id, caller, context, header, action: 'resource.read' as const };
      const first = await authorizeResource(deps, access);
      const { waitSeconds } = prefers(header('prefer'));
      const wanted = query.status;
      const waits = waitSeconds !== null && wanted !== undefined;
      const reached = (row: StoredResource) => row.status === wanted || isTerminal(row.status);
      const row =
        waits && !reached(first)
          ? await waitFor(deps.feed, first.id, {
              timeoutMs: waitSeconds * 1000,
              signal: closedSignal(response, deps.stopping),
              read: () => authorizeResource(deps, access),
              done: reached,
            })
          : first;
      const lifecycle = await deps.lifecycle.describe(row.id);
      const item = itemBody(deps, row);
      return {
        status: 200,
        body: { ...item, lifecycle },
        ...(waits ? { headers: { 'Preference-Applied': `wait=${waitSeconds}` } } : {}),
      };
    },
  });
}

/** Aborts when the client has gone or the process is to end. */
export function closedSignal(response: { once(event: 'close', listener: () => void): unknown }, stopping: AbortSignal): AbortSignal {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  return AbortSignal.any([gone.signal, stopping]);
}

function credentialsRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/resources/:id/credentials',
    operationId: 'get_credentials',
    summary: 'Read the credentials; recorded in the audit log',
    tag: 'Resources',
    access: 'caller',
    params: resourceParams,
    headers: TOKEN_HEADER,
    answers: { 200: { description: 'The current credentials.', schema: credentialsAnswer } },
    errors: ['not_found', 'resource_inactive', 'resource_not_ready', 'provision_failed'],
    async handle({ caller, context, params, header }) {
      const row = await authorizeResource(deps, { id: params.id, caller, context, header, action: 'resource.credentials' });
      const found = await deps.store.findWithCredential(row.id);
      if (found === null || isInactive(found.resource.status)) throw inactiveError(found?.resource ?? row) ?? notReady();
      if (found.resource.status === 'pending') throw notReady();
      const connection = deps.secrets.connection(found);
      const { resource } = found;
      await audit(deps, {
        caller,
        context,
        action: 'resource.credentials',
        target: { type: 'resource', id: row.id, teamId: row.team_id },
        result: 'success',
        data: { version: resource.credential_version },
      });
      const body = {
        ok: true,
        id: resource.id,
        token: deps.secrets.token(resource),
        resource_type: resource.kind,
        name: resource.name,
        env: resource.env,
        status: resource.status,
        expires_at: resource.expires_at?.toISOString() ?? null,
        ...connection,
        previous_valid_until: resource.retiring_until?.toISOString() ?? null,
      };
      return { status: 200, body };
    },
  });
}

function notReady(): ApiError {
  return new ApiError({ code: 'resource_not_ready', message: 'The resource is still being made. Wait until its status is active.' });
}
