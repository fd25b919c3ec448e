// What each role may do, as data. What is not in here is denied.

export const KEY_SCOPES = ['read', 'write', 'admin'] as const;
export type KeyScope = (typeof KEY_SCOPES)[number];

/** Most first. */
export const TEAM_ROLES = ['owner', 'admin', 'member', 'viewer'] as const;
export type TeamRole = (typeof TEAM_ROLES)[number];

export const ACTIONS = [
  'capabilities.read',
  'resource.create',
  'resource.claim',
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
  'account.read',
  'session.revoke',
  'session.switch',
  'team.read',
  'team.update',
  'member.list',
  'member.add',
  'member.update',
  'member.remove',
  'member.leave',
  'invitation.list',
  'invitation.create',
  'invitation.revoke',
  'invitation.accept',
  'api_key.list',
  'api_key.create',
  'api_key.revoke',
  'service_account.list',
  'service_account.create',
  'service_account.revoke',
  'cli.complete',
  'subscription.read',
  'subscription.manage',
  'audit.read',
  'admin.list',
  'admin.suspend',
  'admin.unsuspend',
  'admin.isolate',
  'admin.delete',
  'admin.drain',
  'admin.policies',
  'admin.audit',
  'admin.leaks',
  'admin.outbox',
  'admin.codec',
] as const;
export type Action = (typeof ACTIONS)[number];

export interface TeamRule {
  /** What the action is done to: the team itself, a role in it, or one resource of it. */
  on: 'team' | 'member' | 'resource';
  /** This role and those above it. */
  role: TeamRole;
  /** What an API key must hold; null = any. `admin` holds all. */
  scope: KeyScope | null;
  /** Never with an API key: a key that leaks must not be able to make itself a successor. */
  personOnly?: true;
}

const person = (on: TeamRule['on'], role: TeamRole): TeamRule => ({ on, role, scope: 'admin', personOnly: true });

/** Credentials are a member's: with them a viewer could write. So is what a webhook inbox holds. */
export const TEAM_RULES: Readonly<Partial<Record<Action, TeamRule>>> = {
  'resource.create': { on: 'team', role: 'member', scope: 'write' },
  'resource.claim': { on: 'team', role: 'member', scope: 'write' },
  'resource.list': { on: 'team', role: 'viewer', scope: 'read' },
  'resource.read': { on: 'resource', role: 'viewer', scope: 'read' },
  'resource.events': { on: 'resource', role: 'viewer', scope: 'read' },
  'resource.credentials': { on: 'resource', role: 'member', scope: 'read' },
  'resource.extend': { on: 'resource', role: 'member', scope: 'write' },
  'resource.pause': { on: 'resource', role: 'member', scope: 'write' },
  'resource.resume': { on: 'resource', role: 'member', scope: 'write' },
  'resource.rotate': { on: 'resource', role: 'member', scope: 'write' },
  'resource.update': { on: 'resource', role: 'member', scope: 'write' },
  'resource.delete': { on: 'resource', role: 'member', scope: 'write' },
  'account.read': { on: 'team', role: 'viewer', scope: null },
  'session.revoke': person('team', 'viewer'),
  'session.switch': person('team', 'viewer'),
  'team.read': { on: 'team', role: 'viewer', scope: 'read' },
  'team.update': { on: 'team', role: 'owner', scope: 'admin' },
  'member.list': { on: 'team', role: 'viewer', scope: 'read' },
  'member.add': person('member', 'admin'),
  'member.update': person('member', 'owner'),
  'member.remove': person('member', 'admin'),
  'member.leave': person('team', 'viewer'),
  'invitation.list': { on: 'team', role: 'admin', scope: 'read' },
  'invitation.create': person('member', 'admin'),
  'invitation.revoke': person('team', 'admin'),
  'invitation.accept': person('team', 'viewer'),
  'api_key.list': { on: 'team', role: 'admin', scope: 'read' },
  'api_key.create': person('team', 'admin'),
  'api_key.revoke': { on: 'team', role: 'admin', scope: 'admin' },
  'service_account.list': { on: 'team', role: 'admin', scope: 'read' },
  'service_account.create': person('team', 'admin'),
  'service_account.revoke': { on: 'team', role: 'admin', scope: 'admin' },
  'cli.complete': person('team', 'viewer'),
  'subscription.read': { on: 'team', role: 'viewer', scope: 'read' },
  'subscription.manage': { on: 'team', role: 'admin', scope: 'admin' },
  'audit.read': { on: 'team', role: 'admin', scope: 'admin' },
};

/** What the token of an anonymous resource opens. */
export const TOKEN_ACTIONS: ReadonlySet<Action> = new Set([
  'resource.claim',
  'resource.read',
  'resource.credentials',
  'resource.events',
  'resource.extend',
  'resource.pause',
  'resource.resume',
  'resource.rotate',
  'resource.update',
  'resource.delete',
]);

/** Without any credential. A claim is proved by what the caller holds, resource by resource. */
export const ANONYMOUS_ACTIONS: ReadonlySet<Action> = new Set(['resource.create', 'resource.claim']);

/** Never credentials: neither an operator nor a process of ours needs a tenant's password. */
export const OPERATOR_ACTIONS: ReadonlySet<Action> = new Set([
  'account.read',
  'admin.list',
  'admin.suspend',
  'admin.unsuspend',
  'admin.isolate',
  'admin.delete',
  'admin.drain',
  'admin.policies',
  'admin.audit',
  'admin.leaks',
  'admin.outbox',
  'admin.codec',
  'resource.list',
  'resource.read',
  'resource.events',
]);
export const SYSTEM_ACTIONS: ReadonlySet<Action> = new Set([
  'admin.list',
  'admin.suspend',
  'admin.unsuspend',
  'resource.list',
  'resource.read',
  'resource.events',
  'resource.delete',
]);
