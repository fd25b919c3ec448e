// What is decided without a server: headers, limits, sealed secrets, signatures.
import { createHmac } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { inboxDatabaseOf, inboxLimits, keptHeaders, signatureMatches, unseal } from './index';
import { seal } from './sealing';

const MIB = 1024 * 1024;

describe('headers', () => {
  it('are kept in lower case, twice where they came twice, and without secrets', () => {
    const raw = [
      'Content-Type',
      'a/b',
      'X-A',
      '1',
      'x-a',
      '2',
      'Authorization',
      'Bearer s',
      'COOKIE',
      'c',
      'X-Api-Key',
      'k',
      '__proto__',
      'p',
    ];
    expect(keptHeaders(raw)).toEqual(
      Object.fromEntries([
        ['content-type', 'a/b'],
        ['x-a', '1, 2'],
        ['authorization', '[REDACTED]'],
        ['cookie', '[REDACTED]'],
        ['x-api-key', '[REDACTED]'],
        ['__proto__', 'p'],
      ]),
    );
  });

  it('keep what senders sign with', () => {
    const names = ['x-hub-signature-256', 'stripe-signature', 'x-slack-signature', 'webhook-id', 'x-request-id', 'x-github-event'];
    for (const name of names) expect(keptHeaders([name, 'v'])).toEqual({ [name]: 'v' });
  });
});

describe('limits', () => {
  it.each([
    [{}, { maxRequests: 100, maxBytes: 8 * MIB }],
    [{ requestsStored: 1_000 }, { maxRequests: 1_000, maxBytes: 1_000 * 16 * 1024 }],
    [{ requestsStored: 100_000 }, { maxRequests: 100_000, maxBytes: 256 * MIB }],
    [{ requestsStored: -1 }, { maxRequests: 100_000, maxBytes: 256 * MIB }],
    [{ requestsStored: 0 }, { maxRequests: 1, maxBytes: 8 * MIB }],
    [
      { requestsStored: 10, ringMb: 50 },
      { maxRequests: 10, maxBytes: 50 * MIB },
    ],
    [
      { requestsStored: 10, ringMb: 1 },
      { maxRequests: 10, maxBytes: 2 * MIB },
    ],
    [
      { requestsStored: 10, ringMb: -1 },
      { maxRequests: 10, maxBytes: 8 * MIB },
    ],
  ])('of %j', (limits, expected) => expect(inboxLimits(limits)).toEqual({ maxBodyBytes: MIB, maxBytesPerMinute: 64 * MIB, ...expected }));

  it('of one body and of a minute are the plan’s, and no body is larger than the contract has it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5_000 }), fc.integer({ min: 1, max: 5_000 }), (bodyKb, mbPerMinute) => {
        const limits = inboxLimits({ bodyKb, mbPerMinute });
        expect(limits.maxBodyBytes).toBe(Math.min(bodyKb * 1024, MIB));
        expect(limits.maxBytesPerMinute).toBe(mbPerMinute * MIB);
        expect(limits.maxBytes).toBeGreaterThanOrEqual(limits.maxBodyBytes);
      }),
    );
  });
});

describe('a signing secret', () => {
  it('opens with its own token alone', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), fc.string({ minLength: 16 }), fc.string({ minLength: 16 }), (secret, token, other) => {
        expect(unseal(seal(secret, token), token)).toBe(secret);
        if (other !== token) expect(() => unseal(seal(secret, token), other)).toThrow();
      }),
    );
  });

  it('signs the bytes of the body', () => {
    const body = Buffer.from([0, 255, 10]);
    const hex = createHmac('sha256', 'key').update(body).digest('hex');
    const rule = { header: 'x', prefix: 'sha256=', encoding: 'hex' as const };
    const matches = (given: string | undefined, secret = 'key', encoding: 'hex' | 'base64' = 'hex') =>
      signatureMatches({ ...rule, encoding }, { secret, body, given });
    expect(matches(`sha256=${hex}`)).toBe(true);
    expect(matches(`sha256=${hex.toUpperCase()}`)).toBe(true);
    expect(matches(`sha256=${Buffer.from(hex, 'hex').toString('base64')}`, 'key', 'base64')).toBe(true);
    for (const given of [undefined, '', hex, 'sha256=', `sha256=${hex}0`, `sha1=${hex}`]) expect(matches(given)).toBe(false);
    expect(matches(`sha256=${hex}`, 'another')).toBe(false);
  });
});

describe('the url of the inbox database', () => {
  it('names role and database alike, and says what is wrong without quoting it', () => {
    expect(inboxDatabaseOf('postgres://leasehold_inbox:p%2Fw@host:1/leasehold_inbox')).toEqual({
      name: 'leasehold_inbox',
      password: 'p/w',
    });
    for (const url of [
      'x',
      'postgres://a:secret@h/b',
      'postgres://a@h/a',
      'postgres://postgres:secret@h/postgres',
      'postgres://a%22b:secret@h/a%22b',
    ]) {
      expect(() => inboxDatabaseOf(url)).toThrow(/^LEASEHOLD_INBOX_URL (?!.*secret)/);
    }
  });
});
