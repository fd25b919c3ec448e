// The caller's team: its settings and its members.
import type { TeamRole } from '../../shared/authz';
import { auditEntry } from '../audit';
import { authorizeTeam, isUuid, notFound, refuseUnknown } from '../auth/authorize';
import type { TeamCaller } from '../auth/caller';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Route, type RouteRequest } from '../http/route';
import type { MemberChange, TeamMember } from '../identity/teams';
import { doneAnswer, memberAnswer, memberBody, memberParams, membersAnswer, teamAnswer, teamBody } from '../schemas/identity';

const PATH = '/api/v1/team';
const ATTEMPTS = 3;

export function teamRoutes(deps: ApiDeps): Route[] {
  return [readRoute(deps), renameRoute(deps), membersRoute(deps), roleRoute(deps), removeRoute(deps)];
}

async function teamBodyOf(deps: ApiDeps, teamId: string) {
  const team = await deps.teams.team(teamId);
  if (team === null) throw notFound();
  const { id, name, tier, members } = team;
  const members_limit = deps.plans.current().byTier(tier).teamMembers;
  return { ok: true, team: { id, name, tier, members, members_limit, created_at: team.createdAt.toISOString() } };
}

function readRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: PATH,
    operationId: 'get_team',
    summary: 'The team that this credential speaks for',
    tag: 'Teams',
    access: 'bearer',
    answers: { 200: { description: 'The team.', schema: teamAnswer } },
    errors: ['not_found'],
    async handle(request) {
      const { teamId } = authorizeTeam(deps, { ...request, action: 'team.read' });
      return { status: 200, body: await teamBodyOf(deps, teamId) };
    },
  });
}

function renameRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'patch',
    path: PATH,
    operationId: 'update_team',
    summary: 'Rename the team',
    tag: 'Teams',
    access: 'bearer',
    body: teamBody,
    answers: { 200: { description: 'The team.', schema: teamAnswer } },
    errors: ['not_found'],
    async handle(request) {
      const { context, body } = request;
      const caller = authorizeTeam(deps, { ...request, action: 'team.update' });
      const { teamId } = caller;
      const target = { type: 'team', id: teamId, teamId };
      const entry = auditEntry({ caller, context, action: 'team.update', target, result: 'success', data: { name: body.name } });
      await deps.teams.rename(teamId, body.name, entry);
      return { status: 200, body: await teamBodyOf(deps, teamId) };
    },
  });
}

const toMember = ({ userId, email, role, joinedAt }: TeamMember) => ({
  user_id: userId,
  email,
  role,
  joined_at: joinedAt.toISOString(),
});

function membersRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: `${PATH}/members`,
    operationId: 'list_members',
    summary: 'The members of the team and their roles',
    tag: 'Teams',
    access: 'bearer',
    answers: { 200: { description: 'Longest first.', schema: membersAnswer } },
    errors: [],
    async handle(request) {
      const { teamId } = authorizeTeam(deps, { ...request, action: 'member.list' });
      return { status: 200, body: { ok: true, items: (await deps.teams.members(teamId)).map(toMember) } };
    },
  });
}

type MemberRequest = Pick<RouteRequest<{ user_id: string }>, 'caller' | 'context' | 'params'>;
type MemberAction = 'member.update' | 'member.remove';

/**
 * Asks whether the caller may touch this member with the role that they have now, then changes them only if they still have it.
 * @param given the role that they are to get
 */
async function onMember(
  deps: ApiDeps,
  request: MemberRequest,
  { action, given }: { action: MemberAction; given?: TeamRole },
  change: (caller: TeamCaller, member: TeamMember) => Promise<MemberChange>,
): Promise<TeamMember> {
  const { caller, context, params } = request;
  const userId = params.user_id.toLowerCase();
  const leaves = action === 'member.remove' && caller.type === 'team' && caller.userId === userId;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const own = leaves
      ? authorizeTeam(deps, { caller, context, action: 'member.leave' })
      : authorizeTeam(deps, { caller, context, action, roles: [] });
    const target = { type: 'member', id: userId, teamId: own.teamId };
    const member = isUuid(userId) ? await deps.teams.member(own.teamId, userId) : null;
    if (member === null) throw refuseUnknown(deps, { caller: own, context, action, target });
    if (!leaves)
      authorizeTeam(deps, { caller, context, action, roles: given === undefined ? [member.role] : [member.role, given], target });
    const outcome = await change(own, member);
    if (outcome === 'done') return member;
    if (outcome === 'last_owner')
      throw new ApiError({ code: 'last_owner', message: 'This is the only owner of the team. Make somebody else an owner first.' });
    // Somebody changed or removed them in between: look again.
  }
  throw new ApiError({ code: 'temporarily_unavailable', message: 'The member is being changed by somebody else. Repeat the request.' });
}

function roleRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'patch',
    path: `${PATH}/members/:user_id`,
    operationId: 'update_member',
    summary: 'Change a member’s role',
    description: 'For owners. The last owner stays one.',
    tag: 'Teams',
    access: 'bearer',
    params: memberParams,
    body: memberBody,
    answers: { 200: { description: 'The member.', schema: memberAnswer } },
    errors: ['not_found', 'last_owner'],
    async handle(request) {
      const { role } = request.body;
      const action = 'member.update' as const;
      const member = await onMember(deps, request, { action, given: role }, (caller, { userId, role: from }) => {
        const { teamId } = caller;
        const target = { type: 'member', id: userId, teamId };
        const entry = auditEntry({ caller, context: request.context, action, target, result: 'success', data: { from, to: role } });
        return deps.teams.changeRole({ teamId, userId, from, to: role }, entry);
      });
      return { status: 200, body: { ok: true, member: toMember({ ...member, role }) } };
    },
  });
}

function removeRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'delete',
    path: `${PATH}/members/:user_id`,
    operationId: 'remove_member',
    summary: 'Remove a member, or leave',
    description: 'Ends their sessions for this team and the api keys that they made, at once. Everybody may leave but the last owner.',
    tag: 'Teams',
    access: 'bearer',
    params: memberParams,
    answers: { 200: { description: 'They have left.', schema: doneAnswer } },
    errors: ['not_found', 'last_owner'],
    async handle(request) {
      const action = 'member.remove' as const;
      await onMember(deps, request, { action }, (caller, { userId, role: from }) => {
        const { teamId } = caller;
        const target = { type: 'member', id: userId, teamId };
        const entry = auditEntry({ caller, context: request.context, action, target, result: 'success', data: { role: from } });
        return deps.teams.removeMember({ teamId, userId, from }, entry);
      });
      return { status: 200, body: { ok: true, message: 'The member has left the team.' } };
    },
  });
}
