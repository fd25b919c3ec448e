import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  addressHash,
  constantTimeEquals,
  DecryptError,
  generatePassword,
  hashToken,
  ipFingerprint,
  JwtSigner,
  Keyring,
  randomBase32,
  scramSha256Verifier,
} from './index';

const key = () => randomBytes(32).toString('base64');
const k0 = key();
const k1 = key();

describe('Keyring', () => {
  const ring = Keyring.parse(`k1:${k1},k0:${k0}`);

  it('gives back any text under the same associated data', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), (text, associatedData) => {
        const sealed = ring.encrypt(text, associatedData);
        expect(sealed).toMatch(/^v1\.k1\.[\w-]{16}\.[\w-]{22,}$/);
        expect(ring.decrypt(sealed, associatedData)).toBe(text);
      }),
    );
  });

  it('refuses a text with any one character changed, and other associated data', () => {
    const sealed = ring.encrypt('postgres://u:p@h/d', 'resource/1');
    fc.assert(
      fc.property(fc.nat(sealed.length - 1), fc.constantFrom('A', 'z', '.', '=', '-'), (index, character) => {
        fc.pre(sealed[index] !== character && !(index >= 3 && index <= 4));
        expect(() => ring.decrypt(sealed.slice(0, index) + character + sealed.slice(index + 1), 'resource/1')).toThrow(DecryptError);
      }),
    );
    expect(() => ring.decrypt(sealed, 'resource/2')).toThrow(DecryptError);
    for (const bad of ['', 'v1', 'v1.k1..', 'v2.k1.a.b', `${sealed}.x`, `v1.k1.AAAA.${'A'.repeat(30)}`]) {
      expect(() => ring.decrypt(bad, 'resource/1')).toThrow(DecryptError);
    }
  });

  it('reads what an older key made, and what a key made that now has another id', () => {
    expect(ring.decrypt(Keyring.parse(`k0:${k0}`).encrypt('a', 'x'), 'x')).toBe('a');
    expect(ring.decrypt(Keyring.parse(`renamed:${k0}`).encrypt('b', 'x'), 'x')).toBe('b');
    expect(() => ring.decrypt(Keyring.parse(`gone:${key()}`).encrypt('c', 'x'), 'x')).toThrow(/"gone"/);
  });

  it('names what is wrong with a ring without showing a key', () => {
    for (const text of ['', k0, 'k0:', `k0:${k0.slice(0, 20)}`, `k0:${k0},k0:${k1}`, `k 0:${k0}`]) {
      let message = '';
      try {
        Keyring.parse(text);
      } catch (error) {
        message = String(error);
      }
      expect(message).toMatch(/ring/);
      expect(message).not.toContain(k0.slice(0, 20));
    }
    expect(JSON.stringify(ring)).toBe('{}');
    expect(ring.activeKeyId).toBe('k1');
  });
});

describe('random and hashes', () => {
  it('draws base32 of the asked length, evenly', () => {
    expect(randomBase32(24)).toMatch(/^[a-z2-7]{24}$/);
    expect(randomBase32(0)).toBe('');
    expect(new Set(randomBase32(4000)).size).toBe(32);
    expect(generatePassword()).toMatch(/^[a-z2-7]{32}$/);
    expect(generatePassword()).not.toBe(generatePassword());
  });

  it('hashes and compares', () => {
    expect(hashToken('abc')).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad');
    fc.assert(fc.property(fc.string(), fc.string(), (a, b) => expect(constantTimeEquals(a, b)).toBe(a === b)));
    expect(constantTimeEquals('same', 'same')).toBe(true);
  });
});

describe('addresses', () => {
  it('shares a fingerprint inside /24 and /48 only', () => {
    const of = (address: string, asn?: number) => ipFingerprint({ address, asn });
    expect(of('203.0.113.7')).toBe(of('203.0.113.250'));
    expect(of('203.0.113.7')).not.toBe(of('203.0.114.7'));
    expect(of('203.0.113.7', 64500)).not.toBe(of('203.0.113.7', 64501));
    expect(of('2001:db8:1:2::1')).toBe(of('2001:db8:1:ffff::9'));
    expect(of('2001:db8:1::1')).not.toBe(of('2001:db8:2::1'));
    expect(of('::ffff:203.0.113.7')).toBe(of('203.0.113.1'));
  });

  it('hashes the whole address whatever its spelling', () => {
    expect(addressHash('::ffff:203.0.113.7')).toBe(addressHash('203.0.113.7'));
    expect(addressHash('::ffff:cb00:7107')).toBe(addressHash('203.0.113.7'));
    expect(addressHash('2001:DB8::0:1')).toBe(addressHash('2001:db8::1'));
    expect(addressHash('fe80::1%eth0')).toBe(addressHash('fe80::1'));
    expect(addressHash('203.0.113.7')).not.toBe(addressHash('203.0.113.8'));
  });

  it('refuses what is no address', () => {
    for (const bad of ['', 'localhost', '127.1', '1', '0x7f.1', '1.2.3.4.5', '2001:::1']) expect(() => addressHash(bad)).toThrow(TypeError);
  });
});

