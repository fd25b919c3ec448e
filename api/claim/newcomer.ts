// A claim by somebody who has no account yet: the account and the claim come together, or neither does.
import type { ActorRef } from '../../shared/resourcetype';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { issueSession } from '../identity/session';
import type { Member } from '../identity/store';
import { type ClaimDeps, type ClaimResult, claimResources, findClaimable, refusalOf } from './claim';

/** What a team that begins with a claim pays: nothing. */
export const NEWCOMER_TIER = 'free';

export interface NewcomerClaim {
  email: string;
  teamName: string | undefined;
  actor: ActorRef;
  requestId: string;
  tokens: readonly string[];
}

export interface NewcomerAnswer {
  member: Member;
  session: { token: string; expiresAtMs: number };
  results: ClaimResult[];
}

export type NewcomerDeps = ClaimDeps & Pick<ApiDeps, 'identity' | 'jwt' | 'settings'>;

/**
 * The team is made first, and its row is what the claim hangs on: a resource can only be given to a team that is there. So a claim that
 * lost, failed or did not answer is called off by removing the team, after which it cannot take effect late; and where the team cannot be
 * removed any more, the claim has won. The session is opened with the team: whoever won can always get in.
 * @throws ApiError the first token's refusal when nothing was claimed; then no team is left
 */
export async function claimAsNewcomer(deps: NewcomerDeps, claim: NewcomerClaim): Promise<NewcomerAnswer> {
  await refuseHopeless(deps, claim.tokens);
  await refuseKnown(deps, claim.email);
  const member = await deps.identity.createTeamWithOwner({
    email: claim.email,
    emailVerified: false,
    teamName: claim.teamName ?? teamNameFor(claim.email),
    tier: NEWCOMER_TIER,
  });
  const { teamId, tier } = member;
  const { actor, requestId, tokens } = claim;
  try {
    const session = await issueSession(deps, member);
    const results = await claimResources(deps, { teamId, tier, actor, requestId, tokens });
    if (results.some(({ outcome }) => outcome === 'claimed')) return { member, session, results };
    if (await deps.identity.disband(member)) {
      // Somebody else may have won while this one waited in vain: the row tells it better than a timeout.
      await refuseHopeless(deps, tokens);
      throw firstRefusal(results);
    }
    return { member, session, results: await reread(deps, teamId, results) };
  } catch (error) {
    // Harmless where it is gone already, and refused by the database where the claim holds it.
    await deps.identity.disband(member).catch(() => false);
    throw error;
  }
}

/** Nobody gets a team for tokens that say no at first sight. */
async function refuseHopeless(deps: NewcomerDeps, tokens: readonly string[]): Promise<void> {
  const results = await Promise.all(
    tokens.map(async (token): Promise<ClaimResult | null> => {
      const resource = await findClaimable(deps, token);
      const error = refusalOf(resource);
      return error === null ? null : { outcome: 'refused', resource, error };
    }),
  );
  if (results.every((result) => result !== null)) throw firstRefusal(results);
}

async function refuseKnown({ identity }: NewcomerDeps, email: string): Promise<void> {
  if ((await identity.findVerifiedUser(email)) === null) return;
  throw new ApiError({
    code: 'sign_in_to_claim',
    message: 'This address has an account. Sign in and repeat the claim with Authorization: Bearer; the resource then goes to your team.',
    details: { field: 'email' },
  });
}

export function firstRefusal(results: readonly ClaimResult[]): Error {
  for (const result of results) if (result.outcome === 'refused') return result.error;
  return new ApiError({
    code: 'timeout',
    message: 'The claim did not take effect in time and was called off; nothing was changed. Repeat it.',
  });
}

/** The claim won while it was called off. */
async function reread({ store }: NewcomerDeps, teamId: string, results: readonly ClaimResult[]): Promise<ClaimResult[]> {
  return await Promise.all(
    results.map(async (result): Promise<ClaimResult> => {
      const resource = result.resource === null ? null : await store.find({ id: result.resource.id, tokenHash: null });
      return resource?.team_id === teamId ? { outcome: 'claimed', resource } : result;
    }),
  );
}

const TEAM_NAME_MAX = 64;

function teamNameFor(email: string): string {
  return email.slice(0, email.lastIndexOf('@')).slice(0, TEAM_NAME_MAX);
}
