// The one door that decides who may do what. Nothing is allowed that no rule allows.
import { constantTimeEquals, hashToken } from '../crypto';
import {
  type Action,
  ANONYMOUS_ACTIONS,
  type KeyScope,
  OPERATOR_ACTIONS,
  SYSTEM_ACTIONS,
  TEAM_ROLES,
  TEAM_RULES,
  type TeamRole,
  TOKEN_ACTIONS,
} from './rules';

export { ACTIONS, type Action, KEY_SCOPES, type KeyScope, TEAM_ROLES, type TeamRole } from './rules';

/** Somebody of a team: a person, an API key (`keyId`), which has the role of the person who made it at most, or a machine (neither). */
export interface TeamActor {
  type: 'team';
  teamId: string;
  userId: string | null;
  role: TeamRole;
  scopes: readonly KeyScope[];
  keyId: string | null;
}

export type Actor =
  /** No credential, or no more than the token of an anonymous resource. */
  | { type: 'anonymous'; fingerprint: string; addressHash: string; resourceToken?: string }
  | TeamActor
  | { type: 'operator' }
  /** A process of the platform itself, such as the sweep. */
  | { type: 'system'; name: string };

/** What of a resource's row decides. `tokenHash` is `hashToken` of its token. */
export interface ScopedResource {
  id: string;
  /** null while it is anonymous. */
  teamId: string | null;
  tokenHash: string | null;
}

export type Scope =
  | { kind: 'global' }
  | { kind: 'team'; teamId: string }
  /** Members and invitations: every role that the action takes away or gives. */
  | { kind: 'member'; teamId: string; roles: readonly TeamRole[] }
  | { kind: 'resource'; resource: ScopedResource };

/**
 * `unauthenticated` = 401, `not_found` = 404 (also for what exists and is another's), `forbidden` and `person_only` (an API key may never
 * do it) = 403.
 */
export type DenyReason = 'unauthenticated' | 'not_found' | 'forbidden' | 'person_only';
export type Decision = { allowed: true } | { allowed: false; reason: DenyReason };

const ALLOWED: Decision = { allowed: true };
const deny = (reason: DenyReason): Decision => ({ allowed: false, reason });
const allowIf = (condition: boolean): Decision => (condition ? ALLOWED : deny('forbidden'));

/** The same role, or one above it. */
export function isAtLeast(role: TeamRole, needed: TeamRole): boolean {
  const rank = TEAM_ROLES.indexOf(role);
  return rank >= 0 && rank <= TEAM_ROLES.indexOf(needed);
}

function anonymousMay(token: string | undefined, action: Action, scope: Scope): Decision {
  if (scope.kind === 'global') return ANONYMOUS_ACTIONS.has(action) ? ALLOWED : deny('unauthenticated');
  if (scope.kind !== 'resource' || !TOKEN_ACTIONS.has(action) || !token) return deny('unauthenticated');
  const { teamId, tokenHash } = scope.resource;
  if (!tokenHash || !constantTimeEquals(hashToken(token), tokenHash)) return deny('not_found');
  // The right token of a claimed resource: only its former holder gets this far, and is told to sign in.
  return teamId === null ? ALLOWED : deny('unauthenticated');
}

function teamOf(scope: Exclude<Scope, { kind: 'global' }>): string | null {
  return scope.kind === 'resource' ? scope.resource.teamId : scope.teamId;
}

function teamMay(actor: TeamActor, action: Action, scope: Scope): Decision {
  const rule = Object.hasOwn(TEAM_RULES, action) ? TEAM_RULES[action] : undefined;
  if (rule === undefined || scope.kind !== rule.on) return deny('forbidden');
  // Before role and scope are looked at, or the answer would tell that another team's thing exists.
  if (teamOf(scope) !== actor.teamId) return deny('not_found');
  if (rule.personOnly && (actor.keyId !== null || actor.userId === null)) return deny('person_only');
  if (!isAtLeast(actor.role, rule.role)) return deny('forbidden');
  // Nobody makes or unmakes an owner but an owner.
  if (scope.kind === 'member' && !scope.roles.every((role) => isAtLeast(actor.role, role))) return deny('forbidden');
  return allowIf(rule.scope === null || actor.scopes.includes(rule.scope) || actor.scopes.includes('admin'));
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
      return teamMay(actor, action, scope);
    case 'operator':
      return allowIf(OPERATOR_ACTIONS.has(action));
    case 'system':
      return allowIf(SYSTEM_ACTIONS.has(action));
    default:
      // Only a value that went around the types gets here.
      return deny('unauthenticated');
  }
}
