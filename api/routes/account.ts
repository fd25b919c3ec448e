// Who the caller is, signing out, and which of their teams a session speaks for.
import { KEY_SCOPES } from '../../shared/authz';
import { auditEntry } from '../audit';
import { authorizeScope, authorizeTeam, notFound, refuseUnknown } from '../auth/authorize';
import { credentialName, type TeamCaller } from '../auth/caller';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Route, type RouteRequest } from '../http/route';
import { issueSession } from '../identity/session';
import { logoutAnswer, meAnswer, switchAnswer, switchBody, whoamiAnswer } from '../schemas/identity';
import { noBody } from '../schemas/resources';

export function accountRoutes(deps: ApiDeps): Route[] {
  return [meRoute(deps), whoamiRoute(deps), logoutRoute(deps), switchRoute(deps)];
}

interface Account {
  user_id: string | null;
  team_id: string | null;
  email: string | null;
  tier: string | null;
  plan_tier: string | null;
  team_name: string | null;
}

const NOBODY: Account = { user_id: null, team_id: null, email: null, tier: null, plan_tier: null, team_name: null };

async function accountOf(deps: ApiDeps, caller: TeamCaller): Promise<Account> {
  const { teamId, userId, tier } = caller;
  const [team, member] = await Promise.all([deps.teams.team(teamId), userId === null ? null : deps.teams.member(teamId, userId)]);
  return {
    user_id: userId,
    team_id: teamId,
    email: member?.email ?? null,
    tier,
    plan_tier: tier,
    team_name: team?.name ?? null,
  };
}

/** The caller's team, or null for an operator. */
function accountCaller(deps: ApiDeps, { caller, context }: Pick<RouteRequest, 'caller' | 'context'>): TeamCaller | null {
  if (caller.type === 'team') return authorizeTeam(deps, { caller, context, action: 'account.read' });
  authorizeScope(deps, { caller, context, action: 'account.read', scope: { kind: 'global' } });
  return null;
}

function whoamiRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/whoami',
    operationId: 'whoami',
    summary: 'Whose credential this is',
    tag: 'Accounts',
    access: 'bearer',
    answers: { 200: { description: 'The account.', schema: whoamiAnswer } },
    errors: [],
    async handle(request) {
      const caller = accountCaller(deps, request);
      return { status: 200, body: { ok: true, ...(caller === null ? NOBODY : await accountOf(deps, caller)) } };
    },
  });
}

function meRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/auth/me',
    operationId: 'me',
    summary: 'The account, its role here and its teams',
    tag: 'Accounts',
    access: 'bearer',
    answers: { 200: { description: 'The account.', schema: meAnswer } },
    errors: [],
    async handle(request) {
      const caller = accountCaller(deps, request);
      if (caller === null) {
        const operator = { role: 'platform_operator', scopes: KEY_SCOPES, credential: 'operator_key', platform_operator: true, teams: [] };
        return { status: 200, body: { ok: true, ...NOBODY, ...operator } };
      }
      const account = await accountOf(deps, caller);
      const isKey = caller.credential.type === 'api_key';
      const memberships = caller.userId === null ? [] : await deps.identity.membershipsOf(caller.userId);
      const own = { team_id: caller.teamId, team_name: account.team_name ?? '', tier: caller.tier, role: caller.role };
      const teams = isKey
        ? [own]
        : memberships.map(({ teamId, teamName, tier, role }) => ({ team_id: teamId, team_name: teamName, tier, role }));
      const body = {
        ok: true,
        ...account,
        role: caller.role,
        scopes: caller.scopes,
        credential: caller.credential.type,
        platform_operator: caller.platformOperator === true,
        teams,
      };
      return { status: 200, body };
    },
  });
}

function logoutRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/auth/logout',
    operationId: 'logout',
    summary: 'End this session',
    description: 'The session token is refused from now on. An api key has no session: revoke it instead.',
    tag: 'Accounts',
    access: 'bearer',
    body: noBody,
    answers: { 200: { description: 'It has ended.', schema: logoutAnswer } },
    errors: [],
    async handle(request) {
      const caller = authorizeTeam(deps, { ...request, action: 'session.revoke' });
      const { credential, teamId } = caller;
      if (credential.type !== 'session') {
        throw new ApiError({ code: 'invalid_request', message: 'This credential is no session of ours: it ends where it was issued.' });
      }
      const target = { type: 'session', id: credential.sessionId, teamId };
      const entry = auditEntry({ caller, context: request.context, action: 'session.revoke', target, result: 'success' });
      await deps.teams.endSession(credential.sessionId, entry);
      return { status: 200, body: { ok: true, message: 'The session has ended.' } };
    },
  });
}

function switchRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/auth/switch-team',
    operationId: 'switch_team',
    summary: 'Speak for another of your teams',
    description: 'A session speaks for one team. The answer has a new session for the other one; the session that asked ends.',
    tag: 'Accounts',
    access: 'bearer',
    body: switchBody,
    answers: { 200: { description: 'The new session.', schema: switchAnswer } },
    errors: ['not_found'],
    async handle(request) {
      const { context, body } = request;
      const caller = authorizeTeam(deps, { ...request, action: 'session.switch' });
      if (caller.userId === null) throw notFound();
      const teamId = body.team_id.toLowerCase();
      const own = { type: 'team', id: teamId, teamId: caller.teamId };
      const member = (await deps.identity.membershipsOf(caller.userId)).find((membership) => membership.teamId === teamId);
      if (member === undefined) throw refuseUnknown(deps, { caller, context, action: 'session.switch', target: own });
      const session = await issueSession(deps, { userId: caller.userId, teamId });
      const target = { type: 'team', id: teamId, teamId };
      const entry = auditEntry({
        caller,
        context,
        action: 'session.switch',
        target,
        result: 'success',
        data: { from: credentialName(caller) },
      });
      if (caller.credential.type === 'session') await deps.teams.endSession(caller.credential.sessionId, entry);
      else await deps.store.audit(entry);
      const { teamName, tier, role } = member;
      const team = { team_id: teamId, team_name: teamName, tier, role };
      return {
        status: 200,
        body: { ok: true, session_token: session.token, expires_at: new Date(session.expiresAtMs).toISOString(), ...team },
      };
    },
  });
}
