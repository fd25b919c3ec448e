// Which members get a team's mail; and a new secret for a resource's own webhook.
import { audit } from '../audit';
import { authorizeResource, authorizeTeam } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Route } from '../http/route';
import { secretAnswer, settingsAnswer, settingsBody } from '../schemas/notifications';
import { noBody, resourceParams } from '../schemas/resources';
import { TOKEN_HEADER } from './resources';
import { SECRET_OVERLAP_MS } from './subscriptions';

const TAG = 'Notifications';
const PATH = '/api/v1/notification-settings';

export function notificationSettingsRoutes(deps: ApiDeps): Route[] {
  return [readRoute(deps), changeRoute(deps), rotateRoute(deps)];
}

function readRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: PATH,
    operationId: 'get_notification_settings',
    summary: 'Who of the team gets mail about its resources',
    tag: TAG,
    access: 'bearer',
    answers: { 200: { description: 'As it stands.', schema: settingsAnswer } },
    errors: [],
    async handle({ caller, context }) {
      const { teamId } = authorizeTeam(deps, { caller, context, action: 'subscription.read' });
      return { status: 200, body: { ok: true, email_roles: await deps.notifications.emailRoles(teamId) } };
    },
  });
}

function changeRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'patch',
    path: PATH,
    operationId: 'update_notification_settings',
    summary: 'Say who of the team gets mail; [] = nobody',
    tag: TAG,
    access: 'bearer',
    body: settingsBody,
    answers: { 200: { description: 'As it is now.', schema: settingsAnswer } },
    errors: [],
    async handle({ caller, context, body }) {
      const { teamId } = authorizeTeam(deps, { caller, context, action: 'subscription.manage' });
      const roles = [...new Set(body.email_roles)];
      await deps.notifications.setEmailRoles(teamId, roles);
      const target = { type: 'team', id: teamId, teamId };
      await audit(deps, {
        caller,
        context,
        action: 'notification_settings.update',
        target,
        result: 'success',
        data: { email_roles: roles.join(',') },
      });
      return { status: 200, body: { ok: true, email_roles: roles } };
    },
  });
}

function rotateRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/api/v1/resources/:id/rotate-webhook-secret',
    operationId: 'rotate_notify_webhook_secret',
    summary: 'A new secret for notify_webhook; for a day calls are signed with both',
    description: 'A webhook that was switched off because its receiver answered 410 is switched on again.',
    tag: TAG,
    access: 'caller',
    params: resourceParams,
    body: noBody,
    headers: TOKEN_HEADER,
    answers: { 200: { description: 'The new one.', schema: secretAnswer } },
    errors: ['not_found', 'invalid_notify_webhook'],
    async handle({ caller, context, params, header }) {
      const row = await authorizeResource(deps, { id: params.id, caller, context, header, action: 'resource.rotate' });
      if (row.notify_webhook === null) {
        throw new ApiError({
          code: 'invalid_notify_webhook',
          message: 'The resource has no notify_webhook; it is given when a resource is made.',
        });
      }
      const secret = await deps.notifications.rotateResourceSecret(row.id, SECRET_OVERLAP_MS);
      const target = { type: 'resource', id: row.id, teamId: row.team_id };
      await audit(deps, { caller, context, action: 'resource.rotate_webhook_secret', target, result: 'success' });
      const previous_valid_until = new Date(Date.now() + SECRET_OVERLAP_MS).toISOString();
      return { status: 200, body: { ok: true, id: row.id, secret, previous_valid_until } };
    },
  });
}
