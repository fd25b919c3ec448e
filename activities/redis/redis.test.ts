import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Access, aclFile, NO_ACCESS, retired, rotated, sha256, userRules, withLogin } from './access';
import { parseAdminUrl } from './admin';
import { configFile, maxMemoryBytes, memoryLimitBytes } from './config';
import { countedCalls, parseTally, type Tally, tallied } from './counting';
import { infoField } from './info';
import { ownServerRules, parseVersion, sharedServerRules } from './rules';

const V7 = { major: 7, minor: 0, text: '7.0.15' };
const V6 = { major: 6, minor: 2, text: '6.2.14' };
const name = 'lhaaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbb';

describe('who may come in', () => {
  const two = withLogin(withLogin(NO_ACCESS, { version: 1, password: 'one' }), { version: 2, password: 'two' });

  test('the same login twice is one', () => {
    expect(withLogin(two, { version: 2, password: 'two' })).toEqual(two);
  });

  test('a rotation keeps the version before, ends older ones, and a straggler is fenced', () => {
    const three = rotated(two, { version: 3, password: 'three', previousVersion: 2 });
    expect(three.logins.map(({ version }) => version)).toEqual([2, 3]);
    expect(() => rotated(three, { version: 2, password: 'two', previousVersion: 1 })).toThrow(expect.objectContaining({ name: 'Fenced' }));
    expect(() => rotated(NO_ACCESS, { version: 1, password: 'x', previousVersion: null })).toThrow(
      expect.objectContaining({ name: 'ObjectMissing' }),
    );
  });

  test('whatever is done in whatever order: at most two versions, and cut stays cut', () => {
    const steps = fc.array(
      fc.oneof(
        fc.record({ type: fc.constant('rotate' as const), by: fc.integer({ min: 0, max: 2 }) }),
        fc.record({ type: fc.constant('retire' as const), by: fc.integer({ min: 1, max: 3 }) }),
      ),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(steps, fc.boolean(), (taken, cut) => {
        let access: Access = { ...withLogin(NO_ACCESS, { version: 1, password: 'p1' }), cut };
        let current = 1;
        for (const { type, by } of taken) {
          if (type === 'rotate') {
            const next = current + by;
            access = rotated(access, { version: next, password: `p${next}`, previousVersion: current });
            current = next;
          } else if (current - by >= 1) access = retired(access, current - by);
          expect(access.logins.length).toBeLessThanOrEqual(2);
          expect(access.logins.some(({ version }) => version === current)).toBe(true);
          expect(access.cut).toBe(cut);
        }
      }),
    );
  });

  test('the file lets nobody else in and holds no password', () => {
    const file = aclFile({ objectName: name, access: two, rules: ['~*', '+@all'], platformPassword: 'the platform’s' });
    expect(file.split('\n')).toEqual([
      'user default off',
      `user platform on #${sha256('the platform’s')} ~* &* +@all`,
      `user ${name}_1 on #${sha256('one')} ~* +@all`,
      `user ${name}_2 on #${sha256('two')} ~* +@all`,
      '',
    ]);
    const cut = aclFile({ objectName: name, access: { ...two, cut: true }, rules: [], platformPassword: 'x' });
    expect(cut.match(/ off #/g)).toHaveLength(2);
  });

  test('a user is set from nothing each time', () => {
    const [login] = two.logins;
    if (login === undefined) throw new Error('there is a login');
    expect(userRules({ ...two, cut: true }, login, ['~*'])).toEqual(['reset', 'off', `#${sha256('one')}`, '~*']);
  });
});

describe('rules', () => {
  test('read-only comes last, so that nothing gives writing back', () => {
    for (const rules of [ownServerRules(V7, { readOnly: true }), sharedServerRules(V7, { prefix: 'p:', readOnly: true })])
      expect(rules.slice(-3)).toEqual(['-@write', '+del', '+unlink']);
    expect(ownServerRules(V7, { readOnly: false })).not.toContain('-@write');
  });

  test('an older server is told nothing that it does not know', () => {
    expect(ownServerRules(V6, { readOnly: false })).not.toContain('+sort_ro');
    const config = { bindAddress: '127.0.0.1', port: 1, directory: '/d', aclFile: '/a', maxMemoryBytes: 1 };
    expect(configFile(config, V6)).not.toContain('enable-debug-command');
    expect(configFile(config, V7)).toContain('enable-debug-command no\nenable-module-command no');
  });

  test('on a shared server everything begins with nothing', () => {
    const rules = sharedServerRules(V7, { prefix: 'p:', readOnly: false });
    expect(rules.slice(0, 3)).toEqual(['~p:*', '&p:*', '-@all']);
    for (const never of ['+@all', '+@keyspace', '+@scripting', '+@read', '+@write', '+scan', '+eval']) expect(rules).not.toContain(never);
  });

  test.each([
    ['Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc', 7, '7.0.15'],
    ['Valkey server v=8.0.1 sha=00000000:0', 8, '8.0.1'],
    ['# Server\r\nredis_version:6.2.14\r\n', 6, '6.2.14'],
  ])('%j', (output, major, text) => {
    expect(parseVersion(output)).toMatchObject({ major, text });
  });

  test('what is no version is none', () => expect(parseVersion('bash: no such command')).toBeNull());
});

describe('memory', () => {
  test('what an empty server takes is not the tenant’s, and the hard cap is above the soft one', () => {
    expect(maxMemoryBytes(5)).toBe(6.5 * 1024 * 1024);
    expect(maxMemoryBytes(-1)).toBe(maxMemoryBytes(null));
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4096 }), (memoryMb) => {
        expect(memoryLimitBytes(maxMemoryBytes(memoryMb))).toBeGreaterThan(2 * memoryMb * 1024 * 1024);
      }),
    );
  });
});

