// Events that the broker refused for good, for operators: which they are, and sending one again.
import type { DeadLetter } from '../../shared/outbox';
import { audit } from '../audit';
import { authorizeScope } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Route } from '../http/route';
import { deadLettersAnswer, outboxParams, replayAnswer } from '../schemas/outbox';
import { noBody } from '../schemas/resources';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
/** More than a person looks at; what is mended makes room for the next. */
const SHOWN = 200;

export function outboxRoutes(deps: ApiDeps): Route[] {
  return [listRoute(deps), replayRoute(deps)];
}

function listRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/admin/outbox',
    operationId: 'admin_list_dead_letters',
    summary: 'Events that the broker refused for good, oldest first',
    description: `At most ${SHOWN}. A resource’s later events wait behind its own; everybody else’s are published.`,
    tag: 'Operators',
    access: 'operator',
    answers: { 200: { description: 'What a person has to look at.', schema: deadLettersAnswer } },
    errors: [],
    async handle({ caller, context }) {
      authorizeScope(deps, { caller, context, action: 'admin.outbox', scope: { kind: 'global' } });
      const letters = await deps.outbox.list(SHOWN);
      const target = { type: 'platform', id: 'outbox', teamId: null };
      await audit(deps, { caller, context, action: 'admin.outbox', target, result: 'success', data: { items: letters.length } });
      return { status: 200, body: { ok: true, items: letters.map(toItem) } };
    },
  });
}

function replayRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/admin/outbox/:id/replay',
    operationId: 'admin_replay_dead_letter',
    summary: 'Publish a dead-lettered event again, and what waits behind it',
    tag: 'Operators',
    access: 'operator',
    params: outboxParams,
    body: noBody,
    answers: { 200: { description: 'The relay tries it anew within a second.', schema: replayAnswer } },
    errors: ['not_found'],
    async handle({ caller, context, params }) {
      authorizeScope(deps, { caller, context, action: 'admin.outbox', scope: { kind: 'global' } });
      const id = params.id.toLowerCase();
      const replayed = UUID.test(id) ? await deps.outbox.replay(id) : null;
      if (replayed === null)
        throw new ApiError({ code: 'not_found', message: 'No such event is dead-lettered; see /api/v1/admin/outbox.' });
      const target = { type: 'event', id, teamId: null };
      await audit(deps, { caller, context, action: 'admin.outbox', target, result: 'success', data: { resource_id: replayed.resourceId } });
      return { status: 200, body: { ok: true, id, resource_id: replayed.resourceId } };
    },
  });
}

function toItem(letter: DeadLetter) {
  return {
    id: letter.id,
    resource_id: letter.resourceId,
    revision: letter.revision,
    type: letter.type,
    attempts: letter.attempts,
    last_error: letter.lastError,
    recorded_at: letter.recordedAt.toISOString(),
    dead_lettered_at: letter.deadLetteredAt.toISOString(),
    waiting_behind: letter.waitingBehind,
  };
}
