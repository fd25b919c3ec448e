// Who may use the codec endpoint, from where, for which namespace, and what is left of it in log and audit.
import { describe, expect, it } from '@jest/globals';
import { defaultPayloadConverter } from '@temporalio/common';
import request from 'supertest';
import { EncryptionCodec } from '../../shared/codec';
import { Keyring } from '../../shared/crypto';
import { toWirePayload } from '../schemas/codec';
import { API_KEY, expectDeclared, fakeApp, keyring, OPERATOR_KEY } from '../testing/fakes';

const codec = new EncryptionCodec({ keyring, encrypts: true });
const SECRET_NAME = 'a-name-nobody-logs';
const plain = toWirePayload(defaultPayloadConverter.toPayload({ name: SECRET_NAME }));

async function encrypted(by = codec) {
  const [payload] = await by.encode([defaultPayloadConverter.toPayload({ name: SECRET_NAME })]);
  return toWirePayload(payload ?? {});
}

type Fake = ReturnType<typeof fakeApp>;

function post({ app }: Fake, verb: string, headers: Record<string, string> = {}) {
  return request(app)
    .post(`/codec/${verb}`)
    .set({ Authorization: `Bearer ${OPERATOR_KEY}`, 'X-Namespace': 'leasehold', ...headers });
}

describe('POST /codec', () => {
  it('decodes and encodes for an operator, on the record and without a word of the content', async () => {
    const fake = fakeApp({ onAnswer: expectDeclared });
    const answer = await post(fake, 'decode').send({ payloads: [await encrypted(), plain] });
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({ payloads: [plain, plain] });
    const back = await post(fake, 'encode').send({ payloads: [plain] });
    expect((await post(fake, 'decode').send(back.body)).body).toEqual({ payloads: [plain] });
    expect(fake.store.audited.map(({ action, result, data }) => ({ action, result, data }))).toEqual([
      { action: 'codec.decode', result: 'success', data: { payloads: 2 } },
      { action: 'codec.encode', result: 'success', data: { payloads: 1 } },
      { action: 'codec.decode', result: 'success', data: { payloads: 1 } },
    ]);
    expect(fake.logged.join('')).toContain('/codec/decode');
    for (const text of [JSON.stringify(fake.store.audited), fake.logged.join('')]) {
      expect(text).not.toContain(SECRET_NAME);
      expect(text).not.toContain(plain.data);
    }
  });

  it.each([
    ['nobody', {}, 401],
    ['a team', { Authorization: `Bearer ${API_KEY}` }, 403],
    ['a wrong key', { Authorization: 'Bearer operator-key-of-others' }, 401],
  ])('refuses %s', async (_who, headers, status) => {
    const fake = fakeApp({ onAnswer: expectDeclared });
    const { Authorization, ...rest } = { Authorization: '', ...headers };
    const call = request(fake.app)
      .post('/codec/decode')
      .set({ 'X-Namespace': 'leasehold', ...rest });
    const answer = await (Authorization === '' ? call : call.set({ Authorization })).send({ payloads: [await encrypted()] });
    expect(answer.status).toBe(status);
    expect(answer.text).not.toContain(plain.data);
    expect(fake.store.audited.filter(({ result }) => result === 'success')).toEqual([]);
  });

  it('serves its own namespace only, and says which key is missing', async () => {
    const fake = fakeApp({ onAnswer: expectDeclared });
    const body = { payloads: [await encrypted()] };
    expect((await post(fake, 'decode', { 'X-Namespace': 'other' }).send(body)).status).toBe(400);
    const foreign = new EncryptionCodec({ keyring: Keyring.parse(`k9:${Buffer.alloc(32, 9).toString('base64')}`), encrypts: true });
    const answer = await post(fake, 'decode').send({ payloads: [await encrypted(foreign)] });
    expect(answer.status).toBe(400);
    expect(answer.body.message).toContain('"k9"');
    expect((await post(fake, 'decode').send({ payloads: [{ data: '%' }] })).status).toBe(400);
    // As protobuf's JSON writes none and nothing.
    expect((await post(fake, 'decode').send({})).body).toEqual({ payloads: [] });
    expect((await post(fake, 'decode').send({ payloads: [{}] })).body).toEqual({ payloads: [{ metadata: {}, data: '' }] });
  });

  it('is limited', async () => {
    const fake = fakeApp({ figure: (name) => ({ limit: name === 'codec_calls' ? 2 : 1_000, windowSeconds: 60 }) });
    const statuses: number[] = [];
    for (const verb of ['decode', 'encode', 'decode']) statuses.push((await post(fake, verb).send({ payloads: [] })).status);
    expect(statuses).toEqual([200, 200, 429]);
  });
});

describe('browsers', () => {
  const preflight = (fake: Fake, origin: string) =>
    request(fake.app).options('/codec/decode').set({ Origin: origin, 'Access-Control-Request-Method': 'POST' });

  it('may call from the origin of the Temporal UI', async () => {
    const fake = fakeApp();
    const asked = await preflight(fake, 'http://ui.test');
    expect(asked.status).toBe(204);
    expect(asked.headers).toMatchObject({
      'access-control-allow-origin': 'http://ui.test',
      'access-control-allow-headers': 'authorization, content-type, x-namespace',
    });
    const answer = await post(fake, 'decode', { Origin: 'http://ui.test' }).send({ payloads: [] });
    expect(answer.headers['access-control-allow-origin']).toBe('http://ui.test');
  });

  it.each(['http://evil.test', 'http://ui.test.evil.test', 'null'])('may not from %s', async (origin) => {
    const fake = fakeApp();
    const asked = await preflight(fake, origin);
    expect(asked.status).toBe(403);
    const answer = await post(fake, 'decode', { Origin: origin }).send({ payloads: [] });
    for (const { headers } of [asked, answer]) expect(headers).not.toHaveProperty('access-control-allow-origin');
  });

  it('may call from nowhere when no origin is configured', async () => {
    expect((await preflight(fakeApp({ codec: { origin: null } }), 'null')).status).toBe(403);
  });
});
