// Invitations into a team: a token that is good once, kept as a hash.
import { hashToken, randomBase32 } from '../../shared/crypto';
import { auditEntry } from '../audit';
import { authorizeTeam, isUuid, notFound, refuseUnknown } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Route } from '../http/route';
import type { Acceptance, Invitation } from '../identity/teams';
import {
  acceptAnswer,
  doneAnswer,
  idParams,
  invitationAnswer,
  invitationBody,
  invitationPreviewAnswer,
  invitationsAnswer,
  invitationTokenParams,
} from '../schemas/identity';
import { noBody } from '../schemas/resources';

const PATH = '/api/v1/team/invitations';
const INVITATION_TTL_MS = 7 * 86_400_000;
/** 5 bits each. */
const TOKEN_CHARACTERS = 40;

export function teamInvitationRoutes(deps: ApiDeps): Route[] {
  return [inviteRoute(deps), listRoute(deps), revokeRoute(deps), previewRoute(deps), acceptRoute(deps)];
}

function toWire(invitation: Invitation) {
  const { id, email, role, invitedBy, acceptedAt, revokedAt, open } = invitation;
  const ended = acceptedAt !== null ? 'accepted' : revokedAt !== null ? 'revoked' : 'expired';
  return {
    id,
    email,
    role,
    status: open ? 'open' : ended,
    invited_by: invitedBy,
    created_at: invitation.createdAt.toISOString(),
    expires_at: invitation.expiresAt.toISOString(),
  };
}

function full(tier: string, limit: number): ApiError {
  return new ApiError({
    code: 'team_members_limit_reached',
    message: `The ${tier} plan has room for ${limit} members, open invitations included. Remove one, revoke an invitation or upgrade.`,
    details: { limit },
  });
}

const acceptUrl = (deps: ApiDeps, token: string) => `${deps.settings.baseUrl}/invitations/${token}`;

function inviteRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: PATH,
    operationId: 'create_invitation',
    summary: 'Invite somebody into the team',
    description: 'Whoever holds the token may accept it, once, within seven days: hand it to the one it is for.',
    tag: 'Teams',
    access: 'bearer',
    body: invitationBody,
    answers: { 201: { description: 'The invitation, with its token.', schema: invitationAnswer } },
    errors: ['team_members_limit_reached'],
    async handle(request) {
      const { context, body } = request;
      const { email, role } = body;
      const action = 'invitation.create' as const;
      const caller = authorizeTeam(deps, { ...request, action, roles: [role] });
      const { teamId, tier } = caller;
      const token = randomBase32(TOKEN_CHARACTERS);
      const limit = deps.plans.current().byTier(tier).teamMembers;
      const made = await deps.teams.invite(
        { teamId, email, role, tokenHash: hashToken(token), invitedBy: caller.userId, ttlMs: INVITATION_TTL_MS, limit },
        (id) => auditEntry({ caller, context, action, target: { type: 'invitation', id, teamId }, result: 'success', data: { role } }),
      );
      if (made === null) throw full(tier, limit);
      return { status: 201, body: { ok: true, ...toWire(made), token, accept_url: acceptUrl(deps, token) } };
    },
  });
}

function listRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: PATH,
    operationId: 'list_invitations',
    summary: 'The invitations of the team, newest first',
    tag: 'Teams',
    access: 'bearer',
    answers: { 200: { description: 'The latest 200.', schema: invitationsAnswer } },
    errors: [],
    async handle(request) {
      const { teamId } = authorizeTeam(deps, { ...request, action: 'invitation.list' });
      return { status: 200, body: { ok: true, items: (await deps.teams.invitations(teamId)).map(toWire) } };
    },
  });
}

function revokeRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'delete',
    path: `${PATH}/:id`,
    operationId: 'revoke_invitation',
    summary: 'Take an invitation back',
    tag: 'Teams',
    access: 'bearer',
    params: idParams,
    answers: { 200: { description: 'Its token opens nothing any more.', schema: doneAnswer } },
    errors: ['not_found', 'invitation_inactive'],
    async handle(request) {
      const { context, params } = request;
      const action = 'invitation.revoke' as const;
      const caller = authorizeTeam(deps, { ...request, action });
      const { teamId } = caller;
      const id = params.id.toLowerCase();
      const target = { type: 'invitation', id, teamId };
      const invitation = isUuid(id) ? await deps.teams.invitation({ id }) : null;
      if (invitation === null || invitation.teamId !== teamId) throw refuseUnknown(deps, { caller, context, action, target });
      const entry = auditEntry({ caller, context, action, target, result: 'success' });
      if (!(await deps.teams.revokeInvitation(teamId, id, entry))) throw inactive();
      return { status: 200, body: { ok: true, message: 'The invitation is revoked.' } };
    },
  });
}

function inactive(): ApiError {
  return new ApiError({
    code: 'invitation_inactive',
    message: 'The invitation was accepted or revoked, or is too old. Ask for a new one.',
  });
}

const byToken = (deps: ApiDeps, token: string) => deps.teams.invitation({ tokenHash: hashToken(token) });

function previewRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/invitations/:token',
    operationId: 'preview_invitation',
    summary: 'What an invitation is for, and how to accept it',
    tag: 'Teams',
    access: 'public',
    params: invitationTokenParams,
    answers: { 200: { description: 'The invitation.', schema: invitationPreviewAnswer } },
    errors: ['not_found', 'invitation_inactive'],
    async handle({ params }) {
      const invitation = await byToken(deps, params.token);
      if (invitation === null) throw notFound();
      if (!invitation.open) throw inactive();
      const { teamName, role, expiresAt } = invitation;
      const accept = { method: 'POST', url: `${acceptUrl(deps, params.token)}/accept` };
      return { status: 200, body: { ok: true, team_name: teamName, role, expires_at: expiresAt.toISOString(), accept } };
    },
  });
}

function acceptRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/invitations/:token/accept',
    operationId: 'accept_invitation',
    summary: 'Join the team that invited you',
    description: 'With your own session; speak for the team with /auth/switch-team afterwards.',
    tag: 'Teams',
    access: 'bearer',
    params: invitationTokenParams,
    body: noBody,
    answers: { 200: { description: 'You are a member.', schema: acceptAnswer } },
    errors: ['not_found', 'invitation_inactive', 'already_member', 'team_members_limit_reached'],
    async handle(request) {
      const { context, params } = request;
      const action = 'invitation.accept' as const;
      const caller = authorizeTeam(deps, { ...request, action });
      const { userId } = caller;
      const invitation = userId === null ? null : await byToken(deps, params.token);
      if (userId === null || invitation === null) {
        // The token that was tried is nobody's business.
        throw refuseUnknown(deps, { caller, context, action, target: { type: 'invitation', id: 'unknown', teamId: caller.teamId } });
      }
      const { id, teamId, teamName, tier, role } = invitation;
      const limit = deps.plans.current().byTier(tier).teamMembers;
      const target = { type: 'invitation', id, teamId };
      // Until now they were a stranger to the team that reads this line: it names them.
      const entry = auditEntry({ caller, context, action, target, result: 'success', data: { role, user_id: userId } });
      refuse(await deps.teams.acceptInvitation({ invitationId: id, userId, limit }, entry), full(tier, limit));
      const team = { team_id: teamId, team_name: teamName, tier, role };
      return { status: 200, body: { ok: true, ...team, message: 'Welcome. Speak for the team with POST /auth/switch-team.' } };
    },
  });
}

function refuse(acceptance: Acceptance, noRoom: ApiError): void {
  switch (acceptance) {
    case 'accepted':
      return;
    case 'inactive':
      throw inactive();
    case 'already_member':
      throw new ApiError({ code: 'already_member', message: 'You are a member of this team already; the invitation was not used.' });
    case 'full':
      throw noRoom;
  }
}
