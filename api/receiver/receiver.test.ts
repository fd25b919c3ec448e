// Which paths are receive addresses, and what a minute's budget allows.
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { describe, expect, it } from '@jest/globals';
import { ConfigError } from '../../shared/config';
import { readBody } from './body';
import { MinuteBudget } from './budget';
import { loadReceiverConfig } from './config';
import { targetOf } from './receive';

const TOKEN = 'abcdefghijklmnopqrstuvwxyz234567';

describe('the receive address', () => {
  it.each([
    [`/webhook/receive/${TOKEN}`, { token: TOKEN, path: '/', query: '' }],
    [`/webhook/receive/${TOKEN}/`, { token: TOKEN, path: '/', query: '' }],
    [`/webhook/receive/${TOKEN}/a/../b?c=d?e`, { token: TOKEN, path: '/a/../b', query: 'c=d?e' }],
    [`/webhook/receive/${TOKEN}?`, { token: TOKEN, path: '/', query: '' }],
  ])('%s', (url, expected) => expect(targetOf(url)).toEqual(expected));

  it.each([
    '',
    '/',
    '/webhook/receive',
    '/webhook/receive/short',
    `/webhook/receive/${TOKEN}%2e`,
    `/x/webhook/receive/${TOKEN}`,
    `/webhook/receive/${TOKEN}${'/x'.repeat(600)}`,
  ])('not %s', (url) => expect(targetOf(url)).toBeNull());
});

describe('a minute’s budget', () => {
  it('is each key’s own, and new after a minute', () => {
    let nowMs = 0;
    const budget = new MinuteBudget({ now: () => nowMs });
    const take = (key: string, cost?: number, limit = 3) => budget.take(key, { limit, cost });
    expect([1, 1, 1, 1].map((cost) => take('a', cost).allowed)).toEqual([true, true, true, false]);
    expect(take('b', 3)).toEqual({ allowed: true, limit: 3, remaining: 0, resetSeconds: 60 });
    expect(take('b', 1, 5)).toMatchObject({ allowed: true, limit: 5, remaining: 1 });
    nowMs = 59_999;
    expect(take('a').allowed).toBe(false);
    nowMs = 60_000;
    expect(take('a')).toEqual({ allowed: true, limit: 3, remaining: 2, resetSeconds: 60 });
  });
});

describe('a body', () => {
  const gauge = { heldBytes: 0, limitBytes: 10 };
  const read = (...chunks: string[]) =>
    readBody(Readable.from(chunks.map((chunk) => Buffer.from(chunk))) as IncomingMessage, { limitBytes: 6, gauge });

  it('is held until it is let go of, up to its own limit and that of all', async () => {
    const first = await read('abc', 'def');
    expect(first).toMatchObject({ type: 'read', body: Buffer.from('abcdef') });
    expect(gauge.heldBytes).toBe(6);
    expect(await read('abcdefg')).toMatchObject({ type: 'too_large' });
    expect(await read('abc', 'de')).toMatchObject({ type: 'no_room' });
    expect(gauge.heldBytes).toBe(6);
    first.release();
    first.release();
    expect(gauge.heldBytes).toBe(0);
    expect(await read('abc', 'de')).toMatchObject({ type: 'read' });
  });
});

describe('the configuration', () => {
  it('needs the inbox database and a port, and names what is missing', () => {
    const complete = { LEASEHOLD_INBOX_URL: 'postgres://a:b@h/a', LEASEHOLD_RECEIVER_PORT: '8081' };
    expect(loadReceiverConfig(complete)).toMatchObject({ port: 8081, host: '127.0.0.1', requestsPerMinute: 600 });
    for (const missing of Object.keys(complete)) {
      expect(() => loadReceiverConfig({ ...complete, [missing]: '' })).toThrow(new ConfigError(`${missing}: is not set`));
    }
  });
});
