// What became of a subscription's deliveries: dead letters, trying one again, and sending the past again by cursor.
import { z } from 'zod';
import { InvalidEventCursor } from '../../shared/outbox';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Route } from '../http/route';
import { decodeListCursor, encodeListCursor } from '../projection/cursor';
import {
  deliveriesAnswer,
  deliveryAnswer,
  deliveryParams,
  deliveryState,
  replayAnswer,
  replayBody,
  subscriptionParams,
  toDelivery,
} from '../schemas/notifications';
import { eventsQuery, LIST_FIELD_CODES, noBody } from '../schemas/resources';
import { auditSubscription, openSubscription } from './subscriptions';

const TAG = 'Notifications';
const PATH = '/api/v1/webhook-subscriptions/:id';
/** Events that one call of replay looks at. */
const REPLAY_BATCH = 500;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const query = z.object({ ...eventsQuery.shape, state: deliveryState });

export function invalidEventCursor(field: string): ApiError {
  return new ApiError({
    code: 'invalid_cursor',
    message: `${field} must be a cursor of an earlier answer; leave it out to begin at the beginning.`,
    details: { field },
  });
}

export function subscriptionDeliveryRoutes(deps: ApiDeps): Route[] {
  return [listRoute(deps), retryRoute(deps), replayRoute(deps)];
}

function listRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: `${PATH}/deliveries`,
    operationId: 'list_webhook_deliveries',
    summary: 'What was sent, newest first; ?state=dead lists the dead letters',
    tag: TAG,
    access: 'bearer',
    params: subscriptionParams,
    query,
    fieldCodes: { ...LIST_FIELD_CODES, state: 'invalid_filter' },
    answers: { 200: { description: 'One page.', schema: deliveriesAnswer } },
    errors: ['not_found', 'invalid_cursor', 'invalid_limit', 'invalid_filter'],
    async handle(request) {
      const { subscription } = await openSubscription(deps, request, 'subscription.read');
      const { cursor, state } = request.query;
      const limit = Number(request.query.limit);
      const after = cursor === undefined ? null : decodeListCursor(cursor);
      const rows = await deps.notifications.deliveries(subscription.id, { state, limit, after });
      const last = rows.length < limit ? undefined : rows.at(-1);
      const next_cursor = last === undefined ? null : encodeListCursor({ createdKey: last.created_key, id: last.id });
      return { status: 200, body: { ok: true, items: rows.map(toDelivery), next_cursor } };
    },
  });
}

function retryRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: `${PATH}/deliveries/:delivery_id/retry`,
    operationId: 'retry_webhook_delivery',
    summary: 'Send one again, with all its attempts before it',
    tag: TAG,
    access: 'bearer',
    params: deliveryParams,
    body: noBody,
    answers: { 202: { description: 'It waits to be sent.', schema: deliveryAnswer } },
    errors: ['not_found'],
    async handle(request) {
      const { team, subscription } = await openSubscription(deps, request, 'subscription.manage');
      const deliveryId = request.params.delivery_id.toLowerCase();
      const delivery = UUID.test(deliveryId) ? await deps.notifications.retryDelivery(subscription.id, deliveryId) : null;
      if (delivery === null)
        throw new ApiError({ code: 'not_found', message: 'The subscription has no such delivery, or has it no more.' });
      await auditSubscription(deps, request, {
        verb: 'retry',
        id: subscription.id,
        teamId: team.teamId,
        data: { delivery_id: delivery.id },
      });
      return { status: 202, body: { ok: true, item: toDelivery(delivery) } };
    },
  });
}

function replayRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: `${PATH}/replay`,
    operationId: 'replay_webhook_subscription',
    summary: 'Send what happened after a cursor again, what was delivered included',
    description: 'Receivers know a repetition by webhook-id. What the subscription does not ask for today is left out.',
    tag: TAG,
    access: 'bearer',
    params: subscriptionParams,
    body: replayBody,
    answers: { 202: { description: 'They wait to be sent.', schema: replayAnswer } },
    errors: ['not_found', 'invalid_cursor'],
    async handle(request) {
      const { team, subscription } = await openSubscription(deps, request, 'subscription.manage');
      const { queued, page } = await deps.notifications
        .replay(subscription, request.body?.after ?? null, REPLAY_BATCH)
        .catch((error: unknown) => {
          throw error instanceof InvalidEventCursor ? invalidEventCursor('after') : error;
        });
      await auditSubscription(deps, request, { verb: 'replay', id: subscription.id, teamId: team.teamId, data: { queued } });
      return { status: 202, body: { ok: true, queued, next_cursor: page.isComplete ? null : page.cursor } };
    },
  });
}
