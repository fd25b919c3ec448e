// Asks `can`, and turns a refusal into an answer. Nothing of a resource is read out before it has been asked.
import { type Action, type Actor, can, type DenyReason, type Scope, type TeamRole } from '../../shared/authz';
import { hashToken } from '../../shared/crypto';
import { type AuditFact, auditDenial } from '../audit';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import type { RequestContext } from '../http/context';
import type { StoredResource } from '../projection/store';
import { unauthorized } from './authenticate';
import type { Caller, TeamCaller, TenantCaller } from './caller';

type AuthDeps = Pick<ApiDeps, 'store' | 'logger'>;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

export function actorFor(caller: Caller, resourceToken?: string): Actor {
  switch (caller.type) {
    case 'anonymous':
      return { type: 'anonymous', fingerprint: caller.address.fingerprint, addressHash: caller.address.addressHash, resourceToken };
    case 'team':
      return {
        type: 'team',
        teamId: caller.teamId,
        userId: caller.userId,
        role: caller.role,
        scopes: caller.scopes,
        keyId: caller.credential.type === 'api_key' ? caller.credential.keyId : null,
      };
    case 'operator':
      return { type: 'operator' };
  }
}

export function isUuid(text: string): boolean {
  return UUID.test(text);
}

export function notFound(): ApiError {
  return new ApiError({ code: 'not_found', message: 'There is no such resource, or it is not yours.' });
}

function refusal(reason: DenyReason): ApiError {
  switch (reason) {
    case 'unauthenticated':
      return unauthorized('missing_credentials');
    case 'not_found':
      return notFound();
    case 'forbidden':
      return new ApiError({ code: 'forbidden', message: 'Your role or the scopes of your api key do not allow this.' });
    case 'person_only':
      return new ApiError({ code: 'forbidden', message: 'An api key may never do this. Sign in, and repeat it with your session token.' });
  }
}

export interface ScopeAccess {
  caller: Caller;
  context: RequestContext;
  action: Action;
  scope: Scope;
  /** What a denial is recorded to have been tried on; the scope itself where absent. */
  target?: AuditFact['target'];
}

/** For whatever is not one resource. Nobody is denied anything without a line in the audit log, unless they are nobody we know. */
export function authorizeScope(deps: AuthDeps, { caller, context, action, scope, target }: ScopeAccess): void {
  const decision = can(actorFor(caller), action, scope);
  if (decision.allowed) return;
  if (caller.type !== 'anonymous') {
    auditDenial(deps, { caller, context, action, target: target ?? targetOf(scope, context), data: { reason: decision.reason } });
  }
  throw refusal(decision.reason);
}

function targetOf(scope: Scope, context: RequestContext): AuditFact['target'] {
  switch (scope.kind) {
    case 'global':
      return { type: 'platform', id: context.route, teamId: null };
    case 'team':
    case 'member':
      return { type: 'team', id: scope.teamId, teamId: scope.teamId };
    case 'resource':
      return { type: 'resource', id: scope.resource.id, teamId: scope.resource.teamId };
  }
}

/**
 * For what somebody does in their own team. An operator belongs to none.
 * @throws ApiError unauthorized, forbidden
 */
export function authorizeTeam(deps: AuthDeps, access: Omit<ScopeAccess, 'scope'> & { roles?: readonly TeamRole[] }): TeamCaller {
  const { caller, roles } = access;
  if (caller.type === 'anonymous') throw unauthorized('missing_credentials');
  const teamId = caller.type === 'team' ? caller.teamId : null;
  const scope: Scope =
    teamId === null ? { kind: 'global' } : roles === undefined ? { kind: 'team', teamId } : { kind: 'member', teamId, roles };
  authorizeScope(deps, { ...access, scope });
  if (caller.type !== 'team') throw refusal('forbidden');
  return caller;
}

/** For ids that are another's or nobody's: the same answer and the same line in the log, which the caller's own team may read. */
export function refuseUnknown(deps: AuthDeps, fact: Omit<AuditFact, 'result' | 'data'>): ApiError {
  auditDenial(deps, { ...fact, data: { reason: 'not_found' } });
  return notFound();
}

/** For creating: who creates, once it is sure that they may. */
export function authorizeCreate(deps: AuthDeps, { caller, context }: Pick<ScopeAccess, 'caller' | 'context'>): TenantCaller {
  const scope: Scope = caller.type === 'team' ? { kind: 'team', teamId: caller.teamId } : { kind: 'global' };
  authorizeScope(deps, { caller, context, action: 'resource.create', scope });
  if (caller.type === 'operator') throw refusal('forbidden');
  return caller;
}

export interface ResourceAccess {
  /** The resource's id, or the token of an anonymous resource. */
  id: string;
  caller: Caller;
  context: RequestContext;
  header: (name: string) => string | undefined;
  action: Action;
}

/**
 * The resource, if the caller may do this with it. What is another's and what does not exist read the same.
 * @throws ApiError unauthorized, not_found, forbidden
 */
export async function authorizeResource(deps: AuthDeps, access: ResourceAccess): Promise<StoredResource> {
  const id = access.id.toLowerCase();
  const headerToken = access.header('x-resource-token');
  if (headerToken !== undefined && !UUID.test(headerToken)) throw unauthorized('malformed_token');
  if (!isUuid(id)) throw notFound();
  const row = await deps.store.find({ id, tokenHash: hashToken(id) });
  access.context.resourceId = row?.id;
  const token = row !== null && row.id !== id ? id : headerToken?.toLowerCase();
  // A token opens an anonymous resource whoever else the caller is; a claimed one is its team's alone.
  const actor: Actor =
    row?.team_id === null && token !== undefined && access.caller.type === 'team'
      ? {
          type: 'anonymous',
          fingerprint: access.caller.address.fingerprint,
          addressHash: access.caller.address.addressHash,
          resourceToken: token,
        }
      : actorFor(access.caller, token);
  if (row === null) throw actor.type === 'anonymous' && token === undefined ? unauthorized('missing_credentials') : notFound();
  const decision = can(actor, access.action, {
    kind: 'resource',
    resource: { id: row.id, teamId: row.team_id, tokenHash: row.token_hash },
  });
  if (decision.allowed) return row;
  auditDenial(deps, {
    caller: access.caller,
    context: access.context,
    action: access.action,
    target: { type: 'resource', id: row.id, teamId: row.team_id },
    data: { reason: decision.reason },
  });
  throw refusal(decision.reason);
}
