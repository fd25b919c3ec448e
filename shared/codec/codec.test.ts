// What the codec makes can be read with its key and by nothing else, and what it did not make is left alone.
import { describe, expect, it } from '@jest/globals';
import { defaultPayloadConverter } from '@temporalio/common';
import fc from 'fast-check';
import { Keyring } from '../crypto';
import { EncryptionCodec, isEncrypted } from './index';

const K1 = `k1:${Buffer.alloc(32, 1).toString('base64')}`;
const K2 = `k2:${Buffer.alloc(32, 2).toString('base64')}`;
const codec = (keys: string, encrypts = true) => new EncryptionCodec({ keyring: Keyring.parse(keys), encrypts });
const payloadOf = (value: unknown) => defaultPayloadConverter.toPayload(value);
const readValue = (payload: Parameters<typeof defaultPayloadConverter.fromPayload>[0]) => defaultPayloadConverter.fromPayload(payload);

describe('EncryptionCodec', () => {
  it('gives back any value, also bytes and nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.jsonValue(), fc.uint8Array(), fc.constant(undefined)), async (value) => {
        const [encrypted] = await codec(K1).encode([payloadOf(value)]);
        if (encrypted === undefined) throw new Error('nothing was encoded');
        expect(isEncrypted(encrypted)).toBe(true);
        const [decrypted] = await codec(K1).decode([encrypted]);
        expect(JSON.stringify(readValue(decrypted ?? {}))).toBe(JSON.stringify(readValue(payloadOf(value))));
      }),
    );
  });

  it('shows nothing of the value, its metadata included, and never the same twice', async () => {
    const payloads = await codec(K1).encode([payloadOf({ name: 'orders-database' }), payloadOf({ name: 'orders-database' })]);
    const texts = payloads.map(({ data }) => Buffer.from(data ?? []).toString('latin1'));
    for (const text of texts) expect(text).not.toMatch(/orders|json/);
    expect(texts[0]).not.toBe(texts[1]);
    expect(Object.keys(payloads[0]?.metadata ?? {}).sort()).toEqual(['encoding', 'encryption-key-id']);
  });

  it('reads what an older key made, and what was never encrypted', async () => {
    const rotated = codec(`${K2},${K1}`);
    const plain = payloadOf('plain');
    const [old] = await codec(K1).encode([payloadOf('old')]);
    const [young] = await rotated.encode([payloadOf('young')]);
    expect((await rotated.decode([plain, old ?? {}, young ?? {}])).map(readValue)).toEqual(['plain', 'old', 'young']);
    expect(Buffer.from(young?.metadata?.['encryption-key-id'] ?? []).toString()).toBe('k2');
  });

  it('leaves new payloads plain when it is off, and still reads the encrypted ones', async () => {
    const off = codec(K1, false);
    const plain = payloadOf('a');
    expect(await off.encode([plain])).toEqual([plain]);
    expect((await off.decode(await codec(K1).encode([plain]))).map(readValue)).toEqual(['a']);
  });

  it('names the key that was lost', async () => {
    const encrypted = await codec(K1).encode([payloadOf('a')]);
    await expect(codec(K2).decode(encrypted)).rejects.toThrow(/"k1".*must be in LEASEHOLD_KEYRING/);
  });

  it('refuses what was changed, and what the ring made for another purpose', async () => {
    const [encrypted] = await codec(K1).encode([payloadOf('a')]);
    const data = Uint8Array.from(encrypted?.data ?? []);
    data[14] = (data[14] ?? 0) ^ 1;
    await expect(codec(K1).decode([{ ...encrypted, data }])).rejects.toThrow('cannot be decrypted');
    const { keyId, bytes } = Keyring.parse(K1).encryptBytes(Buffer.from('a credential'), 'resource/x/1');
    await expect(
      codec(K1).decode([{ metadata: { encoding: Buffer.from('binary/encrypted'), 'encryption-key-id': Buffer.from(keyId) }, data: bytes }]),
    ).rejects.toThrow('cannot be decrypted');
    await expect(codec(K1).decode([{ metadata: { encoding: Buffer.from('binary/encrypted') }, data }])).rejects.toThrow('no key id');
  });
});
