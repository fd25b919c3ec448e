// What the edge does with counts: whom they are of, what the headers say, and what happens when nothing can be counted.
import { describe, expect, it } from '@jest/globals';
import request from 'supertest';
import { API_KEY, aRow, FakeStore, fakeApp, MemoryRateCounter, TOKEN } from '../testing/fakes';
import { rateFigures } from './ratelimit';

const many = { limit: 1_000_000, windowSeconds: 60 };
const withRow = () => Object.assign(new FakeStore(), { rows: [aRow()] });

describe('requests', () => {
  it('are counted by credential once it has worked, and by address before', async () => {
    const { app } = fakeApp({ figure: (name) => (name === 'requests_per_credential' ? { limit: 2, windowSeconds: 30 } : many) });
    const ask = () => request(app).get('/api/v1/resources').set('authorization', `Bearer ${API_KEY}`);
    const answers = [await ask(), await ask(), await ask(), await ask()];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
    expect(answers[2]?.headers).toMatchObject({
      'x-ratelimit-limit': '2',
      'x-ratelimit-remaining': '0',
      ratelimit: '"requests";r=0;t=30',
      'ratelimit-policy': '"requests";q=2;w=30',
    });
    expect(answers[3]?.headers['retry-after']).toBe('30');
    expect(answers[3]?.body).toMatchObject({ error: 'rate_limited', retry_after_seconds: 30 });
    expect((await request(app).get('/livez')).status).toBe(200);
  });

  it('of the anonymous are counted by address and by network, and the tighter one is told', async () => {
    const figure = (name: string) => (name === 'requests_per_address' ? { limit: 10, windowSeconds: 60 } : { limit: 3, windowSeconds: 60 });
    const { app } = fakeApp({ figure, settings: { trustedProxies: ['loopback'] } });
    const ask = (ip: string) => request(app).get('/livez').set('x-forwarded-for', ip);
    for (const ip of ['203.0.113.1', '203.0.113.2', '203.0.113.3']) expect((await ask(ip)).status).toBe(200);
    expect((await ask('203.0.113.4')).status).toBe(429);
    expect((await ask('203.0.114.4')).headers['x-ratelimit-limit']).toBe('3');
  });

  it('on this machine are not counted', async () => {
    const { app } = fakeApp({ requestsPerMinute: 1, settings: { loopbackExempt: true } });
    for (let call = 0; call < 3; call += 1) {
      const { status, headers } = await request(app).get('/livez');
      expect([status, headers['x-ratelimit-remaining']]).toEqual([200, '1']);
    }
  });
});

describe('when nothing can be counted', () => {
  it('reads go through, and nothing is handed out', async () => {
    const counter = new MemoryRateCounter();
    const { app } = fakeApp({ counter, store: withRow() });
    counter.away = true;
    expect((await request(app).get(`/api/v1/resources/${TOKEN}`)).status).toBe(200);
    for (const path of ['/db/new', `/api/v1/resources/${TOKEN}/rotate-credentials`]) {
      const answer = await request(app).post(path).send({ name: 'a' });
      expect([answer.status, answer.body.error]).toEqual([503, 'temporarily_unavailable']);
    }
  });
});

describe('guessing', () => {
  const figure = (name: string) => (name === 'failed_credentials' ? { limit: 2, windowSeconds: 60 } : many);

  it('ends in 429, without a look at the credential', async () => {
    const { app, store } = fakeApp({ figure, store: withRow() });
    let looked = 0;
    const find = store.findApiKey.bind(store);
    store.findApiKey = (hash) => {
      looked += 1;
      return find(hash);
    };
    const ask = (key: string) => request(app).get('/api/v1/resources').set('authorization', `Bearer ${key}`);
    const statuses: number[] = [];
    for (const key of ['guess-1', 'guess-2', 'guess-3', API_KEY]) statuses.push((await ask(key)).status);
    expect(statuses).toEqual([401, 401, 429, 429]);
    expect(looked).toBe(2);
  });

  it('locks nobody out whose credential has worked', async () => {
    const { app } = fakeApp({ figure, store: withRow() });
    const read = (token: string) => request(app).get(`/api/v1/resources/${token}`);
    expect((await read(TOKEN)).status).toBe(200);
    for (const digit of [1, 2, 3]) await read(`00000000-0000-4000-8000-00000000000${digit}`);
    expect((await read('00000000-0000-4000-8000-000000000009')).status).toBe(429);
    expect((await read(TOKEN)).status).toBe(200);
  });
});

describe('figures', () => {
  const file = { limit: 10, windowSeconds: 60 };
  const plans = { current: () => ({ rates: new Proxy({}, { get: () => file }) as never }) };
  it('of a policy come before those of the environment, and those before plans.yaml', () => {
    const set = (value: number | null, requestsPerMinute: number | null) =>
      rateFigures({ plans, policies: { figure: () => value }, requestsPerMinute });
    expect(set(null, null)('logins', { fingerprint: 'f' })).toEqual(file);
    expect(set(null, 99)('requests_per_address', { fingerprint: 'f' }).limit).toBe(99);
    expect(set(null, 99)('logins', { fingerprint: 'f' })).toEqual(file);
    expect(set(5, 99)('requests_per_address', { fingerprint: 'f' }).limit).toBe(5);
    expect(set(-1, null)('logins', { fingerprint: 'f' }).limit).toBeGreaterThan(1_000_000);
  });
});
