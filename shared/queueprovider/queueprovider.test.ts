import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  createQueueProviders,
  formatNatsAdminUrl,
  isShrunk,
  limitsAtLeast,
  type NatsAccountState,
  Nkey,
  natsAccountClaims,
  natsAccountId,
  natsRemovalClaims,
  newNatsAccount,
  parseNatsAdminUrl,
  QUEUE_DEFAULTS,
  type QueueCredentialProvider,
  queueLimits,
  readNatsAccount,
  withCredential,
  withoutCredential,
} from './index';

const LIMITS = queueLimits({ storageMb: 64, connections: 7 });
const credential = (version: number) => ({ version, signingKey: `A${version}`, user: `U${version}` });
const versions = (state: NatsAccountState) => state.credentials.map(({ version }) => version);

describe('limits', () => {
  test('come from the plan, and from constants where it says nothing', () => {
    expect(LIMITS).toEqual({ ...QUEUE_DEFAULTS, storageBytes: 64 * 1024 * 1024, connections: 7 });
    expect(queueLimits({})).toEqual({ ...QUEUE_DEFAULTS, storageBytes: -1 });
    expect(queueLimits({ streams: 3, consumersPerStream: 4, messageKb: 16 })).toEqual({
      ...QUEUE_DEFAULTS,
      ...{ storageBytes: -1, streams: 3, consumersPerStream: 4, messageBytes: 16_384 },
    });
  });
});

describe('smaller limits', () => {
  const use = { reservedBytes: 100 * 1024 * 1024, streams: 12, consumersOfLargest: 3 };

  test('are never less than what is there', () => {
    expect(limitsAtLeast(LIMITS, use)).toEqual({ ...LIMITS, storageBytes: use.reservedBytes, streams: 12 });
    expect(limitsAtLeast(LIMITS, { reservedBytes: 0, streams: 0, consumersOfLargest: 0 })).toEqual(LIMITS);
    expect(limitsAtLeast({ ...LIMITS, storageBytes: -1 }, use).storageBytes).toBe(-1);
  });

  test('are told from larger ones, of which none is larger than no limit', () => {
    expect(isShrunk(LIMITS, { ...LIMITS, storageBytes: -1 })).toBe(true);
    expect(isShrunk({ ...LIMITS, storageBytes: -1 }, LIMITS)).toBe(false);
    expect(isShrunk({ ...LIMITS, streams: 1 }, LIMITS)).toBe(true);
    expect(isShrunk({ ...LIMITS, connections: 1 }, LIMITS)).toBe(false);
  });
});

describe('a NATS account', () => {
  test('has an id that follows from its name and is nobody’s key', () => {
    expect(natsAccountId('lhaaaaaaaa_b')).toBe(natsAccountId('lhaaaaaaaa_b'));
    expect(natsAccountId('lhaaaaaaaa_b')).not.toBe(natsAccountId('lhaaaaaaaa_c'));
    expect(natsAccountId('lhaaaaaaaa_b')).toMatch(/^A[A-Z2-7]{55}$/);
  });

  test('is read as it was written', () => {
    const numbers = fc.integer({ min: -1, max: 2 ** 40 });
    const states = fc.record<NatsAccountState>({
      limits: fc.record({
        storageBytes: numbers,
        connections: numbers,
        streams: numbers,
        consumersPerStream: numbers,
        messageBytes: numbers,
      }),
      isCut: fc.boolean(),
      isReadOnly: fc.boolean(),
      credentials: fc.uniqueArray(fc.integer({ min: 1, max: 1_000 }).map(credential), { selector: ({ version }) => version, maxLength: 2 }),
      newestVersion: fc.nat(),
      revokedUsers: fc.uniqueArray(fc.integer({ min: 1, max: 99 }).map((user) => `UREVOKED${user}`)),
    });
    fc.assert(fc.property(states, (state) => expect(readNatsAccount(JSON.parse(JSON.stringify(natsAccountClaims(state))))).toEqual(state)));
  });

  test('that is not ours is not read', () => {
    expect(readNatsAccount({})).toBeNull();
    expect(readNatsAccount({ limits: { conn: -1 }, tags: ['connections:1'] })).toBeNull();
  });

  test('lets no one in while it is cut, and keeps the number for later', () => {
    const claims = natsAccountClaims({ ...newNatsAccount(LIMITS), isCut: true });
    expect(claims.limits?.conn).toBe(0);
    expect(readNatsAccount(claims)?.limits.connections).toBe(7);
  });

  test('gives nothing that a claim could leave open', () => {
    const claims = natsAccountClaims(withCredential(newNatsAccount(LIMITS), credential(1), null));
    expect(claims.limits).toMatchObject({
      imports: 0,
      exports: 0,
      leaf: 0,
      mem_storage: 0,
      disallow_bearer: true,
      max_bytes_required: true,
    });
    expect(claims.imports).toBeUndefined();
    expect(claims.exports).toBeUndefined();
    expect(claims.default_permissions).toEqual({ pub: { deny: ['>'] }, sub: { deny: ['>'] } });
    for (const key of claims.signing_keys ?? [])
      expect(key).toMatchObject({
        kind: 'user_scope',
        template: { bearer_token: false, pub: { deny: ['$SYS.>'] }, sub: { deny: ['$SYS.>'] } },
      });
  });

  test('in removal holds the platform’s key alone', () => {
    const state = withCredential({ ...newNatsAccount(LIMITS), isCut: true }, credential(1), null);
    const claims = natsRemovalClaims(state, 'APLATFORM');
    expect(claims.signing_keys).toHaveLength(1);
    expect(claims.signing_keys?.[0]).toMatchObject({ key: 'APLATFORM' });
    expect(claims.limits?.conn).toBe(-1);
    expect(readNatsAccount(claims)?.credentials).toEqual([]);
  });
});