describe('commands of a day', () => {
  const at = (text: string) => Date.parse(text);
  const info = [
    'run_id:abc',
    'used_memory:123',
    'cmdstat_set:calls=7,usec=1,usec_per_call=1.00,rejected_calls=3,failed_calls=0',
    'cmdstat_config|set:calls=100,usec=1,usec_per_call=1.00',
    'cmdstat_acl|setuser:calls=100,usec=1,usec_per_call=1.00',
    'cmdstat_client|kill:calls=100,usec=1,usec_per_call=1.00',
    'cmdstat_ping:calls=100,usec=1,usec_per_call=1.00',
    'cmdstat_info:calls=100,usec=1,usec_per_call=1.00',
    'cmdstat_auth:calls=100,usec=1,usec_per_call=1.00',
    'cmdstat_object|encoding:calls=2,usec=1,usec_per_call=1.00',
    'cmdstat_eval:calls=1,usec=1,usec_per_call=1.00',
  ].join('\r\n');

  test('the platform’s own, refused ones and what keeps a connection do not count', () => {
    expect(countedCalls(info)).toBe(10);
    expect(infoField(info, 'run_id')).toBe('abc');
    expect(infoField(info, 'absent')).toBeNull();
  });

  test('a server that began anew adds to the day', () => {
    let tally = tallied(null, { runId: 'a', calls: 5, atMs: at('2026-11-21T10:00:00Z') });
    tally = tallied(tally, { runId: 'a', calls: 9, atMs: at('2026-11-21T10:01:00Z') });
    tally = tallied(tally, { runId: 'b', calls: 3, atMs: at('2026-11-21T10:02:00Z') });
    expect(tally).toMatchObject({ day: '2026-11-21', today: 12 });
  });

  test('midnight UTC begins at nothing, and the minute around it is split', () => {
    const before = tallied(null, { runId: 'a', calls: 1_000, atMs: at('2026-11-21T23:59:30Z') });
    expect(tallied(before, { runId: 'a', calls: 1_060, atMs: at('2026-11-22T00:00:30Z') })).toMatchObject({ day: '2026-11-22', today: 30 });
    expect(tallied(before, { runId: 'a', calls: 1_000, atMs: at('2026-11-22T08:00:00Z') })).toMatchObject({ day: '2026-11-22', today: 0 });
  });

  test('a clock that goes back gives no second allowance', () => {
    const before: Tally = { day: '2026-11-22', today: 7, runId: 'a', calls: 7, atMs: at('2026-11-22T00:01:00Z') };
    expect(tallied(before, { runId: 'a', calls: 8, atMs: at('2026-11-21T23:59:00Z') })).toMatchObject({ day: '2026-11-22', today: 8 });
  });

  test('within a day nothing is lost or counted twice, however often one looks and the server restarts', () => {
    const looks = fc.array(fc.record({ more: fc.nat({ max: 500 }), restart: fc.boolean() }), { maxLength: 40 });
    fc.assert(
      fc.property(looks, (taken) => {
        let tally: Tally | null = null;
        let [calls, run, total] = [0, 0, 0];
        for (const [index, { more, restart }] of taken.entries()) {
          if (restart) {
            run += 1;
            calls = 0;
          }
          calls += more;
          total += more;
          tally = tallied(tally, { runId: String(run), calls, atMs: at('2026-11-21T00:00:00Z') + index * 1_000 });
          expect(tally.today).toBe(total);
          expect(parseTally(JSON.stringify(tally))).toEqual(tally);
        }
      }),
    );
    expect(parseTally(null)).toBeNull();
    expect(parseTally('{}')).toBeNull();
  });
});

describe('the admin url', () => {
  test('is taken apart, and never quoted when it is wrong', () => {
    expect(parseAdminUrl('rediss://ad%40min:s%3Acret@cache.example:6380/3', 'shared')).toEqual({
      host: 'cache.example',
      port: 6380,
      username: 'ad@min',
      password: 's:cret',
      tls: true,
    });
    expect(() => parseAdminUrl('http://user:hidden@x', 'shared')).toThrow(/^the admin url of shared must begin/);
    expect(() => parseAdminUrl('hidden', 'shared')).toThrow(expect.objectContaining({ message: expect.not.stringContaining('hidden') }));
  });
});