describe('scramSha256Verifier', () => {
  it('is what the password and its salt give', async () => {
    const password = generatePassword();
    const verifier = await scramSha256Verifier(password);
    const match = /^SCRAM-SHA-256\$4096:([^$]+)\$([^:]+):(.+)$/.exec(verifier);
    const [, salt = '', storedKey, serverKey] = match ?? [];
    const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), 4096, 32, 'sha256');
    const hmac = (text: string) => createHmac('sha256', salted).update(text).digest();
    expect(Buffer.from(salt, 'base64')).toHaveLength(16);
    expect(storedKey).toBe(createHash('sha256').update(hmac('Client Key')).digest('base64'));
    expect(serverKey).toBe(hmac('Server Key').toString('base64'));
    expect(await scramSha256Verifier(password)).not.toBe(verifier);
  });

  it('agrees with the example of RFC 7677', async () => {
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
    const verifier = await scramSha256Verifier('pencil', { salt });
    const serverKey = Buffer.from(verifier.split(':').at(-1) ?? '', 'base64');
    const authMessage =
      'n=user,r=rOprNGfwEbeRWgbNEkqO,' +
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,' +
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0';
    expect(createHmac('sha256', serverKey).update(authMessage).digest('base64')).toBe('6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=');
  });

  it('takes other iterations, and refuses what would need normalising', async () => {
    expect(await scramSha256Verifier('x', { iterations: 5000 })).toMatch(/^SCRAM-SHA-256\$5000:/);
    await expect(scramSha256Verifier('pässword')).rejects.toThrow(TypeError);
    await expect(scramSha256Verifier('')).rejects.toThrow(TypeError);
  });
});

describe('JwtSigner', () => {
  const signer = JwtSigner.parse(`k1:${k1},k0:${k0}`);

  it('signs and verifies, also under the key before', async () => {
    const token = await signer.sign({ fp: 'f', tok: ['a'] }, { expiresInSeconds: 60, audience: 'claim', subject: 's' });
    const verified = await signer.verify(token, { audience: 'claim', requiredClaims: ['fp'] });
    expect(verified).toMatchObject({ ok: true, claims: { fp: 'f', tok: ['a'], aud: 'claim', sub: 's', jti: expect.any(String) } });
    const old = await JwtSigner.parse(`k0:${k0}`).sign({}, { expiresInSeconds: 60 });
    expect(await signer.verify(old)).toMatchObject({ ok: true });
  });

  it('tells the reasons apart', async () => {
    const nowMs = Date.UTC(2030, 0, 1);
    const token = await signer.sign({ jti: 'j' }, { expiresInSeconds: 60, audience: 'session', nowMs });
    const reason = async (text: string, options: Parameters<JwtSigner['verify']>[1]) => {
      const verified = await signer.verify(text, options);
      return verified.ok ? 'ok' : verified.reason;
    };
    expect(await reason(token, { audience: 'session', nowMs: nowMs + 59_000 })).toBe('ok');
    expect(await reason(token, { audience: 'session', nowMs: nowMs + 61_000 })).toBe('expired_token');
    expect(await reason(token, { audience: 'claim', nowMs })).toBe('invalid_claims');
    expect(await reason(token, { audience: 'session', requiredClaims: ['team'], nowMs })).toBe('invalid_claims');
    expect(await reason(token, { issuer: 'other', nowMs })).toBe('invalid_claims');
    const [head = '', body = '', signature = ''] = token.split('.');
    const none = Buffer.from('{"alg":"none","kid":"k1"}').toString('base64url');
    const foreign = await JwtSigner.parse(`k1:${key()}`).sign({}, { expiresInSeconds: 60, nowMs });
    const unknown = await JwtSigner.parse(`k9:${k1}`).sign({}, { expiresInSeconds: 60, nowMs });
    for (const bad of ['', 'x', 'a.b.c', `${head}.${body}`, `${none}.${body}.`, `${head}.${body}x.${signature}`, foreign, unknown]) {
      expect(await reason(bad, { nowMs })).toBe('malformed_token');
    }
  });
});
