import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { isSecretKey, REDACTED, sanitize, sanitizeText } from './index';

const jwt = `${Buffer.from('{"alg":"HS256"}').toString('base64url')}.${Buffer.from('{"a":1}').toString('base64url')}.c2ln`;

describe('sanitizeText', () => {
  it.each([
    ['connect postgres://u:hunter2@h:5432/d failed', 'connect postgres://u:[REDACTED]@h:5432/d failed'],
    ['redis://:hunter2@h:6379', 'redis://:[REDACTED]@h:6379'],
    ['mongodb://u:p@ss/w:rd@h1,h2/d', 'mongodb://u:[REDACTED]@h1,h2/d'],
    ['nats://hunter2@h:4222', 'nats://[REDACTED]@h:4222'],
    ['GET https://h/path?a=b', 'GET https://h/path?a=b'],
    ['http://127.0.0.1:8080/db/new', 'http://127.0.0.1:8080/db/new'],
    ['Authorization: Bearer hunter2', 'Authorization: [REDACTED]'],
    ['sent bearer x', 'sent bearer [REDACTED]'],
    [`see /start?t=${jwt} now`, 'see /start?t=[REDACTED] now'],
    [`jwt ${jwt}!`, 'jwt [REDACTED]!'],
    ['key lh_live_abc-123 and lhop_xyz', 'key [REDACTED] and [REDACTED]'],
    ['database lhabcdefgh_abcdefghijklmnopqrstuvwx', 'database lhabcdefgh_abcdefghijklmnopqrstuvwx'],
    ["ALTER ROLE r PASSWORD 'hunter2'", 'ALTER ROLE r PASSWORD [REDACTED]'],
    ['SCRAM-SHA-256$4096:c2FsdA==$c3RvcmVk:c2VydmVy', '[REDACTED]'],
    ['host=h password=hunter2 dbname=d', 'host=h password=[REDACTED] dbname=d'],
    ['https://s3/o?X-Amz-Expires=6&X-Amz-Signature=hunter2', 'https://s3/o?X-Amz-Expires=6&X-Amz-Signature=[REDACTED]'],
    ['{"password":"hun\\"ter2","n":1}', '{"password":"[REDACTED]","n":1}'],
    ['POST /webhook/receive/hunter2?x=1', 'POST /webhook/receive/[REDACTED]?x=1'],
    [`seed SU${'A2'.repeat(28)} end`, 'seed [REDACTED] end'],
    ['a\n-----BEGIN EC PRIVATE KEY-----\nabc\n-----END EC PRIVATE KEY-----\nb', 'a\n[REDACTED]\nb'],
    ['-----BEGIN USER NKEY SEED-----\nabc', '[REDACTED]'],
    ['', ''],
  ])('%s', (text, clean) => {
    expect(sanitizeText(text)).toBe(clean);
  });

  it('cuts a very long text, and is quick with a hostile one', () => {
    expect(sanitizeText(`start ${'x'.repeat(100_000)}`)).toBe('start [100000 more characters]');
    const startedAtMs = Date.now();
    for (const part of [
      '://a:',
      'eyJ',
      'password',
      'bearer ',
      '-----BEGIN PRIVATE KEY-----',
      "PASSWORD '",
      '"token":"',
      '"a',
      'eyJ-',
      'a',
      'a.b@',
    ]) {
      sanitizeText(part.repeat(Math.floor(65_000 / part.length)));
    }
    expect(Date.now() - startedAtMs).toBeLessThan(4_000);
  });
});

describe('isSecretKey', () => {
  it.each(
    (
      'password PGPASSWORD_FILE_password db-password userPassword secret clientSecret token resource_token X-Resource-Token authorization Cookie set-cookie ' +
      'api_key apiKey X-API-Key connection_url connectionUrl upgrade_jwt nats_jwt private_key nats_nkey seed creds_file credentials AWS_SECRET_ACCESS_KEY password_hash'
    ).split(' '),
  )('%s is', (key) => expect(isSecretKey(key)).toBe(true));
  it.each(
    'id resource_id key idempotency_key name credentials_version token_id access_key_id key_prefix author tokenize expires_at auth_mode admin_url_env'.split(
      ' ',
    ),
  )('%s is not', (key) => expect(isSecretKey(key)).toBe(false));
});

