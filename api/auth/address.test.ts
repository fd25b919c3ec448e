// Where a request comes from, and what it cannot make us believe about it.
import { describe, expect, it } from '@jest/globals';
import express from 'express';
import fc from 'fast-check';
import request from 'supertest';
import { addressKey } from '../http/ratelimit';
import { clientAddress } from './address';
import type { ClientAddress } from './caller';

async function seen(headers: Record<string, string | string[]>, trustedProxies: readonly string[] = []): Promise<ClientAddress> {
  const app = express();
  app.set('trust proxy', trustedProxies.length > 0 ? [...trustedProxies] : false);
  app.get('/', (incoming, response) => void response.json(clientAddress(incoming)));
  const call = request(app).get('/');
  for (const [name, value] of Object.entries(headers)) call.set(name, value as string);
  return (await call).body as ClientAddress;
}

describe('the address of a client', () => {
  it('is the peer’s where no proxy is trusted, and local only when nothing was forwarded', async () => {
    const plain = await seen({});
    expect(plain.loopback).toBe(true);
    for (const forwarded of ['198.51.100.1', '127.0.0.1', '::1', 'garbage', '198.51.100.1, 127.0.0.1', '::ffff:127.0.0.1']) {
      const { ip, fingerprint, addressHash, loopback } = await seen({ 'x-forwarded-for': forwarded });
      expect({ ip, fingerprint, addressHash }).toEqual({ ip: plain.ip, fingerprint: plain.fingerprint, addressHash: plain.addressHash });
      expect(loopback).toBe(false);
    }
    expect((await seen({ 'x-forwarded-for': ['127.0.0.1', '127.0.0.1'] })).loopback).toBe(false);
  });

  it('is the last one that a trusted proxy vouches for', async () => {
    const of = (value: string | string[]) => seen({ 'x-forwarded-for': value }, ['loopback', '10.0.0.0/8']);
    expect(await of('203.0.113.9')).toMatchObject({ ip: '203.0.113.9', loopback: false });
    expect(await of('1.2.3.4, 203.0.113.9')).toMatchObject({ ip: '203.0.113.9' });
    expect(await of('127.0.0.1, 203.0.113.9, 10.1.1.1')).toMatchObject({ ip: '203.0.113.9', loopback: false });
    expect(await of(['127.0.0.1', '203.0.113.9'])).toMatchObject({ ip: '203.0.113.9', loopback: false });
    expect((await of('2001:db8::7')).ip).toBe('2001:db8::7');
  });

  it('is the proxy’s own where that forwards what is no address', async () => {
    for (const garbage of ['unknown', '999.1.1.1', '1.2.3.4:80', '0x7f.1', 'a, b']) {
      expect((await seen({ 'x-forwarded-for': garbage }, ['loopback'])).loopback).toBe(false);
    }
  });

  it('counts an IPv4-mapped one as the IPv4 one', async () => {
    const mapped = await seen({ 'x-forwarded-for': '::ffff:203.0.113.9' }, ['loopback']);
    const plain = await seen({ 'x-forwarded-for': '203.0.113.9' }, ['loopback']);
    expect(mapped).toMatchObject({ fingerprint: plain.fingerprint, addressHash: plain.addressHash });
    expect(addressKey(mapped.ip)).toBe(addressKey(plain.ip));
  });

  it('two clients of one /24 are one network and two addresses', async () => {
    const one = await seen({ 'x-forwarded-for': '203.0.113.9' }, ['loopback']);
    const other = await seen({ 'x-forwarded-for': '203.0.113.10' }, ['loopback']);
    expect(one.fingerprint).toBe(other.fingerprint);
    expect(one.addressHash).not.toBe(other.addressHash);
  });

  it('is counted by its /64 in IPv6', () => {
    const part = fc.integer({ min: 0, max: 0xffff }).map((value) => value.toString(16));
    const half = fc.tuple(part, part, part, part).map((parts) => parts.join(':'));
    fc.assert(
      fc.property(fc.tuple(part, part, part), half, half, ([a, b, c], one, other) => {
        expect(addressKey(`2001:${a}:${b}:${c}:${one}`)).toBe(addressKey(`2001:${a}:${b}:${c}:${other}`));
      }),
    );
    expect(addressKey('2001:db8:1:1::1')).not.toBe(addressKey('2001:db8:1:2::1'));
    expect(addressKey('203.0.113.9')).not.toBe(addressKey('203.0.113.10'));
  });
});
