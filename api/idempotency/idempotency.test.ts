import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RESOURCE_STATUSES } from '../../shared/resourcestatus';
import type { TenantCaller } from '../auth/caller';
import { decide, decideByRun } from './decide';
import { canonicalJson, commandIdFor, readIdempotencyKey, requestHash, resourceIdFor } from './key';

const address = { ip: '192.0.2.1', fingerprint: 'f', addressHash: 'a', loopback: false };
const anonymous: TenantCaller = { type: 'anonymous', address };
const team: TenantCaller = {
  type: 'team',
  address,
  teamId: 't',
  tier: 'pro',
  role: 'owner',
  userId: null,
  scopes: [],
  credential: { type: 'api_key', keyId: 'k' },
};
const headers = (given: Record<string, string>) => (name: string) => given[name];
const read = (caller: TenantCaller, given: Record<string, string>) =>
  readIdempotencyKey({ caller, kind: 'postgres', body: { name: 'a' }, header: headers(given) });

describe('keys', () => {
  it('hash a body whatever the order of its keys', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (body) => {
        const shuffled = Object.fromEntries(Object.entries(body).reverse());
        expect(canonicalJson(shuffled)).toBe(canonicalJson(body));
      }),
    );
    expect(requestHash('postgres', {})).not.toBe(requestHash('redis', {}));
  });

  it('are scoped, and a client’s never meets a fingerprint', () => {
    const explicit = read(team, { 'idempotency-key': `fp:${requestHash('postgres', { name: 'a' })}` });
    const fingerprint = read(team, {});
    expect([explicit.type, fingerprint.type]).toEqual(['explicit', 'fingerprint']);
    if (explicit.type === 'none' || fingerprint.type === 'none') throw new Error('unreachable');
    expect(resourceIdFor(explicit, 1)).not.toBe(resourceIdFor(fingerprint, 1));
    const mine = read(anonymous, { 'x-idempotency-key': 'k'.repeat(16) });
    expect(mine).toMatchObject({ type: 'explicit', scope: 'anonymous:a' });
    expect(read(anonymous, { 'idempotency-key': 'k'.repeat(15) })).toMatchObject({ type: 'none', warning: expect.any(String) });
    expect(read(anonymous, {})).toEqual({ type: 'none' });
  });

  it('give ids that are stable for ever', () => {
    expect(resourceIdFor({ scope: 'team:t', key: 'key:k' }, 1)).toBe(resourceIdFor({ scope: 'team:t', key: 'key:k' }, 1));
    expect(resourceIdFor({ scope: 'team:t', key: 'key:k' }, 1)).toBe('1082880a-c6ee-5d3d-9ba0-0af28b4eb71e');
  });

  it('make a command one command', () => {
    const id = (key: string, command: string) => commandIdFor({ resourceId: 'r', command, header: headers({ 'idempotency-key': key }) });
    expect(id('k', 'pause')).toBe(id('k', 'pause'));
    expect(id('k', 'pause')).not.toBe(id('k', 'resume'));
    expect(commandIdFor({ resourceId: 'r', command: 'pause', header: headers({}) })).not.toBe(
      commandIdFor({ resourceId: 'r', command: 'pause', header: headers({}) }),
    );
  });
});

describe('decisions', () => {
  const explicit = { type: 'explicit' as const, scope: 's', key: 'k', requestHash: 'h' };
  const fingerprint = { ...explicit, type: 'fingerprint' as const };
  const record = { generation: 3, requestHash: 'h', resourceId: 'r', recent: true };

  it.each(RESOURCE_STATUSES)('a replay of one that is %s', (status) => {
    const decided = (key: typeof explicit | typeof fingerprint) => {
      try {
        const decision = decide(key, { ...record, status });
        return `${decision.action} ${decision.generation}`;
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    const live = ['pending', 'active', 'paused', 'suspended'].includes(status);
    expect(decided(explicit)).toBe(live ? 'replay 3' : status === 'failed' ? 'attempt 4' : 'resource_inactive');
    expect(decided(fingerprint)).toBe(live ? 'replay 3' : 'attempt 4');
  });

  it('an attempt without a row is asked of its workflow', () => {
    const asked = decide(explicit, { ...record, status: null });
    if (asked.action !== 'ask_workflow') throw new Error('must ask');
    expect(decideByRun(asked, 'closed')).toEqual({ action: 'attempt', generation: 4 });
    expect(decideByRun(asked, 'running')).toMatchObject({ action: 'replay', generation: 3 });
    expect(decideByRun(asked, 'absent')).toMatchObject({ action: 'replay', generation: 3 });
  });

  it('the first, another body, and an old fingerprint', () => {
    expect(decide(explicit, null)).toEqual({ action: 'attempt', generation: 1 });
    expect(() => decide(explicit, { ...record, requestHash: 'other', status: 'active' })).toThrow('sent before');
    expect(decide(fingerprint, { ...record, recent: false, status: 'active' })).toEqual({ action: 'attempt', generation: 4 });
    expect(decide(explicit, { ...record, recent: false, status: 'active' })).toMatchObject({ action: 'replay' });
  });
});
