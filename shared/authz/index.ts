// The one door that decides who may do what. Nothing is allowed that no rule here allows.
import { constantTimeEquals, hashToken } from '../crypto';

export const KEY_SCOPES = ['read', 'write', 'admin'] as const;
export type KeyScope = (typeof KEY_SCOPES)[number];

/** Most first. */
export const TEAM_ROLES = ['owner', 'admin', 'member', 'viewer'] as const;
export type TeamRole = (typeof TEAM_ROLES)[number];

export type Actor =
  /** No credential, or no more than the token of an anonymous resource. */
  | { type: 'anonymous'; fingerprint: string; addressHash: string; resourceToken?: string }
  /** A person's session (`userId`) or an API key (`keyId`) of a team. */
  | { type: 'team'; teamId: string; userId: string | null; role: TeamRole; scopes: readonly KeyScope[]; keyId: string | null }
  | { type: 'operator' }
  /** A process of the platform itself, such as the sweep. */
  | { type: 'system'; name: string };

export const ACTIONS = [
  'resource.create',
  'resource.list',
  'resource.read',
  'resource.credentials',
  'resource.events',
  'resource.extend',
  'resource.pause',
  'resource.resume',
  'resource.rotate',
  'resource.update',
  'resource.delete',
  'admin.list',
  'admin.suspend',
  'admin.unsuspend',
  'admin.delete',
  'admin.drain',
  'capabilities.read',
] as const;
export type Action = (typeof ACTIONS)[number];

/** What of a resource's row decides. `tokenHash` is `hashToken` of its token. */
export interface ScopedResource {
  id: string;
  /** null while it is anonymous. */
  teamId: string | null;
  tokenHash: string | null;
}

export type Scope = { kind: 'global' } | { kind: 'team'; teamId: string } | { kind: 'resource'; resource: ScopedResource };

/** `unauthenticated` = 401, `not_found` = 404 (also for what exists and is another's), `forbidden` = 403. */
export type DenyReason = 'unauthenticated' | 'not_found' | 'forbidden';
export type Decision = { allowed: true } | { allowed: false; reason: DenyReason };

/**
 * What a tenant may do with one resource, and the key scope it needs. Handing out credentials is a read: whoever holds the token or a
 * read key could have kept them from the first answer.
 */
const TENANT_VERBS: ReadonlyMap<Action, KeyScope> = new Map([
  ['resource.read', 'read'],
  ['resource.credentials', 'read'],
  ['resource.events', 'read'],
  ['resource.extend', 'write'],
  ['resource.pause', 'write'],
  ['resource.resume', 'write'],
  ['resource.rotate', 'write'],
  ['resource.update', 'write'],
  ['resource.delete', 'write'],
]);

/** Never credentials: neither an operator nor a process of ours needs a tenant's password. */
const OPERATOR_ACTIONS: ReadonlySet<Action> = new Set([
  'admin.list',
  'admin.suspend',
  'admin.unsuspend',
  'admin.delete',
  'admin.drain',
  'resource.list',
  'resource.read',
  'resource.events',
]);
const SYSTEM_ACTIONS: ReadonlySet<Action> = new Set([
  'admin.list',
  'admin.suspend',
  'admin.unsuspend',
  'resource.list',
  'resource.read',
  'resource.events',
  'resource.delete',
]);

const ALLOWED: Decision = { allowed: true };
const deny = (reason: DenyReason): Decision => ({ allowed: false, reason });
const allowIf = (condition: boolean): Decision => (condition ? ALLOWED : deny('forbidden'));

function anonymousMay(token: string | undefined, action: Action, scope: Scope): Decision {
  if (action === 'resource.create') return scope.kind === 'global' ? ALLOWED : deny('unauthenticated');
  if (scope.kind !== 'resource' || !TENANT_VERBS.has(action) || !token) return deny('unauthenticated');
  const { teamId, tokenHash } = scope.resource;
  if (!tokenHash || !constantTimeEquals(hashToken(token), tokenHash)) return deny('not_found');
  // The right token of a claimed resource: only its former holder gets this far, and is told to sign in.
  return teamId === null ? ALLOWED : deny('unauthenticated');
}

function teamMay(teamId: string, scopes: readonly KeyScope[], action: Action, scope: Scope): Decision {
  const has = (needed: KeyScope) => scopes.includes(needed) || scopes.includes('admin');
  if (action === 'resource.create') {
    if (scope.kind === 'team' && scope.teamId !== teamId) return deny('not_found');
    return allowIf(scope.kind !== 'resource' && has('write'));
  }
  if (action === 'resource.list') {
    if (scope.kind === 'team' && scope.teamId !== teamId) return deny('not_found');
    return allowIf(scope.kind === 'team' && has('read'));
  }
  const needed = TENANT_VERBS.get(action);
  if (!needed || scope.kind !== 'resource') return deny('forbidden');
  // Before the key's scope is looked at, or the answer would tell that another team's resource exists.
  if (scope.resource.teamId !== teamId) return deny('not_found');
  return allowIf(has(needed));
}

/**
 * Decides. Pure: what it needs to know is in its arguments.
 * A caller without any credential is to be asked for one before a resource is looked up, or 401 and 404 would tell which ids exist.
 */
export function can(actor: Actor, action: Action, scope: Scope): Decision {
  if (action === 'capabilities.read') return ALLOWED;
  switch (actor.type) {
    case 'anonymous':
      return anonymousMay(actor.resourceToken, action, scope);
    case 'team':
      return teamMay(actor.teamId, actor.scopes, action, scope);
    case 'operator':
      return allowIf(OPERATOR_ACTIONS.has(action));
    case 'system':
      return allowIf(SYSTEM_ACTIONS.has(action));
    default:
      // Only a value that went around the types gets here.
      return deny('unauthenticated');
  }
}
