// Signing in with real id tokens of a real provider: who is let in, as whom, and what is refused.
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Express } from 'express';
import { base64url, type JWTPayload, SignJWT } from 'jose';
import request from 'supertest';
import { AUDIENCE, signingKey, signWith } from './provider';
import { ACCOUNTS, openSignInWorld, type SignInWorld } from './world';

let world: SignInWorld;
beforeAll(async () => {
  const crowd = Object.fromEntries(
    Array.from({ length: 3 }, (_, n) => [`crowd${n}`, { email: 'crowd@example.com', email_verified: true }]),
  );
  world = await openSignInWorld({ accounts: { ...ACCOUNTS, ...crowd, twenty: { email: 'twenty@example.com', email_verified: true } } });
});
afterAll(() => world.close());

const exchange = (idToken: string, app: Express = world.app) => request(app).post('/auth/exchange').send({ id_token: idToken });
const list = (token: string, app: Express = world.app) => request(app).get('/api/v1/resources').set('authorization', `Bearer ${token}`);
/** What the provider itself would sign, with some claims of the test's. */
const forged = (claims: JWTPayload, header: Record<string, unknown> = {}) =>
  signWith(world.provider.key(), { iss: world.provider.issuer, aud: AUDIENCE, sub: 'alice', ...claims }, header);
const count = async (text: string, values: unknown[] = []) => Number((await world.database.pool.query(text, values)).rows[0]?.count);

describe('a person', () => {
  test('signs in with an id token, gets a team of their own, and is the same person ever after', async () => {
    const idToken = await world.provider.signIn('alice');
    const first = await exchange(idToken);
    expect(first.status).toBe(200);
    const { user_id, team_id } = first.body;
    const [member] = await world.identity.membershipsOf(user_id);
    expect(member).toMatchObject({ email: 'alice@example.com', teamId: team_id, teamName: 'Alice', tier: 'free', role: 'owner' });
    expect((await list(first.body.session_token)).status).toBe(200);
    expect((await list(idToken)).status).toBe(200);
    const again = await exchange(await world.provider.signIn('alice'));
    expect(again.body).toMatchObject({ user_id, team_id });
    const { rows } = await world.database.pool.query('SELECT action FROM audit_logs WHERE target_id = $1 ORDER BY occurred_at', [user_id]);
    expect(rows.map(({ action }) => action)).toEqual(['user.create', 'session.create', 'session.create']);
  });

  test('whose address nobody verified gets an account of their own, never another’s of that address', async () => {
    const alice = await exchange(await world.provider.signIn('alice'));
    const mallory = await exchange(await world.provider.signIn('mallory'));
    expect(mallory.status).toBe(200);
    expect(mallory.body.user_id).not.toBe(alice.body.user_id);
    expect(mallory.body.team_id).not.toBe(alice.body.team_id);
  });

  test('does not land in an account that somebody made ahead with their address', async () => {
    const squatter = await world.identity.createTeamWithOwner({
      email: 'bob@example.com',
      emailVerified: false,
      teamName: 'trap',
      tier: 'free',
    });
    const bob = await exchange(await world.provider.signIn('bob'));
    expect(bob.status).toBe(200);
    expect(bob.body.user_id).not.toBe(squatter.userId);
    expect(bob.body.team_id).not.toBe(squatter.teamId);
  });

  test('is linked to their user where both sides vouch for the address, and only there', async () => {
    const known = await world.identity.createTeamWithOwner({ email: 'Carol@Example.com', emailVerified: true, teamName: 'c', tier: 'pro' });
    const vouched = await exchange(await forged({ sub: 'carol', email: 'carol@example.com', email_verified: true }));
    expect(vouched.body).toMatchObject({ user_id: known.userId, team_id: known.teamId });
    for (const [sub, email_verified] of Object.entries({ c1: false, c2: undefined, c3: 'yes', c4: 1 })) {
      const claimed = await exchange(await forged({ sub, email: 'carol@example.com', email_verified }));
      expect(claimed.status).toBe(200);
      expect(claimed.body.user_id).not.toBe(known.userId);
    }
    const untrusted = world.freshApp({}, { trustEmail: false });
    const other = await exchange(await forged({ sub: 'c5', email: 'carol@example.com', email_verified: true }), untrusted);
    expect(other.body.user_id).not.toBe(known.userId);
  });

  test('who signs in twenty times at once for the first time is one user with one team', async () => {
    const idToken = await world.provider.signIn('twenty');
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? exchange(idToken).then((a) => a.status) : list(idToken).then((a) => a.status))),
    );
    expect(answers).toEqual(answers.map(() => 200));
    expect(await count('SELECT count(*) FROM users WHERE email = $1', ['twenty@example.com'])).toBe(1);
    expect(
      await count('SELECT count(*) FROM memberships m JOIN users u ON u.id = m.user_id WHERE u.email = $1', ['twenty@example.com']),
    ).toBe(1);
    expect(await count(`SELECT count(*) FROM teams WHERE name = 'twenty'`)).toBe(1);
  });

  test('whose verified address comes from three identities at once is one user', async () => {
    const tokens = await Promise.all([0, 1, 2].map((n) => world.provider.signIn(`crowd${n}`)));
    const answers = await Promise.all(tokens.map((token) => exchange(token)));
    expect(new Set(answers.map(({ body }) => body.user_id)).size).toBe(1);
    expect(await count('SELECT count(*) FROM users WHERE email = $1', ['crowd@example.com'])).toBe(1);
  });

  test('is nobody with a token that names no address', async () => {
    const refused = await exchange(await world.provider.signIn('nomail'));
    expect(refused.status).toBe(401);
    expect(refused.body).toMatchObject({ error_code: 'invalid_claims', message: expect.stringContaining('email') });
    expect(await count('SELECT count(*) FROM identities WHERE subject = $1', ['nomail'])).toBe(0);
  });

  test('is out the moment they leave the team, though the token lives on', async () => {
    const idToken = await forged({ sub: 'leaver', email: 'leaver@example.com', email_verified: true });
    const { body } = await exchange(idToken);
    await world.database.pool.query('DELETE FROM memberships WHERE user_id = $1', [body.user_id]);
    expect((await list(idToken)).body.error_code).toBe('revoked_session');
    expect((await exchange(idToken)).body.error_code).toBe('revoked_session');
    expect((await list(body.session_token)).body.error_code).toBe('revoked_session');
  });

  test('acts for the team that they ask for, or the token names, if they are in it', async () => {
    const mine = await exchange(await forged({ sub: 'dora', email: 'dora@example.com', email_verified: true }));
    const other = await world.identity.createTeamWithOwner({
      email: 'x@example.com',
      emailVerified: false,
      teamName: 'other',
      tier: 'pro',
    });
    const token = await forged({ sub: 'dora' });
    const ask = (team_id: string) => request(world.app).post('/auth/exchange').send({ id_token: token, team_id });
    expect((await ask(other.teamId)).body.error_code).toBe('invalid_claims');
    await world.database.pool.query(`INSERT INTO memberships (team_id, user_id, role) VALUES ($1, $2, 'viewer')`, [
      other.teamId,
      mine.body.user_id,
    ]);
    expect((await ask(other.teamId)).body.team_id).toBe(other.teamId);
    const byClaim = world.freshApp({}, { teamClaim: 'org' });
    const claimed = (org: unknown) => forged({ sub: 'dora', org }).then((named) => exchange(named, byClaim));
    expect((await claimed(other.teamId)).body.team_id).toBe(other.teamId);
    expect((await claimed('00000000-0000-4000-8000-000000000000')).body.error_code).toBe('invalid_claims');
    expect((await claimed([other.teamId])).body.error_code).toBe('invalid_claims');
    expect((await claimed(undefined)).body.team_id).toBe(mine.body.team_id);
  });
});

