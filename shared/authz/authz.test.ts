import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hashToken } from '../crypto';
import { ACTIONS, type Action, type Actor, can, KEY_SCOPES, type KeyScope, type Scope } from './index';

const TOKEN = '11111111-2222-4333-8444-555555555555';
const tokenHash = hashToken(TOKEN);
const anonymous = (resourceToken?: string): Actor => ({ type: 'anonymous', fingerprint: 'f', addressHash: 'a', resourceToken });
const team = (...scopes: KeyScope[]): Actor => ({ type: 'team', teamId: 't1', userId: null, role: 'owner', scopes, keyId: 'k' });

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
  'anonymous resource': resource(null),
  'own resource': resource('t1'),
  'other resource': resource('t2'),
  'resource without token': resource(null, null),
} satisfies Record<string, Scope>;
type ScopeName = keyof typeof scopes;

const READS: Action[] = ['resource.read', 'resource.credentials', 'resource.events'];
const WRITES: Action[] = ['resource.extend', 'resource.pause', 'resource.resume', 'resource.rotate', 'resource.update', 'resource.delete'];
const ADMIN: Action[] = ['admin.list', 'admin.suspend', 'admin.unsuspend', 'admin.delete', 'admin.drain'];
const ANONYMOUS: ActorName[] = ['no credential', 'empty token', 'right token', 'wrong token', 'hash as token'];
const TEAM: ActorName[] = ['key without scopes', 'read key', 'write key', 'read+write key', 'admin key'];
const CAN_READ: ActorName[] = ['read key', 'read+write key', 'admin key'];
const CAN_WRITE: ActorName[] = ['write key', 'read+write key', 'admin key'];

/** Everything that is allowed, cell by cell; whatever is not in here must be denied. */
const allowed = new Set<string>();
function allow(actorNames: ActorName[], actions: readonly Action[], scopeNames: ScopeName[]) {
  for (const actor of actorNames) for (const action of actions) for (const scope of scopeNames) allowed.add(`${actor}|${action}|${scope}`);
}
const everyActor = Object.keys(actors) as ActorName[];
const everyScope = Object.keys(scopes) as ScopeName[];
allow(everyActor, ['capabilities.read'], everyScope);
allow(ANONYMOUS, ['resource.create'], ['global']);
allow(['right token'], [...READS, ...WRITES], ['anonymous resource']);
allow(CAN_WRITE, ['resource.create'], ['global', 'own team']);
allow(CAN_READ, ['resource.list'], ['own team']);
allow(CAN_READ, READS, ['own resource']);
allow(CAN_WRITE, WRITES, ['own resource']);
allow(['operator'], [...ADMIN, 'resource.list', 'resource.read', 'resource.events'], everyScope);
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
  ])('%s, %s on %s is %s', (actor, action, scope, reason) => {
    expect(can(actors[actor], action, scopes[scope])).toEqual({ allowed: false, reason });
  });

  it('a team never reaches a resource that is not its own, whatever its scopes', () => {
    fc.assert(
      fc.property(
        fc.uuid(),
        fc.option(fc.uuid()),
        fc.subarray([...KEY_SCOPES]),
        fc.constantFrom(...READS, ...WRITES),
        (mine, theirs, keyScopes, action) => {
          fc.pre(mine !== theirs);
          const actor: Actor = { type: 'team', teamId: mine, userId: 'u', role: 'owner', scopes: keyScopes, keyId: null };
          expect(can(actor, action, resource(theirs))).toEqual({ allowed: false, reason: 'not_found' });
        },
      ),
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

  it('knows every actor of the table', () => expect([...ANONYMOUS, ...TEAM, 'operator', 'system'].sort()).toEqual([...everyActor].sort()));
});
