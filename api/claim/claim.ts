// Gives resources to a team: those the caller holds a token or a claim handle of, and never another.
import { v4 as uuidv4 } from 'uuid';
import { hashToken } from '../../shared/crypto';
import { specFromRecord } from '../../shared/db';
import type { LeaseholdError } from '../../shared/errors';
import { isLive } from '../../shared/resourcestatus';
import type { ActorRef } from '../../shared/resourcetype';
import { notFound } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { ApiError, toLeaseholdError } from '../errors';
import type { StoredResource } from '../projection/store';
import { limitsFor, quotaFor } from '../provision/spec';

export type ClaimDeps = Pick<ApiDeps, 'store' | 'lifecycle' | 'plans' | 'policies'>;

export interface ClaimRequest {
  teamId: string;
  /** Of the team: what the resources get. */
  tier: string;
  actor: ActorRef;
  requestId: string;
  /** Tokens of resources, or handles from a claim link. */
  tokens: readonly string[];
}

/** What became of one token. `accepted`: the workflow has it, and its effect was not there in time. */
export type ClaimResult =
  | { outcome: 'claimed' | 'accepted'; resource: StoredResource }
  | { outcome: 'refused'; resource: StoredResource | null; error: LeaseholdError };

/** One result a token, in their order. Whatever fails, fails for its own token only. */
export async function claimResources(deps: ClaimDeps, request: ClaimRequest): Promise<ClaimResult[]> {
  const found = await Promise.all(request.tokens.map((token) => findClaimable(deps, token)));
  const claims = new Map<string, Promise<ClaimResult>>();
  return await Promise.all(
    found.map((resource): ClaimResult | Promise<ClaimResult> => {
      if (resource === null) return { outcome: 'refused', resource, error: notFound() };
      // A token and its handle are the same claim.
      const claim = claims.get(resource.id) ?? claimOne(deps, request, resource);
      claims.set(resource.id, claim);
      return claim;
    }),
  );
}

export function findClaimable({ store }: Pick<ClaimDeps, 'store'>, token: string): Promise<StoredResource | null> {
  return store.findByClaimToken(hashToken(token.toLowerCase()));
}

async function claimOne(deps: ClaimDeps, { teamId, tier, actor, requestId }: ClaimRequest, resource: StoredResource): Promise<ClaimResult> {
  const error = refusalOf(resource);
  if (error !== null) return { outcome: 'refused', resource, error };
  const plans = deps.plans.current();
  const plan = plans.byTier(tier);
  try {
    const answer = await deps.lifecycle.command({
      command: {
        type: 'claim',
        teamId,
        policy: plans.policyFor(tier),
        limits: limitsFor(plan, resource.kind),
        ttlMs: plan.ttlMs,
        kindCount: quotaFor(deps.policies, { plan, kind: resource.kind, owner: { type: 'team', teamId }, exempt: false }).kindCount,
      },
      commandId: uuidv4(),
      spec: specFromRecord(resource, { actor, requestId }),
    });
    // It is claimed, whether or not it can be read at the moment.
    const after = await deps.store.find({ id: resource.id, tokenHash: null }).catch(() => null);
    return { outcome: answer.applied ? 'claimed' : 'accepted', resource: after ?? resource };
  } catch (thrown) {
    return { outcome: 'refused', resource, error: toLeaseholdError(thrown) };
  }
}

/** What the row says already, so that the workflow need not be asked; it decides again. Null = claimable. */
export function refusalOf(row: StoredResource | null): ApiError | null {
  if (row === null) return notFound();
  if (row.team_id !== null) {
    return new ApiError({ code: 'already_claimed', message: 'The resource belongs to a team already; a claim is good once.' });
  }
  if (row.status === 'pending') {
    return new ApiError({ code: 'resource_not_ready', message: 'The resource is still being made. Claim it when its status is active.' });
  }
  if (isLive(row.status)) return null;
  return new ApiError({
    code: 'resource_inactive',
    message: `The resource is ${row.status}; only a live one can be claimed.`,
    details: { resource_id: row.id, status: row.status },
  });
}
