// Signing in: an issuer's id token for a session of ours.

import { KEY_SCOPES } from '../../shared/authz';
import { audit } from '../audit';
import { clientAddress } from '../auth/address';
import type { ApiDeps } from '../deps';
import { defineRoute, type Route } from '../http/route';
import { issueSession } from '../identity/session';
import { exchangeAnswer, exchangeBody } from '../schemas/signin';

export function signInRoutes(deps: ApiDeps): Route[] {
  return [exchangeRoute(deps)];
}

function exchangeRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/auth/exchange',
    operationId: 'exchange_id_token',
    summary: 'Sign in: an id token of a configured issuer for a session token',
    description: 'The first time makes an account with a team of its own. An id token is also good as a bearer itself.',
    tag: 'Identity',
    access: 'public',
    rate: 'logins',
    body: exchangeBody,
    answers: { 200: { description: 'Signed in.', schema: exchangeAnswer } },
    errors: ['unauthorized'],
    async handle({ raw, context, body }) {
      const address = clientAddress(raw);
      const person = await deps.oidc.person(body.id_token, address, body.team_id ?? null);
      const { userId, teamId, tier, role } = person;
      const { token, expiresAtMs, sessionId } = await issueSession(deps, { userId, teamId });
      await audit(deps, {
        caller: { type: 'team', address, teamId, tier, role, userId, scopes: KEY_SCOPES, credential: { type: 'session', sessionId } },
        context,
        action: 'session.create',
        target: { type: 'user', id: userId, teamId },
        result: 'success',
      });
      const expires_at = new Date(expiresAtMs).toISOString();
      return { status: 200, body: { ok: true, session_token: token, team_id: teamId, user_id: userId, expires_at } };
    },
  });
}
