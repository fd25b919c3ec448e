import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hashToken } from '../crypto';
import {
  ACTIONS,
  type Action,
  type Actor,
  can,
  isAtLeast,
  KEY_SCOPES,
  type KeyScope,
  type Scope,
  TEAM_ROLES,
  type TeamRole,
} from './index';

const TOKEN = '11111111-2222-4333-8444-555555555555';
const tokenHash = hashToken(TOKEN);
const anonymous = (resourceToken?: string): Actor => ({ type: 'anonymous', fingerprint: 'f', addressHash: 'a', resourceToken });
const team = (...scopes: KeyScope[]): Actor => ({ type: 'team', teamId: 't1', userId: null, role: 'owner', scopes, keyId: 'k' });
const person = (role: TeamRole): Actor => ({ type: 'team', teamId: 't1', userId: 'u', role, scopes: KEY_SCOPES, keyId: null });

const actors = {
  'no credential': anonymous(),
  'empty token': anonymous(''),
  'right token': anonymous(TOKEN),
  'wrong token': anonymous('other'),
  'hash as token': anonymous(tokenHash),
  'key without scopes': team(),
  'read key': team('read'),
  'write key': team('write'),
  'read+write key': team('read', 'write'),
  'admin key': team('admin'),
  owner: person('owner'),
  admin: person('admin'),
  member: person('member'),
  viewer: person('viewer'),
  machine: { type: 'team', teamId: 't1', userId: null, role: 'member', scopes: ['read', 'write'], keyId: null },
  stranger: { type: 'team', teamId: 't3', userId: 'u3', role: 'owner', scopes: KEY_SCOPES, keyId: null },
  operator: { type: 'operator' },
  system: { type: 'system', name: 'sweep' },
} satisfies Record<string, Actor>;
type ActorName = keyof typeof actors;

const resource = (teamId: string | null, hash: string | null = tokenHash): Scope => ({
  kind: 'resource',
  resource: { id: 'r', teamId, tokenHash: hash },
});
const scopes = {
  global: { kind: 'global' },
  'own team': { kind: 'team', teamId: 't1' },
  'other team': { kind: 'team', teamId: 't2' },
  'own viewer': { kind: 'member', teamId: 't1', roles: ['viewer'] },
  'own admin': { kind: 'member', teamId: 't1', roles: ['admin'] },
  'own owner': { kind: 'member', teamId: 't1', roles: ['owner'] },
  'member made owner': { kind: 'member', teamId: 't1', roles: ['member', 'owner'] },
  'other member': { kind: 'member', teamId: 't2', roles: ['viewer'] },
  'anonymous resource': resource(null),
  'own resource': resource('t1'),
  'other resource': resource('t2'),
  'resource without token': resource(null, null),
} satisfies Record<string, Scope>;
type ScopeName = keyof typeof scopes;

const READS: Action[] = ['resource.read', 'resource.events'];
const CREDENTIALS: Action[] = ['resource.credentials'];
const WRITES: Action[] = ['resource.extend', 'resource.pause', 'resource.resume', 'resource.rotate', 'resource.update', 'resource.delete'];
const OPERATIONS: Action[] = [
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
];
const ANONYMOUS: ActorName[] = ['no credential', 'empty token', 'right token', 'wrong token', 'hash as token'];
const KEYS: ActorName[] = ['key without scopes', 'read key', 'write key', 'read+write key', 'admin key'];
const CAN_READ: ActorName[] = ['read key', 'read+write key', 'admin key'];
const CAN_WRITE: ActorName[] = ['write key', 'read+write key', 'admin key'];
const VIEWERS: ActorName[] = ['owner', 'admin', 'member', 'viewer'];
const MEMBERS: ActorName[] = ['owner', 'admin', 'member'];
const ADMINS: ActorName[] = ['owner', 'admin'];

