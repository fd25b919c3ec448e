// A team's webhook subscriptions: what it is told, where, and signed with what.
import { audit } from '../audit';
import { authorizeTeam } from '../auth/authorize';
import type { TeamCaller } from '../auth/caller';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Route, type RouteRequest } from '../http/route';
import type { Subscription } from '../notifications/store';
import {
  removedAnswer,
  SUBSCRIPTION_FIELD_CODES,
  secretAnswer,
  subscriptionAnswer,
  subscriptionBody,
  subscriptionCreated,
  subscriptionParams,
  subscriptionPatch,
  subscriptionsAnswer,
  toSubscription,
} from '../schemas/notifications';
import { noBody } from '../schemas/resources';

const TAG = 'Notifications';
const PATH = '/api/v1/webhook-subscriptions';
/** Of one team: each event is sent to every one of them. */
const MAX_SUBSCRIPTIONS = 50;
/** How long the secret before a rotation goes on signing beside the new one. */
export const SECRET_OVERLAP_MS = 24 * 3_600_000;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

export function subscriptionRoutes(deps: ApiDeps): Route[] {
  return [listRoute(deps), createRoute(deps), getRoute(deps), updateRoute(deps), removeRoute(deps), rotateRoute(deps)];
}

export function noSubscription(): ApiError {
  return new ApiError({ code: 'not_found', message: 'There is no such subscription, or it is not yours.' });
}

type Action = 'subscription.read' | 'subscription.manage';

/** What is another team's and what does not exist read the same. */
export async function openSubscription(
  deps: ApiDeps,
  { caller, context, params }: Pick<RouteRequest<{ id: string }>, 'caller' | 'context' | 'params'>,
  action: Action,
): Promise<{ team: TeamCaller; subscription: Subscription }> {
  const team = authorizeTeam(deps, { caller, context, action });
  const id = params.id.toLowerCase();
  const subscription = UUID.test(id) ? await deps.notifications.findSubscription(team.teamId, id) : null;
  if (subscription === null) throw noSubscription();
  return { team, subscription };
}

export async function auditSubscription(
  deps: ApiDeps,
  { caller, context }: Pick<RouteRequest, 'caller' | 'context'>,
  what: { verb: string; id: string; teamId: string; data?: Record<string, string | number | boolean | null> },
): Promise<void> {
  const target = { type: 'webhook_subscription', id: what.id, teamId: what.teamId };
  await audit(deps, { caller, context, action: `subscription.${what.verb}`, target, result: 'success', data: what.data });
}

function listRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: PATH,
    operationId: 'list_webhook_subscriptions',
    summary: 'The team’s webhook subscriptions, oldest first',
    tag: TAG,
    access: 'bearer',
    answers: { 200: { description: 'All of them.', schema: subscriptionsAnswer } },
    errors: [],
    async handle({ caller, context }) {
      const { teamId } = authorizeTeam(deps, { caller, context, action: 'subscription.read' });
      const items = await deps.notifications.listSubscriptions(teamId);
      return { status: 200, body: { ok: true, items: items.map(toSubscription) } };
    },
  });
}

function createRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: PATH,
    operationId: 'create_webhook_subscription',
    summary: 'Have the team’s events sent to an address',
    description:
      'Signed as Standard Webhooks describes it (webhook-id, webhook-timestamp, webhook-signature); the secret is shown this once.',
    tag: TAG,
    access: 'bearer',
    rate: 'credential_mints',
    body: subscriptionBody,
    fieldCodes: SUBSCRIPTION_FIELD_CODES,
    answers: { 201: { description: 'For events from now on.', schema: subscriptionCreated } },
    errors: ['invalid_notify_webhook', 'subscription_limit_reached'],
    async handle(request) {
      const { caller, context, body } = request;
      const { teamId } = authorizeTeam(deps, { caller, context, action: 'subscription.manage' });
      const fields = { url: new URL(body.url).href, events: [...new Set(body.events)], kinds: body.kinds ?? null };
      const created = await deps.notifications.createSubscription(teamId, fields, MAX_SUBSCRIPTIONS);
      if (created === null) {
        throw new ApiError({
          code: 'subscription_limit_reached',
          message: `A team has at most ${MAX_SUBSCRIPTIONS} subscriptions. Delete one first.`,
          details: { limit: MAX_SUBSCRIPTIONS },
        });
      }
      const { subscription, secret } = created;
      await auditSubscription(deps, request, { verb: 'create', id: subscription.id, teamId, data: { host: new URL(fields.url).host } });
      return { status: 201, body: { ok: true, item: toSubscription(subscription), secret } };
    },
  });
}

function getRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: `${PATH}/:id`,
    operationId: 'get_webhook_subscription',
    summary: 'One subscription',
    tag: TAG,
    access: 'bearer',
    params: subscriptionParams,
    answers: { 200: { description: 'As it stands; never the secret.', schema: subscriptionAnswer } },
    errors: ['not_found'],
    async handle(request) {
      const { subscription } = await openSubscription(deps, request, 'subscription.read');
      return { status: 200, body: { ok: true, item: toSubscription(subscription) } };
    },
  });
}

function updateRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'patch',
    path: `${PATH}/:id`,
    operationId: 'update_webhook_subscription',
    summary: 'Change where it goes and what it tells, or switch it off and on',
    tag: TAG,
    access: 'bearer',
    params: subscriptionParams,
    body: subscriptionPatch,
    fieldCodes: SUBSCRIPTION_FIELD_CODES,
    answers: { 200: { description: 'As it is now.', schema: subscriptionAnswer } },
    errors: ['not_found', 'invalid_notify_webhook'],
    async handle(request) {
      const { team, subscription } = await openSubscription(deps, request, 'subscription.manage');
      const { url, events, kinds, enabled } = request.body;
      const changed = await deps.notifications.updateSubscription(team.teamId, subscription.id, {
        url: url === undefined ? undefined : new URL(url).href,
        events: events === undefined ? undefined : [...new Set(events)],
        kinds,
        enabled,
      });
      if (changed === null) throw noSubscription();
      await auditSubscription(deps, request, {
        verb: 'update',
        id: changed.id,
        teamId: team.teamId,
        data: { enabled: changed.disabled_at === null },
      });
      return { status: 200, body: { ok: true, item: toSubscription(changed) } };
    },
  });
}

function removeRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'delete',
    path: `${PATH}/:id`,
    operationId: 'delete_webhook_subscription',
    summary: 'Delete a subscription, with what it still had to send',
    tag: TAG,
    access: 'bearer',
    params: subscriptionParams,
    answers: { 200: { description: 'It is gone.', schema: removedAnswer } },
    errors: ['not_found'],
    async handle(request) {
      const { team, subscription } = await openSubscription(deps, request, 'subscription.manage');
      if (!(await deps.notifications.removeSubscription(team.teamId, subscription.id))) throw noSubscription();
      await auditSubscription(deps, request, { verb: 'delete', id: subscription.id, teamId: team.teamId });
      return { status: 200, body: { ok: true, id: subscription.id } };
    },
  });
}

function rotateRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: `${PATH}/:id/rotate-secret`,
    operationId: 'rotate_webhook_subscription_secret',
    summary: 'A new secret; for a day calls are signed with both',
    tag: TAG,
    access: 'bearer',
    rate: 'credential_mints',
    params: subscriptionParams,
    body: noBody,
    answers: { 200: { description: 'The new one, shown this once.', schema: secretAnswer } },
    errors: ['not_found'],
    async handle(request) {
      const { team, subscription } = await openSubscription(deps, request, 'subscription.manage');
      const secret = await deps.notifications.rotateSubscriptionSecret(team.teamId, subscription.id, SECRET_OVERLAP_MS);
      if (secret === null) throw noSubscription();
      await auditSubscription(deps, request, { verb: 'rotate_secret', id: subscription.id, teamId: team.teamId });
      const previous_valid_until = new Date(Date.now() + SECRET_OVERLAP_MS).toISOString();
      return { status: 200, body: { ok: true, id: subscription.id, secret, previous_valid_until } };
    },
  });
}