describe('refused', () => {
  const unsigned = (header: object, claims: object) =>
    `${base64url.encode(JSON.stringify(header))}.${base64url.encode(JSON.stringify(claims))}`;
  const now = () => Math.floor(Date.now() / 1000);
  const good = () => ({ iss: world.provider.issuer, aud: AUDIENCE, sub: 'alice', email: 'a@example.com', iat: now(), exp: now() + 60 });

  const cases: [what: string, code: string, make: () => Promise<string>][] = [
    [
      'a foreign issuer',
      'invalid_claims',
      async () => signWith(await signingKey('foreign'), { ...good(), iss: 'https://foreign.example' }),
    ],
    ['our issuer with a slash', 'invalid_claims', () => forged({ iss: `${world.provider.issuer}/` })],
    ['another audience', 'invalid_claims', () => forged({ aud: 'another' })],
    ['another audience from the provider itself', 'invalid_claims', () => world.provider.machineToken('theirs')],
    ['no audience', 'invalid_claims', () => forged({ aud: undefined })],
    ['an expired one', 'expired_token', () => forged({ iat: now() - 600, exp: now() - 60 })],
    ['one that never expires', 'invalid_claims', () => forged({ exp: undefined })],
    ['one of tomorrow', 'invalid_claims', () => forged({ nbf: now() + 86_400 })],
    ['no subject', 'invalid_claims', () => forged({ sub: undefined })],
    ['an empty subject', 'invalid_claims', () => forged({ sub: '' })],
    ['a logout token', 'invalid_claims', () => forged({}, { typ: 'logout+jwt' })],
    ['an event', 'invalid_claims', () => forged({ events: {} })],
    ['one bound to a key', 'invalid_claims', () => forged({ cnf: { jkt: 'x' } })],
    ['alg none', 'malformed_token', async () => `${unsigned({ alg: 'none', typ: 'JWT' }, good())}.AA`],
    ['another key of the same id', 'malformed_token', async () => signWith(await signingKey('first'), good())],
    ['an unknown key id', 'malformed_token', async () => signWith(await signingKey('unknown'), good())],
    [
      'a key of its own in the header',
      'malformed_token',
      async () => {
        const own = await signingKey('own');
        return signWith(own, good(), { jwk: own.publicJwk, jku: 'http://127.0.0.1:9/jwks', kid: undefined });
      },
    ],
    [
      'HS256 with the public key as the secret',
      'malformed_token',
      async () => {
        const { publicJwk } = world.provider.key();
        const secret = new TextEncoder().encode(JSON.stringify(publicJwk));
        return new SignJWT(good()).setProtectedHeader({ alg: 'HS256', kid: 'first', typ: 'JWT' }).sign(secret);
      },
    ],
    [
      'our own key under an issuer’s name',
      'malformed_token',
      () => world.deps.jwt.sign(good(), { audience: AUDIENCE, subject: 'alice', expiresInSeconds: 60 }),
    ],
    [
      'an issuer’s key under our own form',
      'malformed_token',
      () => forged({ iss: undefined, aud: 'leasehold-session', jti: '00000000-0000-7000-8000-000000000000', team_id: 'x' }, { kid: 'k1' }),
    ],
    [
      'changed claims',
      'malformed_token',
      async () => {
        const [header, , signature] = (await world.provider.signIn('alice')).split('.');
        return `${header}.${base64url.encode(JSON.stringify({ ...good(), sub: 'bob' }))}.${signature}`;
      },
    ],
    ['what is no token', 'malformed_token', async () => 'aaaa.bbbb.cccc'],
  ];

  test.each(cases)('%s: %s', async (_what, code, make) => {
    const token = await make();
    const before = await count('SELECT count(*) FROM users');
    const asBearer = await list(token);
    expect({ status: asBearer.status, code: asBearer.body.error_code }).toEqual({ status: 401, code });
    const exchanged = await exchange(token);
    expect(exchanged.status).toBe(401);
    expect(await count('SELECT count(*) FROM users')).toBe(before);
  });

  test('an access token makes no session', async () => {
    const token = await forged({ email: 'alice@example.com' }, { typ: 'at+jwt' });
    expect((await exchange(token)).body).toMatchObject({ error_code: 'invalid_claims', message: expect.stringContaining('access token') });
  });

  test('without a body, and with what is no text', async () => {
    for (const body of [{}, { id_token: '' }, { id_token: 5 }, { id_token: 'x'.repeat(16_385) }, { id_token: 'x', team_id: 'mine' }]) {
      const answer = await request(world.app).post('/auth/exchange').send(body);
      expect({ status: answer.status, error: answer.body.error }).toEqual({ status: 400, error: 'invalid_request' });
    }
  });
});