/** Everything that is allowed, cell by cell; whatever is not in here must be denied. */
const allowed = new Set<string>();
function allow(actorNames: ActorName[], actions: readonly Action[], scopeNames: ScopeName[]) {
  for (const actor of actorNames) for (const action of actions) for (const scope of scopeNames) allowed.add(`${actor}|${action}|${scope}`);
}
const everyActor = Object.keys(actors) as ActorName[];
const everyScope = Object.keys(scopes) as ScopeName[];
allow(everyActor, ['capabilities.read'], everyScope);
allow(ANONYMOUS, ['resource.create', 'resource.claim'], ['global']);
allow(['right token'], [...READS, ...CREDENTIALS, ...WRITES, 'resource.claim'], ['anonymous resource']);
allow([...CAN_WRITE, ...MEMBERS], ['resource.create', 'resource.claim'], ['own team']);
allow([...CAN_READ, ...VIEWERS], ['resource.list', 'team.read', 'member.list', 'subscription.read'], ['own team']);
allow([...CAN_READ, ...VIEWERS], READS, ['own resource']);
allow([...CAN_READ, ...MEMBERS], CREDENTIALS, ['own resource']);
allow([...CAN_WRITE, ...MEMBERS], WRITES, ['own resource']);
allow([...KEYS, ...VIEWERS], ['account.read'], ['own team']);
allow(['machine'], ['resource.create', 'resource.claim', 'resource.list', 'team.read', 'member.list', 'subscription.read'], ['own team']);
allow(['machine'], [...READS, ...CREDENTIALS, ...WRITES], ['own resource']);
allow(['machine'], ['account.read'], ['own team']);
allow(VIEWERS, ['cli.complete', 'session.revoke', 'session.switch', 'member.leave', 'invitation.accept'], ['own team']);
allow([...CAN_READ, ...ADMINS], ['invitation.list', 'api_key.list', 'service_account.list'], ['own team']);
allow(['admin key', ...ADMINS], ['api_key.revoke', 'service_account.revoke', 'subscription.manage', 'audit.read'], ['own team']);
allow(['admin key', 'owner'], ['team.update'], ['own team']);
allow(ADMINS, ['api_key.create', 'service_account.create', 'invitation.revoke'], ['own team']);
allow(ADMINS, ['member.add', 'member.remove', 'invitation.create'], ['own viewer', 'own admin']);
allow(['owner'], ['member.add', 'member.remove', 'invitation.create'], ['own owner', 'member made owner']);
allow(['owner'], ['member.update'], ['own viewer', 'own admin', 'own owner', 'member made owner']);
allow(['operator'], [...OPERATIONS, 'account.read', 'resource.list', 'resource.read', 'resource.events'], everyScope);
allow(
  ['system'],
  ['admin.list', 'admin.suspend', 'admin.unsuspend', 'resource.list', 'resource.read', 'resource.events', 'resource.delete'],
  everyScope,
);

const cells = everyActor.flatMap((actor) => ACTIONS.flatMap((action) => everyScope.map((scope) => [actor, action, scope] as const)));

