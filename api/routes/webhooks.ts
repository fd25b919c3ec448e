// What webhook inboxes hold: pages of it, one with its body, a stream of what comes in, sending one again; and the sender's signature.
import type { Action } from '../../shared/authz';
import { EgressFailed, EgressRefused } from '../../shared/egress';
import { audit } from '../audit';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Reply, type Route, type RouteRequest } from '../http/route';
import { eventsQuery, LIST_FIELD_CODES } from '../schemas/resources';
import {
  decodeRequestCursor,
  encodeRequestCursor,
  inboxAnswer,
  inboxParams,
  isRequestId,
  replayAnswer,
  replayBody,
  signatureBody,
  storedParams,
  storedRequestAnswer,
  storedRequestsAnswer,
  toStored,
  toSummary,
} from '../schemas/webhooks';
import { EVENT_STREAM } from '../streams/sink';
import { TOKEN_HEADER } from './resources';
import { type OpenInbox, openInbox } from './webhook-inbox';
import { tail } from './webhook-tail';

const ERRORS = [
  'not_found',
  'resource_not_ready',
  'resource_inactive',
  'webhook_inactive',
  'provision_failed',
  'service_disabled',
] as const;
/** Where it came from, and what only that hop needed. */
const NOT_RESENT = /^(via|forwarded|x-forwarded-.*|x-real-ip|proxy-.*|accept-encoding|cf-.*|content-length|host)$/;
const REDACTED = '[REDACTED]';

export function webhookRoutes(deps: ApiDeps): Route[] {
  return [listRoute(deps), getRoute(deps), replayRoute(deps), signatureRoute(deps)];
}

function listRoute(deps: ApiDeps): Route {
  const streams = { open: 0 };
  return defineRoute({
    method: 'get',
    path: '/api/v1/webhooks/:token/requests',
    operationId: 'list_webhook_requests',
    summary: 'What an inbox has taken in, newest first',
    description:
      'With "Accept: text/event-stream" the answer is a stream of what comes in from now on, or after Last-Event-ID; it ends when the inbox is closed.',
    tag: 'Webhooks',
    access: 'caller',
    params: inboxParams,
    query: eventsQuery,
    fieldCodes: LIST_FIELD_CODES,
    headers: { ...TOKEN_HEADER, 'Last-Event-ID': 'Streams: the id of the last request that was seen.' },
    answers: { 200: { description: 'One page, or a stream.', schema: storedRequestsAnswer, contentTypes: [EVENT_STREAM] } },
    errors: [...ERRORS, 'invalid_cursor', 'invalid_limit'],
    async handle(request): Promise<Reply> {
      const { params, query, raw } = request;
      const { row, store } = await openInbox(deps, request, params.token, 'resource.credentials');
      const before = query.cursor === undefined ? null : decodeRequestCursor(query.cursor);
      if (raw.accepts(['application/json', EVENT_STREAM]) === EVENT_STREAM) {
        return await tail(deps, { request, token: params.token, objectName: row.object_name, store, streams });
      }
      const limit = Number(query.limit);
      const page = await store.list(row.object_name, { before, limit });
      const last = page.length < limit ? undefined : page.at(-1);
      const next_cursor = last === undefined ? null : encodeRequestCursor(last.id);
      return { status: 200, body: { ok: true, items: page.map(toSummary), next_cursor } };
    },
  });
}

function getRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/webhooks/:token/requests/:id',
    operationId: 'get_webhook_request',
    summary: 'One stored request, with its body',
    tag: 'Webhooks',
    access: 'caller',
    params: storedParams,
    headers: TOKEN_HEADER,
    answers: { 200: { description: 'As it was sent, but for secret headers.', schema: storedRequestAnswer } },
    errors: ERRORS,
    async handle(request) {
      const { inbox, id } = await openRequest(deps, request, 'resource.credentials');
      return { status: 200, body: toStored(await storedRequest(inbox, id)) };
    },
  });
}

type StoredParams = RouteRequest<{ token: string; id: string }>;

async function openRequest(deps: ApiDeps, request: StoredParams, action: Action): Promise<{ inbox: OpenInbox; id: string }> {
  return { inbox: await openInbox(deps, request, request.params.token, action), id: request.params.id.toLowerCase() };
}

