// What anonymous callers try against limits: addresses that they name themselves, and guessing. On the real app and real counts.
import type { Express } from 'express';
import request from 'supertest';
import type { ApiSettings } from '../../../api/deps';
import { API_KEY, aRow, FakeStore, fakeApp, TOKEN } from '../../../api/testing/fakes';
import { type RateFigure, StoredRateCounter } from '../../../shared/ratelimit';
import { createTestDatabase, type TestDatabase } from '../../harness/database';
import type { Attack, AttackSuite } from '../attack';

const LIMIT = 5;
const FIGURE: RateFigure = { limit: LIMIT, windowSeconds: 600 };
const TRIES = LIMIT + 5;
const READ = `/api/v1/resources/${TOKEN}`;
const logger = { warn: () => undefined, info: () => undefined };

interface World {
  database: TestDatabase;
  /** An app with counts of its own. */
  app(settings?: Partial<ApiSettings>): Express;
}

async function openWorld(): Promise<World & { close(): Promise<void> }> {
  const database = await createTestDatabase();
  const counters: StoredRateCounter[] = [];
  return {
    database,
    app(settings = {}) {
      const counter = new StoredRateCounter({ pool: database.pool, logger });
      counters.push(counter);
      const store = new FakeStore();
      store.rows = [aRow()];
      const prefix = `attack-${counters.length}-`;
      return fakeApp({
        store,
        counter: counterWithPrefix(counter, prefix),
        figure: () => FIGURE,
        settings: { loopbackExempt: true, ...settings },
      }).app;
    },
    async close() {
      for (const counter of counters) await counter.close();
      await database.drop();
    },
  };
}

/** Apps share the database, and not their counts. */
function counterWithPrefix(counter: StoredRateCounter, prefix: string): Pick<StoredRateCounter, 'take' | 'spentMs' | 'close'> {
  return {
    take: (name, key, figure) => counter.take(name, prefix + key, figure),
    spentMs: (name, key, figure) => counter.spentMs(name, prefix + key, figure),
    close: () => counter.close(),
  };
}

type Headers = Record<string, string | string[]>;
const SPOOFS: [string, (index: number) => Headers][] = [
  ['X-Forwarded-For that changes', (index) => ({ 'x-forwarded-for': `198.51.100.${index}` })],
  ['X-Forwarded-For of this machine', () => ({ 'x-forwarded-for': '127.0.0.1' })],
  ['X-Forwarded-For of this machine in IPv6', () => ({ 'x-forwarded-for': '::1' })],
  ['X-Forwarded-For with several hops', (index) => ({ 'x-forwarded-for': `203.0.113.${index}, 127.0.0.1, 10.0.0.1` })],
  ['X-Forwarded-For twice', (index) => ({ 'x-forwarded-for': [`203.0.113.${index}`, '127.0.0.1'] })],
  ['X-Forwarded-For of garbage', (index) => ({ 'x-forwarded-for': `unknown-${index}, <script>, 999.1.1.1` })],
  ['X-Forwarded-For in IPv6', (index) => ({ 'x-forwarded-for': `2001:db8:${index}::1` })],
  ['X-Forwarded-For, IPv4-mapped', (index) => ({ 'x-forwarded-for': `::ffff:198.51.100.${index}` })],
  ['Forwarded that changes', (index) => ({ forwarded: `for=198.51.100.${index};proto=https` })],
  ['X-Real-IP that changes', (index) => ({ 'x-real-ip': `198.51.100.${index}` })],
];

async function statusesOf(app: Express, headersOf: (index: number) => Headers, path = '/livez'): Promise<number[]> {
  const statuses: number[] = [];
  for (let index = 0; index < TRIES; index += 1) {
    const call = request(app).get(path);
    for (const [name, value] of Object.entries(headersOf(index))) call.set(name, value as string);
    statuses.push((await call).status);
  }
  return statuses;
}

/** Refused from the limit on, whatever the caller says where it comes from. */
function limitedFrom(statuses: number[], first: number): 'refused' | { breached: string } {
  const early = statuses.slice(0, first).includes(429);
  const late = statuses.slice(first).every((status) => status === 429);
  if (early) return { breached: `proves nothing: refused before the limit (${statuses.join(' ')})` };
  return late ? 'refused' : { breached: `not limited: ${statuses.join(' ')}` };
}

