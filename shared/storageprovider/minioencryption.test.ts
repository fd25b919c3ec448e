import { createCipheriv, createDecipheriv, pbkdf2Sync } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { sealForMinio } from './minioencryption';

/** As the server reads it, step by step; that a real one reads it too is tried in test/providers/minio. */
function open(secret: string, body: Buffer): string {
  const [salt, algorithm, nonce, sealed] = [body.subarray(0, 32), body[32], body.subarray(33, 41), body.subarray(41)];
  expect(algorithm).toBe(2);
  const key = pbkdf2Sync(secret, salt, 8192, 32, 'sha256');
  const zero = createCipheriv('aes-256-gcm', key, Buffer.concat([nonce, Buffer.from([0, 0, 0, 0])]));
  zero.final();
  const decipher = createDecipheriv('aes-256-gcm', key, Buffer.concat([nonce, Buffer.from([1, 0, 0, 0])]));
  decipher.setAAD(Buffer.concat([Buffer.from([0x80]), zero.getAuthTag()]));
  decipher.setAuthTag(sealed.subarray(-16));
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()]).toString('utf8');
}

const words = fc.string({ unit: 'grapheme', maxLength: 200 });

describe('a body for the admin API of MinIO', () => {
  it('is read with the same secret, whatever it holds', () =>
    fc.assert(
      fc.asyncProperty(words, words, async (secret, text) => expect(open(secret, await sealForMinio(secret, text))).toBe(text)),
      { numRuns: 30 },
    ));

  it('is never the same twice', () =>
    fc.assert(
      fc.asyncProperty(words, async (text) => expect(await sealForMinio('secret', text)).not.toEqual(await sealForMinio('secret', text))),
      { numRuns: 10 },
    ));

  it('is read with no other secret, and not when a bit was changed', () =>
    fc.assert(
      fc.asyncProperty(words, fc.nat(), async (text, at) => {
        const body = await sealForMinio('secret', text);
        expect(() => open('secret2', body)).toThrow();
        const place = at % body.length;
        body[place] = (body[place] ?? 0) ^ 1;
        expect(() => open('secret', body)).toThrow();
      }),
      { numRuns: 20 },
    ));

  it('refuses what does not fit into one fragment', async () => {
    await expect(sealForMinio('secret', 'x'.repeat(16 * 1024 + 1))).rejects.toThrow('16384 bytes');
  });
});
