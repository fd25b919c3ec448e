import { describe, expect, test } from '@jest/globals';
import { createAccount, createOperator, createUser, fromPublic, fromSeed } from '@nats-io/jwt';
import { encodePublicNkey, Nkey } from './nkey';

const LIBRARY = { operator: createOperator, account: createAccount, user: createUser } as const;
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe.each(['operator', 'account', 'user'] as const)('an nkey of type %s', (type) => {
  test('is the same key as the library has', () => {
    const theirs = LIBRARY[type]();
    const ours = Nkey.fromSeed(type, text(theirs.getSeed()));
    expect(ours.getPublicKey()).toBe(theirs.getPublicKey());
    expect(ours.seed).toBe(text(theirs.getSeed()));
    const message = Buffer.from('a message');
    expect(theirs.verify(message, ours.sign(message))).toBe(true);
    expect(ours.verify(message, theirs.sign(message))).toBe(true);
  });

  test('made here is read by the library', () => {
    const ours = Nkey.random(type);
    expect(fromSeed(ours.getSeed()).getPublicKey()).toBe(ours.getPublicKey());
  });
});

test('the same raw seed makes the same key', () => {
  const raw = new Uint8Array(32).fill(7);
  expect(Nkey.fromRawSeed('user', raw).seed).toBe(Nkey.fromRawSeed('user', raw).seed);
  expect(Nkey.fromRawSeed('user', raw).getPublicKey()).not.toBe(Nkey.fromRawSeed('account', raw).getPublicKey());
});

test('a public key can be written of any 32 bytes', () => {
  const key = encodePublicNkey('account', new Uint8Array(32).fill(1));
  expect(key).toMatch(/^A[A-Z2-7]{55}$/);
  expect(fromPublic(key).getPublicKey()).toBe(key);
});

test.each([
  ['of another type', Nkey.random('user').seed],
  ['a public key', Nkey.random('account').getPublicKey()],
  ['cut short', Nkey.random('account').seed.slice(0, -1)],
  ['with a letter changed', Nkey.random('account').seed.replace(/.$/, (last) => (last === 'A' ? 'E' : 'A'))],
  ['of other characters', 'sa-1'],
  ['empty', ''],
])('a seed %s is refused, and not told', (_what, seed) => {
  try {
    Nkey.fromSeed('account', seed);
  } catch (error) {
    expect(String(error)).toBe('Error: not the seed of an nkey for an account');
    return;
  }
  throw new Error('it was taken');
});