function spoofing(world: World): Attack[] {
  const unknown = SPOOFS.map(([name, headersOf]) => ({
    name: `no proxy is trusted: ${name}`,
    run: async () => limitedFrom(await statusesOf(world.app(), headersOf), LIMIT),
  }));
  // The proxy adds whom it talked to on the right; what stands left of that is the caller's own invention.
  const behind = SPOOFS.filter(([name]) => name.startsWith('X-Forwarded-For')).map(([name, headersOf]) => ({
    name: `behind a trusted proxy: ${name}`,
    run: async () => {
      const through = (index: number): Headers => {
        const sent = [headersOf(index)['x-forwarded-for'] ?? ''].flat().join(', ');
        return { 'x-forwarded-for': `${sent}, 192.0.2.7` };
      };
      return limitedFrom(await statusesOf(world.app({ trustedProxies: ['loopback'] }), through), LIMIT);
    },
  }));
  const rotating: Attack = {
    name: 'behind a trusted proxy: one IPv6 client changes its address within its /64',
    run: async () => {
      const headersOf = (index: number) => ({ 'x-forwarded-for': `2001:db8:1:1::${index + 1}` });
      return limitedFrom(await statusesOf(world.app({ trustedProxies: ['loopback'] }), headersOf), LIMIT);
    },
  };
  return [...unknown, ...behind, rotating];
}

function guessing(world: World): Attack[] {
  const notLocal = (headers: Headers): Headers => ({ 'x-real-ip': '192.0.2.1', ...headers });
  const guess = (name: string, headersOf: (index: number) => Headers, pathOf: (index: number) => string = () => READ): Attack => ({
    name,
    run: async () => {
      const app = generous(world);
      const statuses: number[] = [];
      for (let index = 0; index < TRIES; index += 1) {
        const call = request(app).get(pathOf(index));
        for (const [header, value] of Object.entries(notLocal(headersOf(index)))) call.set(header, value as string);
        statuses.push((await call).status);
      }
      return limitedFrom(statuses, LIMIT);
    },
  });
  const uuid = (index: number) => `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
  return [
    guess('api keys are guessed', (index) => ({ authorization: `Bearer guessed-key-number-${index}` })),
    guess('session tokens are forged', (index) => ({ authorization: `Bearer eyJhbGciOiJub25lIn0.e30.${index}` })),
    guess(
      'tokens are guessed in X-Resource-Token',
      (index) => ({ 'x-resource-token': uuid(index) }),
      () => `/api/v1/resources/${uuid(99)}`,
    ),
    guess(
      'tokens are guessed in the path',
      () => ({}),
      (index) => `/api/v1/resources/${uuid(index)}`,
    ),
    {
      name: 'a right key after too many guesses is not told from a wrong one',
      run: async () => {
        const app = generous(world);
        const ask = (key: string) => request(app).get(READ).set('x-real-ip', '192.0.2.1').set('authorization', `Bearer ${key}`);
        for (let index = 0; index < TRIES; index += 1) await ask(`guessed-key-number-${index}`);
        const { status } = await ask(API_KEY);
        return status === 429 ? 'refused' : { breached: `the key was tried: ${status}` };
      },
    },
    {
      name: 'a neighbour is locked out by guessing',
      run: async () => {
        const app = generous(world);
        const ask = (key: string) =>
          request(app).get('/api/v1/resources').set('x-real-ip', '192.0.2.1').set('authorization', `Bearer ${key}`);
        const before = (await ask(API_KEY)).status;
        for (let index = 0; index < TRIES; index += 1) await ask(`guessed-key-number-${index}`);
        const after = (await ask(API_KEY)).status;
        if (before !== 200) return { breached: `proves nothing: ${before}` };
        return after === 200 ? 'refused' : { breached: `locked out with ${after}` };
      },
    },
  ];
}

/** Only guessing is limited, so that nothing else refuses. */
function generous({ database }: World): Express {
  const counter = new StoredRateCounter({ pool: database.pool, logger });
  const store = new FakeStore();
  store.rows = [aRow()];
  const prefix = `guess-${Math.random()}-`;
  return fakeApp({
    store,
    counter: counterWithPrefix(counter, prefix),
    figure: (name) => (name === 'failed_credentials' ? FIGURE : { limit: 1_000_000, windowSeconds: 600 }),
    settings: { loopbackExempt: true },
  }).app;
}

export const limitAttacks: AttackSuite = {
  kind: 'api: limits',
  async open() {
    const world = await openWorld();
    return { attacks: [...spoofing(world), ...guessing(world)], close: () => world.close() };
  },
};