describe('sanitize', () => {
  it('copies what is harmless', () => {
    const source = { a: 1, b: ['x', null, true], c: { d: undefined }, e: new Date(0), f: 10n, g: new URL('https://h/p') };
    expect(sanitize(source)).toEqual({
      a: 1,
      b: ['x', null, true],
      c: { d: undefined },
      e: '1970-01-01T00:00:00.000Z',
      f: '10',
      g: 'https://h/p',
    });
    expect(sanitize(source)).not.toBe(source);
    expect(sanitize('x')).toBe('x');
    expect(sanitize(undefined)).toBeUndefined();
  });

  it('replaces by key, and leaves what tells nothing', () => {
    expect(
      sanitize({ password: 'x', apiKey: { a: 'y' }, token: null, secret: '', nats_jwt: 5, cookie: undefined, has_password: true }),
    ).toEqual({
      password: REDACTED,
      apiKey: REDACTED,
      token: null,
      secret: '',
      nats_jwt: REDACTED,
      cookie: undefined,
      has_password: true,
    });
    expect(sanitize(['Host', 'h', 'Authorization', 'hunter2', 'Accept', 'a'])).toEqual([
      'Host',
      'h',
      'Authorization',
      REDACTED,
      'Accept',
      'a',
    ]);
    expect(
      sanitize([
        { name: 'DB_PASSWORD', value: 'hunter2' },
        { name: 'PORT', value: '80' },
      ]),
    ).toEqual([
      { name: 'DB_PASSWORD', value: REDACTED },
      { name: 'PORT', value: '80' },
    ]);
  });

  it('opens errors with their chains', () => {
    const inner = Object.assign(new Error('at redis://:hunter2@h'), { code: 'ECONNREFUSED', config: { password: 'hunter2' } });
    const outer = new AggregateError([inner, 'plain'], 'both', { cause: new TypeError('why', { cause: inner }) });
    const copy = sanitize({ err: outer });
    expect(copy).toMatchObject({
      err: {
        name: 'AggregateError',
        message: 'both',
        stack: expect.stringContaining('both'),
        cause: { name: 'TypeError', cause: { code: 'ECONNREFUSED' } },
        errors: [{ message: 'at redis://:[REDACTED]@h', code: 'ECONNREFUSED', config: { password: REDACTED } }, 'plain'],
      },
    });
    expect(JSON.stringify(copy)).not.toContain('hunter2');
  });

  it('survives cycles, depth, getters, proxies, binaries and strange keys', () => {
    const loop: Record<string, unknown> = { n: 1 };
    loop.self = loop;
    const caused = new Error('loop');
    caused.cause = caused;
    let deep: unknown = 'bottom';
    for (let level = 0; level < 100; level += 1) deep = { deep };
    const hostile = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('no');
        },
      },
    );
    const copy = sanitize({
      loop,
      caused,
      deep,
      hostile,
      getter: Object.defineProperty({}, 'x', {
        enumerable: true,
        get: () => {
          throw new Error('no');
        },
      }),
      bytes: Buffer.from('hunter2'),
      map: new Map<unknown, unknown>([
        ['password', 'hunter2'],
        [{ a: 1 }, 2],
      ]),
      set: new Set([1, 'Bearer hunter2']),
      search: new URLSearchParams('token=hunter2&a=1'),
      fn: () => 1,
      sym: Symbol('s'),
      proto: JSON.parse('{"__proto__":{"a":1}}'),
      bad: new Date(Number.NaN),
    });
    expect(copy).toMatchObject({
      loop: { n: 1, self: '[Circular]' },
      caused: { cause: '[Circular]' },
      hostile: '[Unreadable]',
      getter: { x: '[Unreadable]' },
      bytes: '[7 bytes]',
      map: { password: REDACTED },
      set: [1, 'Bearer [REDACTED]'],
      search: { token: REDACTED, a: '1' },
      fn: '[Function]',
      sym: 'Symbol(s)',
      bad: 'Invalid Date',
    });
    const json = JSON.stringify(copy);
    expect(json).toContain('[Too deep]');
    expect(json).toContain('"__proto__":{"a":1}');
    expect(json).not.toContain('hunter2');
    expect(JSON.stringify(sanitize(Array.from({ length: 100_000 }, () => ({}))))).toContain('[Truncated]');
  });

  const secret = fc.string({ unit: fc.constantFrom(...'abcdefghijklmnopqrstuvwxyz0123456789-_.~%!*'), minLength: 8, maxLength: 40 });
  const planted = (value: string): fc.Arbitrary<unknown> =>
    fc.oneof(
      fc
        .constantFrom(
          'password',
          'clientSecret',
          'token',
          'Authorization',
          'set-cookie',
          'api_key',
          'connectionUrl',
          'nats_jwt',
          'privateKey',
          'nkey',
          'creds',
        )
        .map((key) => ({ [key]: value })),
      fc.constantFrom('password', 'seed').map((key) => ({ [key]: { nested: [value] } })),
      fc
        .constantFrom('postgres', 'redis', 'mongodb', 'nats', 'amqp')
        .map((scheme) => `cannot reach ${scheme}://user:${value}@host:1/db, giving up`),
      fc.constant(`header was Bearer ${value}`),
      fc.constant(new Error(`dial redis://:${value}@h failed`)),
      fc.constant(new Map([['token', value]])),
      fc.constant(new Set([`postgres://a:${value}@b/c`])),
    );
  const wrappers = fc.array(
    fc.constantFrom<(inner: unknown) => unknown>(
      (inner) => ({ a: 1, inner }),
      (inner) => [0, inner, 'z'],
      (inner) => new Error('outer', { cause: inner }),
      (inner) => new AggregateError([inner], 'many'),
      (inner) => Object.assign(new Error('with field'), { context: inner }),
      (inner) => new Map([['k', inner]]),
      (inner) => new Set([inner]),
    ),
    { maxLength: 14 },
  );

  it('never shows a secret, wherever it was planted', () => {
    fc.assert(
      fc.property(
        secret.chain((value) => fc.tuple(fc.constant(value), planted(value))),
        wrappers,
        ([value, plant], layers) => {
          const json = JSON.stringify(sanitize(layers.reduce((inner, wrap) => wrap(inner), plant)));
          expect(json).not.toContain(value);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('never throws and always fits JSON', () => {
    fc.assert(
      fc.property(
        fc.anything({ withBigInt: true, withDate: true, withMap: true, withSet: true, withTypedArray: true, withNullPrototype: true }),
        (value) => {
          expect(() => JSON.stringify(sanitize(value))).not.toThrow();
        },
      ),
    );
  });
});
