// The claim: what would be claimed, and claiming it, with an account of one's own or with a new one.
import type { ErrorCode } from '../../shared/errors';
import { audit, auditDenial } from '../audit';
import { authorizeScope } from '../auth/authorize';
import { actorOf, type Caller, type TeamCaller } from '../auth/caller';
import { type ClaimResult, claimResources, findClaimable, refusalOf } from '../claim/claim';
import { claimAsNewcomer, firstRefusal, NEWCOMER_TIER, type NewcomerAnswer } from '../claim/newcomer';
import { handlesOf } from '../claim/tokens';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Reply, type Route, type RouteRequest } from '../http/route';
import { type ClaimProof, claimAnswer, claimBody, claimQuery, previewAnswer } from '../schemas/claim';

type Request = Pick<RouteRequest, 'caller' | 'context'>;

export const CLAIM_ERRORS: readonly ErrorCode[] = [
  'unauthorized',
  'not_found',
  'already_claimed',
  'sign_in_to_claim',
  'resource_not_ready',
  'resource_suspended',
  'resource_inactive',
  'postgres_limit_reached',
  'vector_limit_reached',
  'redis_limit_reached',
  'mongodb_limit_reached',
  'queue_limit_reached',
  'storage_limit_reached',
  'webhook_limit_reached',
  'provision_failed',
  'draining',
  'timeout',
];

export function claimRoutes(deps: ApiDeps): Route[] {
  return [claimRoute(deps), previewRoute(deps)];
}

function claimRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'post',
    path: '/claim',
    operationId: 'claim',
    summary: 'Give anonymous resources to a team',
    description:
      'With a bearer they go to its team; without one to a new team on the `free` plan, whose session is in the answer. Only what the caller holds tokens of is taken, each once.',
    tag: 'Claim',
    access: 'caller',
    rate: 'logins',
    body: claimBody,
    headers: { 'Idempotency-Key': 'A repeat under the same key gets the same answer.' },
    answers: {
      201: { description: 'Claimed; `results` says what became of each token.', schema: claimAnswer },
      202: { description: 'With a bearer: accepted, and the effect is still under way.', schema: claimAnswer },
    },
    errors: CLAIM_ERRORS,
    async handle({ caller, context, body }): Promise<Reply> {
      authorizeClaim(deps, { caller, context });
      const tokens = await tokensOf(deps, body);
      if (caller.type === 'team') return await claimForTeam(deps, { caller, context }, tokens);
      const answer = await claimForNewcomer(deps, { caller, context }, { ...body, tokens });
      return { status: 201, body: newcomerBody(answer) };
    },
  });
}

function authorizeClaim(deps: ApiDeps, { caller, context }: Request): void {
  const scope = caller.type === 'team' ? ({ kind: 'team', teamId: caller.teamId } as const) : ({ kind: 'global' } as const);
  authorizeScope(deps, { caller, context, action: 'resource.claim', scope });
}

export async function tokensOf(deps: ApiDeps, { token, tokens, jwt }: ClaimProof): Promise<string[]> {
  if (jwt !== undefined) return await handlesOf(deps, jwt);
  return tokens ?? (token === undefined ? [] : [token]);
}

async function claimForTeam(deps: ApiDeps, request: Request & { caller: TeamCaller }, tokens: string[]): Promise<Reply> {
  const { teamId, tier, userId } = request.caller;
  const { requestId } = request.context;
  const results = await claimResources(deps, { teamId, tier, actor: actorOf(request.caller), requestId, tokens });
  recordRefusals(deps, request, results);
  const claimed = results.filter(({ outcome }) => outcome === 'claimed').length;
  const accepted = results.filter(({ outcome }) => outcome === 'accepted').length;
  if (claimed + accepted === 0) throw firstRefusal(results);
  const message = `${claimed} of ${results.length} claimed${accepted > 0 ? `, ${accepted} under way` : ''}.`;
  const body = { ok: true, team_id: teamId, user_id: userId, message, results: results.map(resultBody) };
  return { status: claimed > 0 ? 201 : 202, body };
}

