// Commands to one resource. Each is an update of its workflow; what the answer shows is read from the row afterwards.

import type { Action } from '../../shared/authz';
import { specFromRecord } from '../../shared/db';
import { isTerminal } from '../../shared/resourcestatus';
import { authorizeResource } from '../auth/authorize';
import { actorOf } from '../auth/caller';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Reply, type Route, type RouteRequest } from '../http/route';
import { commandIdFor } from '../idempotency/key';
import type { LifecycleCommand } from '../lifecycle/port';
import { openServerWarning } from '../projection/connections';
import { toItem } from '../projection/item';
import type { ResourceWithCredential, StoredResource } from '../projection/store';
import { resourceUrls } from '../provision/answer';
import { parseTtl } from '../provision/spec';
import {
  COMMAND_FIELD_CODES,
  commandAnswer,
  deleteAnswer,
  extendBody,
  itemAnswer,
  noBody,
  patchBody,
  resourceParams,
  rotateAnswer,
} from '../schemas/resources';
import { itemBody, TOKEN_HEADER } from './resources';

const COMMAND_ERRORS = [
  'not_found',
  'resource_inactive',
  'resource_not_ready',
  'draining',
  'timeout',
  'invalid_idempotency_key',
  'provision_failed',
] as const;
const HEADERS = { ...TOKEN_HEADER, 'Idempotency-Key': 'A repeat under the same key is the same command.' };
const ACCEPTED = 'Accepted; the effect is still under way.';

type ParamsRequest = RouteRequest<{ id: string }>;

export interface Commanded {
  applied: boolean;
  found: ResourceWithCredential;
}

/** Rows that no command can change any more need no workflow to say so. */
function refuseGone(row: StoredResource): void {
  if (!isTerminal(row.status) && row.status !== 'deleting' && row.status !== 'delete_failed') return;
  throw new ApiError({
    code: 'resource_inactive',
    message: `The resource is ${row.status}.`,
    details: { resource_id: row.id, status: row.status },
  });
}

/** Sends the command to the row's workflow and reads the row anew. */
export async function sendCommand(
  deps: ApiDeps,
  request: Pick<RouteRequest, 'caller' | 'context' | 'header'>,
  row: StoredResource,
  command: LifecycleCommand,
): Promise<Commanded> {
  refuseGone(row);
  const spec = specFromRecord(row, { actor: actorOf(request.caller), requestId: request.context.requestId });
  const commandId = commandIdFor({ resourceId: row.id, command: command.type, header: request.header });
  const answer = await deps.lifecycle.command({ command, commandId, spec });
  const found = await deps.store.findWithCredential(row.id);
  if (found === null) throw new ApiError({ code: 'internal_error', message: 'The resource is not there any more.' });
  return { applied: answer.applied, found };
}

async function onResource(deps: ApiDeps, request: ParamsRequest, action: Action, command: LifecycleCommand): Promise<Commanded> {
  const { caller, context, header, params } = request;
  const row = await authorizeResource(deps, { id: params.id, caller, context, header, action });
  return await sendCommand(deps, request, row, command);
}

function reply(deps: ApiDeps, { applied, found }: Commanded, body: object): Reply {
  if (applied) return { status: 200, body };
  return { status: 202, body, headers: { Location: resourceUrls(deps.settings.baseUrl, found.resource.id).resource_url } };
}

function commandBody(deps: ApiDeps, found: ResourceWithCredential) {
  const item = toItem(found.resource, deps.secrets.token(found.resource));
  return { ok: true as const, id: item.id, status: item.status, expires_at: item.expires_at, ...warningOf(found), item };
}

/** What a pause or a suspension could not do. */
export function warningOf(found: ResourceWithCredential): { warning?: string } {
  const warning = openServerWarning(found);
  return warning === null ? {} : { warning };
}

export function commandRoutes(deps: ApiDeps): Route[] {
  return [extendRoute(deps), pauseRoute(deps), resumeRoute(deps), rotateRoute(deps), patchRoute(deps), deleteRoute(deps)];
}

const commandAnswers = {
  200: { description: 'Done.', schema: commandAnswer },
  202: { description: ACCEPTED, schema: commandAnswer, headers: ['Location'] },
};

function extendRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/resources/:id/extend',
    operationId: 'extend_resource',
    summary: 'Add to the life of a resource',
    description: 'Added to expires_at; in the grace after expiry, to now.',
    tag: 'Resources',
    access: 'caller',
    params: resourceParams,
    body: extendBody,
    fieldCodes: COMMAND_FIELD_CODES,
    headers: HEADERS,
    answers: commandAnswers,
    errors: [...COMMAND_ERRORS, 'invalid_ttl', 'ttl_too_short', 'ttl_too_long', 'no_expiry', 'resource_suspended'],
    async handle(request) {
      const ttlMs = parseTtl(request.body.ttl, deps.plans.current().minimumTtlMs);
      const done = await onResource(deps, request, 'resource.extend', { type: 'extend', ttlMs });
      return reply(deps, done, commandBody(deps, done.found));
    },
  });
}

function pauseRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/resources/:id/pause',
    operationId: 'pause_resource',
    summary: 'Cut access; the data stays and the clock runs on',
    tag: 'Resources',
    access: 'caller',
    params: resourceParams,
    body: noBody,
    headers: HEADERS,
    answers: commandAnswers,
    errors: [...COMMAND_ERRORS, 'already_paused', 'resource_suspended'],
    async handle(request) {
      const done = await onResource(deps, request, 'resource.pause', { type: 'pause' });
      return reply(deps, done, commandBody(deps, done.found));
    },
  });
}

function resumeRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/resources/:id/resume',
    operationId: 'resume_resource',
    summary: 'Give access again',
    tag: 'Resources',
    access: 'caller',
    params: resourceParams,
    body: noBody,
    headers: HEADERS,
    answers: commandAnswers,
    errors: [...COMMAND_ERRORS, 'not_paused', 'resource_suspended'],
    async handle(request) {
      const done = await onResource(deps, request, 'resource.resume', { type: 'resume' });
      return reply(deps, done, commandBody(deps, done.found));
    },
  });
}

function rotateRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/resources/:id/rotate-credentials',
    operationId: 'rotate_credentials',
    summary: 'New credentials; the former ones work until previous_valid_until',
    tag: 'Resources',
    access: 'caller',
    rate: 'credential_mints',
    params: resourceParams,
    body: noBody,
    headers: HEADERS,
    answers: {
      200: { description: 'Done.', schema: rotateAnswer },
      202: { description: ACCEPTED, schema: rotateAnswer, headers: ['Location'] },
    },
    errors: [...COMMAND_ERRORS, 'resource_suspended'],
    async handle(request) {
      const done = await onResource(deps, request, 'resource.rotate', { type: 'rotate' });
      const { resource } = done.found;
      const body = {
        ok: true,
        id: resource.id,
        status: resource.status,
        ...(done.applied ? deps.secrets.connection(done.found) : {}),
        previous_valid_until: done.applied ? (resource.retiring_until?.toISOString() ?? null) : null,
      };
      return reply(deps, done, body);
    },
  });
}

function patchRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'patch',
    path: '/api/v1/resources/:id',
    operationId: 'update_resource',
    summary: 'Change name or labels; labels are replaced as a whole',
    tag: 'Resources',
    access: 'caller',
    params: resourceParams,
    body: patchBody,
    fieldCodes: COMMAND_FIELD_CODES,
    headers: HEADERS,
    answers: {
      200: { description: 'Done.', schema: itemAnswer },
      202: { description: ACCEPTED, schema: itemAnswer, headers: ['Location'] },
    },
    errors: [...COMMAND_ERRORS, 'name_required', 'invalid_name', 'invalid_labels', 'resource_suspended'],
    async handle(request) {
      const done = await onResource(deps, request, 'resource.update', { type: 'update', ...request.body });
      return reply(deps, done, itemBody(deps, done.found.resource));
    },
  });
}

function deleteRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'delete',
    path: '/api/v1/resources/:id',
    operationId: 'delete_resource',
    summary: 'Delete a resource; wins over everything that is under way',
    tag: 'Resources',
    access: 'caller',
    params: resourceParams,
    headers: TOKEN_HEADER,
    answers: { 200: { description: 'It is going, or gone already.', schema: deleteAnswer } },
    errors: ['not_found'],
    async handle({ caller, context, header, params }) {
      const row = await authorizeResource(deps, { id: params.id, caller, context, header, action: 'resource.delete' });
      if (!isTerminal(row.status)) {
        const actor = actorOf(caller);
        const spec = specFromRecord(row, { actor, requestId: context.requestId });
        await deps.lifecycle.remove(spec, { actor, requestId: context.requestId, reason: 'requested' });
      }
      return { status: 200, body: { ok: true, id: row.id, message: 'The resource is being deleted.', status: 'deleting' } };
    },
  });
}