describe('can', () => {
  it.each(cells)('%s, %s on %s', (actor, action, scope) => {
    expect(can(actors[actor], action, scopes[scope]).allowed).toBe(allowed.has(`${actor}|${action}|${scope}`));
  });

  it.each<[ActorName, Action, ScopeName, string]>([
    ['no credential', 'resource.list', 'global', 'unauthenticated'],
    ['no credential', 'resource.read', 'own resource', 'unauthenticated'],
    ['no credential', 'resource.read', 'anonymous resource', 'unauthenticated'],
    ['no credential', 'resource.create', 'own team', 'unauthenticated'],
    ['empty token', 'resource.read', 'anonymous resource', 'unauthenticated'],
    ['wrong token', 'resource.read', 'anonymous resource', 'not_found'],
    ['wrong token', 'resource.read', 'own resource', 'not_found'],
    ['hash as token', 'resource.read', 'anonymous resource', 'not_found'],
    ['right token', 'resource.read', 'resource without token', 'not_found'],
    ['right token', 'resource.read', 'own resource', 'unauthenticated'],
    ['right token', 'admin.list', 'global', 'unauthenticated'],
    ['admin key', 'resource.read', 'other resource', 'not_found'],
    ['key without scopes', 'resource.delete', 'other resource', 'not_found'],
    ['admin key', 'resource.delete', 'anonymous resource', 'not_found'],
    ['admin key', 'resource.list', 'other team', 'not_found'],
    ['admin key', 'resource.create', 'other team', 'not_found'],
    ['admin key', 'admin.suspend', 'own resource', 'forbidden'],
    ['read key', 'resource.delete', 'own resource', 'forbidden'],
    ['write key', 'resource.credentials', 'own resource', 'forbidden'],
    ['operator', 'resource.credentials', 'own resource', 'forbidden'],
    ['operator', 'resource.delete', 'own resource', 'forbidden'],
    ['system', 'resource.create', 'global', 'forbidden'],
    ['admin key', 'api_key.create', 'own team', 'person_only'],
    ['admin key', 'member.remove', 'own viewer', 'person_only'],
    ['machine', 'cli.complete', 'own team', 'person_only'],
    ['admin key', 'api_key.create', 'other team', 'not_found'],
    ['viewer', 'resource.credentials', 'own resource', 'forbidden'],
    ['admin', 'member.remove', 'own owner', 'forbidden'],
    ['owner', 'member.remove', 'other member', 'not_found'],
    ['stranger', 'team.read', 'own team', 'not_found'],
    ['no credential', 'team.read', 'own team', 'unauthenticated'],
  ])('%s, %s on %s is %s', (actor, action, scope, reason) => {
    expect(can(actors[actor], action, scopes[scope])).toEqual({ allowed: false, reason });
  });

  it('a team never reaches a resource that is not its own, whatever its scopes', () => {
    fc.assert(
      fc.property(
        fc.uuid(),
        fc.option(fc.uuid()),
        fc.subarray([...KEY_SCOPES]),
        fc.constantFrom(...READS, ...CREDENTIALS, ...WRITES),
        (mine, theirs, keyScopes, action) => {
          fc.pre(mine !== theirs);
          const actor: Actor = { type: 'team', teamId: mine, userId: 'u', role: 'owner', scopes: keyScopes, keyId: null };
          expect(can(actor, action, resource(theirs))).toEqual({ allowed: false, reason: 'not_found' });
        },
      ),
    );
  });

  const anyTeamActor = fc.record({
    type: fc.constant('team' as const),
    teamId: fc.constant('t1'),
    userId: fc.option(fc.uuid()),
    role: fc.constantFrom(...TEAM_ROLES),
    scopes: fc.subarray([...KEY_SCOPES]),
    keyId: fc.option(fc.uuid()),
  });
  const anyScope = fc.constantFrom(...Object.values<Scope>(scopes));
  const anyAction = fc.constantFrom(...ACTIONS);

  it('a role above may whatever the role below may', () => {
    fc.assert(
      fc.property(anyTeamActor, anyAction, anyScope, fc.constantFrom(...TEAM_ROLES), (actor, action, scope, above) => {
        fc.pre(isAtLeast(above, actor.role));
        if (can(actor, action, scope).allowed) expect(can({ ...actor, role: above }, action, scope).allowed).toBe(true);
      }),
    );
  });

  it('a key may nothing that its maker may not, and never makes a key or touches members', () => {
    fc.assert(
      fc.property(anyTeamActor, anyAction, anyScope, fc.uuid(), (actor, action, scope, keyId) => {
        if (!can({ ...actor, keyId }, action, scope).allowed) return;
        expect(can({ ...actor, keyId: null, scopes: KEY_SCOPES }, action, scope).allowed).toBe(true);
        expect(action === 'capabilities.read' || !/^(api_key\.create|member\.(?!list)|invitation\.(?!list)|session\.)/.test(action)).toBe(
          true,
        );
      }),
    );
  });

  it('only an owner touches an owner, and no role of another team', () => {
    fc.assert(
      fc.property(anyTeamActor, anyAction, fc.subarray([...TEAM_ROLES]), fc.constantFrom('t1', 't2'), (actor, action, roles, teamId) => {
        const { allowed } = can(actor, action, { kind: 'member', teamId, roles });
        const mayBe = teamId === 't1' && (actor.role === 'owner' || !roles.includes('owner'));
        if (action !== 'capabilities.read' && !mayBe) expect(allowed).toBe(false);
      }),
    );
  });

  it('denies what is outside its types', () => {
    expect(can({ type: 'root' } as unknown as Actor, 'resource.read', scopes['own resource'])).toEqual({
      allowed: false,
      reason: 'unauthenticated',
    });
    expect(can(actors['admin key'], 'resource.steal' as Action, scopes['own resource'])).toEqual({ allowed: false, reason: 'forbidden' });
    expect(can(actors['right token'], 'resource.steal' as Action, scopes['anonymous resource']).allowed).toBe(false);
  });

  it('knows every actor of the table', () =>
    expect([...ANONYMOUS, ...KEYS, ...VIEWERS, 'machine', 'stranger', 'operator', 'system'].sort()).toEqual([...everyActor].sort()));
});