export async function claimForNewcomer(
  deps: ApiDeps,
  { caller, context }: Request,
  { email, team_name: teamName, tokens }: { email?: string; team_name?: string; tokens: string[] },
): Promise<NewcomerAnswer> {
  if (email === undefined) {
    throw new ApiError({
      code: 'invalid_request',
      message: 'email is required without a bearer: whose shall the new team be? With an account, send Authorization: Bearer.',
      details: { field: 'email' },
    });
  }
  const { requestId } = context;
  try {
    const answer = await claimAsNewcomer(deps, { email, teamName, tokens, actor: actorOf(caller), requestId });
    recordRefusals(deps, { caller, context }, answer.results);
    const { teamId } = answer.member;
    const target = { type: 'team', id: teamId, teamId };
    // The claim stands, and is on the record itself: its session must reach whoever made it.
    await audit(deps, { caller, context, action: 'team.create', target, result: 'success' }).catch((error: unknown) => {
      deps.logger.error('a new team could not be written to the audit log', { team_id: teamId, error });
    });
    return answer;
  } catch (error) {
    denied(deps, { caller, context }, { type: 'platform', id: context.route, teamId: null }, error);
    throw error;
  }
}

function newcomerBody({ member, session, results }: NewcomerAnswer) {
  return {
    ok: true,
    team_id: member.teamId,
    user_id: member.userId,
    session_token: session.token,
    session_expires_at: new Date(session.expiresAtMs).toISOString(),
    message: 'The resource is yours now. Its former token opens nothing any more: send session_token as Authorization: Bearer.',
    results: results.map(resultBody),
  };
}

function recordRefusals(deps: ApiDeps, request: Request, results: readonly ClaimResult[]): void {
  for (const result of results) {
    if (result.outcome !== 'refused') continue;
    const { resource } = result;
    const target = { type: 'resource', id: resource?.id ?? 'unknown', teamId: resource?.team_id ?? null };
    denied(deps, request, target, result.error);
  }
}

function denied(deps: ApiDeps, { caller, context }: Request, target: { type: string; id: string; teamId: string | null }, error: unknown) {
  const reason = error instanceof Error && 'code' in error ? String(error.code) : 'internal_error';
  auditDenial(deps, { caller, context, action: 'resource.claim', target, data: { reason } });
}

interface ClaimedResource {
  resource_id: string | null;
  resource_type: string | null;
  name: string | null;
  status: string | null;
  expires_at: string | null;
  tier: string | null;
}

const NOTHING: ClaimedResource = { resource_id: null, resource_type: null, name: null, status: null, expires_at: null, tier: null };

/** Of a resource that is a team's no more is told than that. */
function resourceBody(resource: ClaimResult['resource'], visible: boolean): ClaimedResource {
  if (resource === null || !visible) return NOTHING;
  return {
    resource_id: resource.id,
    resource_type: resource.kind,
    name: resource.name,
    status: resource.status,
    expires_at: resource.expires_at?.toISOString() ?? null,
    tier: resource.tier,
  };
}

function resultBody(result: ClaimResult) {
  const error = result.outcome === 'refused' ? result.error : null;
  const visible = error === null || result.resource?.team_id === null;
  return {
    outcome: result.outcome,
    ...resourceBody(result.resource, visible),
    error: error?.code ?? null,
    message: error?.message ?? null,
  };
}

export interface ClaimPreview extends ClaimedResource {
  claimable: boolean;
  tier_after: string;
  ttl_seconds_after: number | null;
  error: ErrorCode | null;
}

export async function previewOf(deps: ApiDeps, caller: Caller, tokens: readonly string[]): Promise<ClaimPreview[]> {
  const tier = caller.type === 'team' ? caller.tier : NEWCOMER_TIER;
  const { ttlMs } = deps.plans.current().byTier(tier);
  return await Promise.all(
    tokens.map(async (token) => {
      const resource = await findClaimable(deps, token);
      const error = refusalOf(resource);
      return {
        ...resourceBody(resource, resource?.team_id === null),
        claimable: error === null,
        tier_after: tier,
        ttl_seconds_after: ttlMs === null ? null : ttlMs / 1000,
        error: error?.code ?? null,
      };
    }),
  );
}

function previewRoute(deps: ApiDeps): Route {
  return defineRoute({
    method: 'get',
    path: '/claim/preview',
    operationId: 'preview_claim',
    summary: 'What a claim link would claim, without any credential of it',
    tag: 'Claim',
    access: 'caller',
    query: claimQuery,
    answers: { 200: { description: 'One a token, in their order.', schema: previewAnswer } },
    errors: ['unauthorized'],
    async handle({ caller, query }) {
      const tokens = await tokensOf(deps, { tokens: query.tokens, jwt: query.t });
      return { status: 200, body: { ok: true, items: await previewOf(deps, caller, tokens) } };
    },
  });
}