async function storedRequest({ row, store }: OpenInbox, id: string) {
  const stored = isRequestId(id) ? await store.get(row.object_name, id) : null;
  if (stored === null) throw new ApiError({ code: 'not_found', message: 'The inbox holds no such request, or holds it no more.' });
  return stored;
}

function replayRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/webhooks/:token/requests/:id/replay',
    operationId: 'replay_webhook_request',
    summary: 'Send a stored request again, to an address of yours',
    description: 'Public addresses only. Nothing of the answer but its status and type is handed on.',
    tag: 'Webhooks',
    access: 'caller',
    params: storedParams,
    body: replayBody,
    headers: TOKEN_HEADER,
    answers: { 200: { description: 'What came of it.', schema: replayAnswer } },
    errors: ERRORS,
    async handle(request) {
      const { caller, context, body } = request;
      const { inbox, id } = await openRequest(deps, request, 'resource.update');
      const stored = await storedRequest(inbox, id);
      await deps.rates.admitRoute('webhook_replays', caller, inbox.row.id);
      const target = { type: 'resource', id: inbox.row.id, teamId: inbox.row.team_id };
      // The host alone: a path may hold the tenant's secrets.
      const host = URL.canParse(body.url) ? new URL(body.url).hostname : '?';
      await audit(deps, { caller, context, action: 'webhook.replay', target, result: 'success', data: { request: id, host } });
      const headers = Object.fromEntries(
        Object.entries(stored.headers).filter(([name, value]) => !NOT_RESENT.test(name) && !value.includes(REDACTED)),
      );
      const outcome = await send(deps, {
        url: body.url,
        method: stored.method,
        headers: { ...headers, 'x-webhook-replay': id },
        body: stored.body.length > 0 ? stored.body : undefined,
      });
      return { status: 200, body: { ok: true, id, ...outcome } };
    },
  });
}

async function send(deps: ApiDeps, request: Parameters<ApiDeps['egress']['send']>[0]) {
  try {
    const { status, contentType, redirects, durationMs } = await deps.egress.send(request);
    return { delivered: true, status, content_type: contentType, redirects, duration_ms: durationMs, failure: null };
  } catch (error) {
    if (error instanceof EgressRefused)
      throw new ApiError({ code: 'invalid_request', message: `url may not be called: ${error.message}.`, details: { field: 'url' } });
    if (!(error instanceof EgressFailed)) throw error;
    return { delivered: false, status: null, content_type: null, redirects: 0, duration_ms: 0, failure: error.message };
  }
}

function signatureRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'patch',
    path: '/api/v1/webhooks/:token',
    operationId: 'update_webhook',
    summary: 'Check the sender’s signature, or check none',
    description: 'Until the credential before a rotation has ended this answers 409.',
    tag: 'Webhooks',
    access: 'caller',
    params: inboxParams,
    body: signatureBody,
    headers: TOKEN_HEADER,
    answers: { 200: { description: 'What is checked from now on.', schema: inboxAnswer } },
    errors: ERRORS,
    async handle(request) {
      const { caller, context, params, body } = request;
      const { row, store } = await openInbox(deps, request, params.token, 'resource.update');
      const found = await deps.store.findWithCredential(row.id);
      if (found === null || found.credential === null || found.resource.retiring_version !== null) {
        throw new ApiError({ code: 'resource_not_ready', message: 'A rotation is under way. Repeat it after previous_valid_until.' });
      }
      const { connection_url } = deps.secrets.connection(found);
      const token = new URL(connection_url).pathname.split('/').at(-1) ?? '';
      const { version } = found.credential;
      const { secret, ...rule } = body.signature ?? { secret: '' };
      const isChecked = 'header' in rule;
      const target = { type: 'resource', id: row.id, teamId: row.team_id };
      await audit(deps, { caller, context, action: 'webhook.signature', target, result: 'success', data: { checked: isChecked } });
      await store.registry.setSignature(row.object_name, isChecked ? { rule, secret, tokens: [{ version, token }] } : null);
      return { status: 200, body: { ok: true, signature: isChecked ? rule : null } };
    },
  });
}