describe('keys of the issuer', () => {
  test('rotate in mid-run: a new key id is fetched once, and what the old key signed is good no more', async () => {
    const app = world.freshApp({ cooldownMs: 1 });
    const old = await world.provider.signIn('alice');
    expect((await exchange(old, app)).status).toBe(200);
    await world.provider.rotate(await signingKey('second'));
    const rotated = await world.provider.signIn('alice');
    await world.provider.hits();
    for (let call = 0; call < 3; call += 1) expect((await exchange(rotated, app)).status).toBe(200);
    expect((await world.provider.hits())['/jwks']).toBe(1);
    expect((await exchange(old, app)).body.error_code).toBe('malformed_token');
  });

  test('unknown key ids do not hammer the issuer', async () => {
    const app = world.freshApp();
    await world.provider.hits();
    const unknown = await signingKey('nowhere');
    const tokens = await Promise.all(
      Array.from({ length: 30 }, (_, n) =>
        signWith({ ...unknown, kid: `k${n}` }, { iss: world.provider.issuer, aud: AUDIENCE, sub: 'alice' }),
      ),
    );
    const answers = await Promise.all(tokens.map((token) => exchange(token, app)));
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 401));
    expect(await world.provider.hits()).toEqual({ '/.well-known/openid-configuration': 1, '/jwks': 1 });
  });

  test('an issuer that is down: known keys go on, else 503, never somebody else', async () => {
    const warm = world.freshApp({ maxAgeMs: 300, failureCooldownMs: 200 });
    const idToken = await world.provider.signIn('alice');
    expect((await list(idToken, warm)).status).toBe(200);
    await world.provider.down();
    try {
      await sleep(400);
      expect((await list(idToken, warm)).status).toBe(200);
      const cold = world.freshApp({ failureCooldownMs: 200 });
      for (const answer of [await list(idToken, cold), await exchange(idToken, cold)]) {
        expect(answer.status).toBe(503);
        expect(answer.body.error).toBe('temporarily_unavailable');
        expect(answer.headers['retry-after']).toBeDefined();
      }
      const unheard = await signWith(await signingKey('unheard'), { iss: world.provider.issuer, aud: AUDIENCE, sub: 'alice' });
      expect((await list(unheard, warm)).status).toBe(503);
      const tampered = `${idToken.slice(0, -8)}AAAAAAAA`;
      expect((await list(tampered, warm)).status).toBe(401);
      const tooOld = world.freshApp({ maxAgeMs: 1, staleMs: 1 });
      expect((await list(idToken, tooOld)).status).toBe(503);
      await world.provider.up();
      await sleep(300);
      expect((await list(idToken, cold)).status).toBe(200);
    } finally {
      await world.provider.up();
    }
  });
});
