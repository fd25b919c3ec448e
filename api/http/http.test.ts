import { describe, expect, it } from '@jest/globals';
import { ConfigError, loadConfig } from '../config';
import { openContext } from './context';
import { prefers } from './prefer';

describe('a request’s context', () => {
  it('keeps a valid id and trace, and makes its own for others', () => {
    const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
    const known = openContext({ 'x-request-id': 'a.B_1-', traceparent: `00-${trace}-00f067aa0ba902b7-00` });
    expect(known.requestId).toBe('a.B_1-');
    expect(known.traceparent).toMatch(new RegExp(`^00-${trace}-(?!00f067aa0ba902b7)[0-9a-f]{16}-00$`));
    for (const id of ['', 'a b', 'x'.repeat(129), 'a\u00e9']) {
      const own = openContext({ 'x-request-id': id, traceparent: `00-${'0'.repeat(32)}-00f067aa0ba902b7-00` });
      expect(own.requestId).toMatch(/^[0-9a-f]{32}$/);
      expect(own.traceparent).not.toContain('0'.repeat(32));
    }
  });
});

describe('Prefer', () => {
  it.each([
    [undefined, { respondAsync: false, waitSeconds: null }],
    ['respond-async', { respondAsync: true, waitSeconds: null }],
    ['Respond-Async, wait=10', { respondAsync: true, waitSeconds: 10 }],
    ['wait = 9999', { respondAsync: false, waitSeconds: 25 }],
    ['wait=x; wait=-1', { respondAsync: false, waitSeconds: null }],
  ])('%s', (header, expected) => expect(prefers(header)).toEqual(expected));
});

describe('the configuration', () => {
  const needed = { LEASEHOLD_DATABASE_URL: 'postgres://x', LEASEHOLD_KEYRING: 'k', LEASEHOLD_JWT_KEYS: 'k' };
  it('has defaults', () => {
    expect(loadConfig({ ...needed, LEASEHOLD_OPERATOR_KEY: '' })).toMatchObject({
      port: 8080,
      baseUrl: 'http://127.0.0.1:8080',
      operatorKey: null,
      bootstrap: null,
      trustedProxies: [],
    });
    expect(loadConfig({ ...needed, LEASEHOLD_BASE_URL: 'https://a.example/', LEASEHOLD_TRUSTED_PROXIES: '10.0.0.0/8, ::1' })).toMatchObject(
      {
        baseUrl: 'https://a.example',
        trustedProxies: ['10.0.0.0/8', '::1'],
      },
    );
  });

  it.each([
    ['LEASEHOLD_DATABASE_URL', ''],
    ['PORT', 'x'],
    ['PORT', '70000'],
    ['LEASEHOLD_BASE_URL', 'ftp://x'],
    ['LEASEHOLD_TRUSTED_PROXIES', 'everyone'],
    ['LEASEHOLD_OPERATOR_KEY', 'short'],
    ['LEASEHOLD_LOG', 'loud'],
    ['LEASEHOLD_LOOPBACK_EXEMPT', 'maybe'],
  ])('names %s when it is wrong, in one line without the value', (name, value) => {
    const load = () => loadConfig({ ...needed, [name]: value });
    expect(load).toThrow(ConfigError);
    expect(load).toThrow(new RegExp(`^${name}: .`));
    if (value !== '' && value !== 'x') expect(load).not.toThrow(value);
  });
});
