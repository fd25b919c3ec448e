import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { actorOf, commandIdOf, deleteFrom, extendFrom, isWhole, OPERATOR, requestIdOf, storageFrom, suspendFrom } from './arguments';
import type { Command } from './messages';

describe('what an operator’s command line may send', () => {
  it('never throws and always gives something whole', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), (argument) => {
        const extend = extendFrom(argument);
        expect(extend.type === 'extend' && Number.isSafeInteger(extend.ttlMs)).toBe(true);
        const suspend = suspendFrom(argument);
        expect(suspend.type === 'suspend' && suspend.reason.length > 0).toBe(true);
        const request = deleteFrom(argument);
        expect(typeof request.reason).toBe('string');
        expect(typeof actorOf(argument).id).toBe('string');
        expect(requestIdOf(argument) === null || typeof requestIdOf(argument) === 'string').toBe(true);
        expect(commandIdOf(argument) === undefined || typeof commandIdOf(argument) === 'string').toBe(true);
        storageFrom(argument);
      }),
    );
  });

  it('is read where it says something', () => {
    expect(extendFrom('2h')).toEqual({ type: 'extend', ttlMs: 7_200_000 });
    expect(extendFrom({ ttl: '90m' })).toEqual({ type: 'extend', ttlMs: 5_400_000 });
    expect(extendFrom('soon')).toEqual({ type: 'extend', ttlMs: 0 });
    expect(suspendFrom('abuse')).toEqual({ type: 'suspend', reason: 'abuse' });
    expect(suspendFrom({ reason: 'abuse' })).toEqual({ type: 'suspend', reason: 'abuse' });
    expect(suspendFrom(undefined)).toEqual({ type: 'suspend', reason: 'operator' });
    expect(storageFrom({ bytes: 5, action: 'lift' })).toEqual({ type: 'storage', bytes: 5, action: 'lift' });
    expect(storageFrom({ bytes: '5', action: 'lift' })).toBeNull();
    expect(storageFrom({ bytes: 5, action: 'toString' })).toBeNull();
    const actor = { type: 'team', id: 't' };
    expect(deleteFrom({ actor, requestId: 'r', reason: 'by owner' })).toEqual({ actor, requestId: 'r', reason: 'by owner' });
    expect(deleteFrom({ actor: { type: 'god', id: 't' } })).toEqual({ actor: OPERATOR, requestId: null, reason: 'operator' });
  });
});

describe('a whole command', () => {
  const policy = { tier: 'pro', rungsMs: [], graceMs: 0, rotationGraceMs: 0 };
  it.each([
    [{ type: 'claim', teamId: 't', policy, limits: {}, ttlMs: null }, true],
    [{ type: 'claim', teamId: 't', policy, limits: {} }, false],
    [{ type: 'claim', policy, limits: {}, ttlMs: null }, false],
    [{ type: 'claim', teamId: 't', policy: { tier: 'pro' }, limits: {}, ttlMs: null }, false],
    [{ type: 'scale', limits: { storageMb: 1 } }, true],
    [{ type: 'scale' }, false],
    [{ type: 'scale', limits: {}, policy: {} }, false],
    [{ type: 'update', name: 'a' }, true],
    [{ type: 'update', name: 7 }, false],
    [{ type: 'update', labels: [] }, false],
    [{ type: 'pause' }, true],
  ])('%j: %s', (command, whole) => {
    expect(isWhole(command as Command)).toBe(whole);
  });
});