describe('credentials', () => {
  test('rotate keeps the previous one and revokes all else', () => {
    let state = withCredential(newNatsAccount(LIMITS), credential(1), null);
    state = withCredential(state, credential(2), 1);
    expect(versions(state)).toEqual([1, 2]);
    state = withCredential(state, credential(3), 2);
    expect(versions(state)).toEqual([2, 3]);
    expect(state.revokedUsers).toEqual(['U1']);
    expect(withoutCredential(state, 2)).toMatchObject({ credentials: [credential(3)], revokedUsers: ['U1', 'U2'], newestVersion: 3 });
  });

  test('whatever is done, there are at most two and none of them is revoked', () => {
    const steps = fc.array(fc.record({ revoke: fc.boolean(), back: fc.integer({ min: 0, max: 2 }) }), { maxLength: 20 });
    fc.assert(
      fc.property(steps, (taken) => {
        let state = newNatsAccount(LIMITS);
        for (const { revoke, back } of taken) {
          const version = state.newestVersion;
          state = revoke ? withoutCredential(state, version - back) : withCredential(state, credential(version + 1), version - back);
        }
        expect(state.credentials.length).toBeLessThanOrEqual(2);
        for (const { user } of state.credentials) expect(state.revokedUsers).not.toContain(user);
      }),
    );
  });
});

describe('the admin url', () => {
  const admin = {
    server: 'nats://127.0.0.1:4333',
    operatorKey: Nkey.random('operator'),
    systemKey: Nkey.random('account'),
    systemAccount: Nkey.random('account').getPublicKey(),
    storeDirectory: '/a folder/with?signs',
    accountDirectory: null,
  };

  test('is read as it was written', () => {
    const read = parseNatsAdminUrl(formatNatsAdminUrl(admin));
    expect(read).toMatchObject({
      server: admin.server,
      systemAccount: admin.systemAccount,
      storeDirectory: '/a folder/with?signs',
      accountDirectory: null,
    });
    expect(read.operatorKey.seed).toBe(admin.operatorKey.seed);
    expect(read.systemKey.seed).toBe(admin.systemKey.seed);
  });

  test('has its secrets in the password alone', () => {
    const shown = new URL(formatNatsAdminUrl(admin));
    shown.password = '';
    expect(shown.href).not.toContain(admin.operatorKey.seed);
    expect(shown.href).not.toContain(admin.systemKey.seed);
  });

  test.each([
    '',
    'nats://',
    'http://u:p@host',
    'nats://host:4222',
    'nats://u:SOX.SAX@host',
    `nats://u:${Nkey.random('operator').seed}@host`,
  ])('%s is refused without being told', (text) => {
    expect(() => parseNatsAdminUrl(text)).toThrow(/^(?!.*(SOX|SAX)).+$/);
  });
});

describe('the choice of a provider', () => {
  const fake = (name: string) => ({ engine: name, close: async () => {} }) as unknown as QueueCredentialProvider;
  const providers = () => {
    let made = 0;
    const table = createQueueProviders({
      implementations: { 'nats/isolated': () => fake(`nats ${++made}`), 'nats/legacy_open': () => fake('legacy') },
      choiceOf: (name) =>
        name === 'unknown' ? null : { engine: name === 'kafka' ? 'kafka' : 'nats', authMode: name === 'old' ? 'legacy_open' : 'isolated' },
    });
    return table;
  };

  test('is one for all backends of an engine and mode', () => {
    const table = providers();
    expect(table.of('a').engine).toBe('nats 1');
    expect(table.of('b')).toBe(table.of('a'));
    expect(table.of('old').engine).toBe('legacy');
  });

  test('says what is missing', () => {
    expect(() => providers().of('unknown')).toThrow('unknown is no queue backend of backends.yaml');
    expect(() => providers().of('kafka')).toThrow('kafka: no provider for engine kafka with auth_mode isolated is here');
  });
});
