// A person signs a command line in: its anonymous resources become the team's, and the key is there to be picked up.
import { can } from '../../shared/authz';
import { audit } from '../audit';
import { actorFor, authorizeTeam, refuseUnknown } from '../auth/authorize';
import { actorOf, type Caller, type TeamCaller } from '../auth/caller';
import { claimResources } from '../claim/claim';
import type { ApiDeps } from '../deps';
import type { RequestContext } from '../http/context';
import { isCliSessionId } from '../schemas/cli';

export interface CompletedCliSignIn {
  teamId: string;
  teamName: string;
  claimedTokens: string[];
}

/** @throws ApiError unauthorized, forbidden, not_found */
export async function completeCliSignIn(
  deps: ApiDeps,
  { caller: given, context, id }: { caller: Caller; context: RequestContext; id: string },
): Promise<CompletedCliSignIn> {
  const target = { type: 'cli_session', id: 'cli', teamId: given.type === 'team' ? given.teamId : null };
  const caller = authorizeTeam(deps, { caller: given, context, action: 'cli.complete', target });
  const { teamId, userId } = caller;
  const unknown = () => refuseUnknown(deps, { caller, context, action: 'cli.complete', target });
  if (userId === null || !isCliSessionId(id)) throw unknown();
  const membership = (await deps.identity.membershipsOf(userId)).find((member) => member.teamId === teamId);
  const approved = membership === undefined ? null : await deps.cliSessions.approve({ id, userId, teamId });
  if (membership === undefined || approved === null) throw unknown();
  const claimedTokens = await claimFor(deps, { caller, context, tokens: approved.anonymousTokens });
  const data = { claimed: claimedTokens.length };
  await audit(deps, { caller, context, action: 'cli.complete', target, result: 'success', data });
  await deps.cliSessions.complete(approved.sessionHash, claimedTokens);
  return { teamId, teamName: membership.teamName, claimedTokens };
}

/** What became the team's. A resource that cannot be claimed stops nobody from signing in. */
async function claimFor(
  deps: ApiDeps,
  { caller, context, tokens }: { caller: TeamCaller; context: RequestContext; tokens: readonly string[] },
): Promise<string[]> {
  const { teamId, tier } = caller;
  if (tokens.length === 0 || !can(actorFor(caller), 'resource.claim', { kind: 'team', teamId }).allowed) return [];
  const results = await claimResources(deps, { teamId, tier, actor: actorOf(caller), requestId: context.requestId, tokens });
  return tokens.filter((_token, index) => {
    const result = results[index];
    // It may be the team's since an attempt that was cut off.
    return result !== undefined && (result.outcome !== 'refused' || result.resource?.team_id === teamId);
  });
}
