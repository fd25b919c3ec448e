// The device flow: a command line asks, a person completes it elsewhere, the command line picks up its api key once.
import { clientAddress } from '../auth/address';
import { notFound } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import type { RequestContext } from '../http/context';
import { defineRoute, type Route } from '../http/route';
import { CLI_SESSION_SECONDS, type CliPickUp } from '../identity/cli';
import { completeCliSignIn } from '../identity/cli-complete';
import type { Member } from '../identity/store';
import { cliCompleteAnswer, cliKeyAnswer, cliOpenAnswer, cliOpenBody, cliParams, cliPendingAnswer, isCliSessionId } from '../schemas/cli';
import { noBody } from '../schemas/resources';
import { cliPageRoutes } from './cli-page';

const PATH = '/auth/cli';
const TAG = 'Identity';
const KEY_NAME = 'cli';
const KEY_SCOPES = ['read', 'write'] as const;

export function cliRoutes(deps: ApiDeps): Route[] {
  return [openRoute(deps), pollRoute(deps), completeRoute(deps), ...cliPageRoutes(deps)];
}

function openRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: PATH,
    operationId: 'open_cli_sign_in',
    summary: 'Ask for a sign-in of a command line; a person completes it in a browser',
    tag: TAG,
    access: 'public',
    rate: 'logins',
    body: cliOpenBody,
    answers: { 201: { description: 'Open auth_url, and poll with session_id.', schema: cliOpenAnswer } },
    errors: [],
    async handle({ raw, body }) {
      const { sessionId, approvalId } = await deps.cliSessions.open({
        anonymousTokens: [...new Set(body.anon_tokens ?? [])],
        requestedFrom: clientAddress(raw).ip,
      });
      const auth_url = `${deps.settings.baseUrl}${PATH}/${approvalId}/authorize`;
      return { status: 201, body: { ok: true, session_id: sessionId, auth_url, expires_in: CLI_SESSION_SECONDS } };
    },
  });
}

function pollRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: `${PATH}/:session_id`,
    operationId: 'poll_cli_sign_in',
    summary: 'Whether a person has completed the sign-in; the api key is handed out once',
    tag: TAG,
    access: 'public',
    rate: 'login_polls',
    params: cliParams,
    answers: {
      200: { description: 'Completed. The session is forgotten with this answer.', schema: cliKeyAnswer },
      202: { description: 'Nobody has completed it yet.', schema: cliPendingAnswer, headers: ['Retry-After'] },
    },
    errors: ['not_found'],
    async handle({ raw, context, params }) {
      const id = params.session_id;
      // Looking only must not take: whatever fetches a link ahead sends HEAD.
      const found = !isCliSessionId(id) || raw.method === 'HEAD' ? null : await deps.cliSessions.take(id);
      if (found === null) throw notFound();
      if (found.pending) return { status: 202, body: { pending: true }, headers: { 'Retry-After': '2' } };
      const member = (await deps.identity.membershipsOf(found.userId)).find(({ teamId }) => teamId === found.teamId);
      if (member === undefined) throw notFound();
      const api_key = await mintKey(deps, { member, context, ip: clientAddress(raw).ip });
      return { status: 200, body: { ok: true, api_key, ...described(member, found) } };
    },
  });
}

function described({ email, tier, teamName }: Member, { claimedTokens }: Extract<CliPickUp, { pending: false }>) {
  return { email, tier, team_name: teamName, claimed_tokens: claimedTokens };
}

/** With the role of the person who completed the sign-in, and gone when they leave the team. */
async function mintKey(deps: ApiDeps, { member, context, ip }: { member: Member; context: RequestContext; ip: string }): Promise<string> {
  const { teamId, userId, role } = member;
  const { key } = await deps.apiKeys.create({ teamId, name: KEY_NAME, scopes: KEY_SCOPES, createdBy: userId }, (keyId) => ({
    actor: { type: 'team', id: teamId, role, userId, credential: 'cli' },
    action: 'api_key.create',
    targetType: 'api_key',
    targetId: keyId,
    teamId,
    result: 'success',
    correlationId: context.requestId,
    ip,
    data: { scopes: KEY_SCOPES.join(' ') },
  }));
  return key;
}

function completeRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: `${PATH}/:session_id/complete`,
    operationId: 'complete_cli_sign_in',
    summary: 'Sign a command line in, as the person who calls',
    description: 'With a session or an id token; an api key cannot. Its anonymous resources become the team’s.',
    tag: TAG,
    access: 'bearer',
    rate: 'logins',
    params: cliParams,
    body: noBody,
    answers: { 200: { description: 'The command line may pick up its key.', schema: cliCompleteAnswer } },
    errors: ['not_found'],
    async handle({ caller, context, params }) {
      const { teamId, teamName, claimedTokens } = await completeCliSignIn(deps, { caller, context, id: params.session_id });
      const message = 'The command line is signed in. You can go back to it.';
      return { status: 200, body: { ok: true, message, team_id: teamId, team_name: teamName, claimed_tokens: claimedTokens } };
    },
  });
}
