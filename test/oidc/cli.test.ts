// The device flow against a real database: one key, once, for the person who completed it, and nothing stored that opens anything.
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { createApp } from '../../api/app';
import { issueSession } from '../../api/identity/session';
import type { Member } from '../../api/identity/store';
import { keyring } from '../../api/testing/fakes';
import { bookkeepingLifecycle } from '../harness/bookkeeping';
import { testSpec } from '../harness/lifecycle';
import { eventually } from '../harness/rows';
import { openSignInWorld, type SignInWorld } from './world';

let world: SignInWorld;
let person: Member;
let session: string;
let people = 0;
beforeAll(async () => {
  world = await openSignInWorld();
});
afterAll(() => world.close());
beforeEach(async () => {
  people += 1;
  person = await world.identity.createTeamWithOwner({
    email: `p${people}@example.com`,
    emailVerified: true,
    teamName: 'crew',
    tier: 'pro',
  });
  session = (await issueSession(world.deps, person)).token;
});

interface Opened {
  session_id: string;
  approval: string;
}

async function open(body: object = {}): Promise<Opened> {
  const answer = await request(world.app).post('/auth/cli').send(body);
  expect(answer.status).toBe(201);
  const { session_id, auth_url, expires_in } = answer.body;
  expect(expires_in).toBe(600);
  expect(auth_url).toMatch(/^http:\/\/leasehold\.test\/auth\/cli\/[a-z2-7]{40}\/authorize$/);
  return { session_id, approval: auth_url.split('/').at(-2) };
}
const poll = (id: string) => request(world.app).get(`/auth/cli/${id}`);
const complete = (id: string, token = session) =>
  request(world.app).post(`/auth/cli/${id}/complete`).set('authorization', `Bearer ${token}`).send({});
const page = (id: string) => request(world.app).get(`/auth/cli/${id}/authorize`);
const submit = (id: string, token: string) => request(world.app).post(`/auth/cli/${id}/authorize`).type('form').send({ token });
const keysOf = async (teamId: string) => (await world.deps.apiKeys.list(teamId)).length;

test('asked, completed, picked up once', async () => {
  const { session_id } = await open();
  const pending = await poll(session_id);
  expect({ status: pending.status, body: pending.body }).toEqual({ status: 202, body: { pending: true } });
  expect((await complete(session_id)).body).toMatchObject({ ok: true, team_name: 'crew', claimed_tokens: [] });
  const picked = await poll(session_id);
  expect(picked.status).toBe(200);
  expect(picked.body).toEqual({
    ok: true,
    api_key: expect.stringMatching(/^lh_[a-z2-7]{40}$/),
    email: person.email,
    tier: 'pro',
    team_name: 'crew',
    claimed_tokens: [],
  });
  expect((await poll(session_id)).status).toBe(404);
  const whoami = await request(world.app).get('/api/v1/whoami').set('authorization', `Bearer ${picked.body.api_key}`);
  expect(whoami.body).toMatchObject({ team_id: person.teamId, user_id: person.userId });
  const { rows } = await world.database.pool.query('SELECT action FROM audit_logs WHERE team_id = $1 ORDER BY occurred_at', [
    person.teamId,
  ]);
  expect(rows.map(({ action }) => action)).toEqual(['cli.complete', 'api_key.create']);
});

test('twenty polls at once: one key', async () => {
  const { session_id } = await open();
  await complete(session_id);
  const answers = await Promise.all(Array.from({ length: 20 }, () => poll(session_id)));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, ...Array.from({ length: 19 }, () => 404)]);
  expect(await keysOf(person.teamId)).toBe(1);
});

test('two people at once: the first one has it, and the key is theirs', async () => {
  const rival = await world.identity.createTeamWithOwner({
    email: 'rival@example.com',
    emailVerified: true,
    teamName: 'rivals',
    tier: 'pro',
  });
  const rivalSession = (await issueSession(world.deps, rival)).token;
  const { session_id } = await open();
  const answers = await Promise.all([complete(session_id), complete(session_id, rivalSession)]);
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 404]);
  const won = answers[0]?.status === 200 ? person : rival;
  expect((await poll(session_id)).body.email).toBe(won.email);
});

test('nothing that is stored opens anything', async () => {
  const token = '11111111-2222-4333-8444-999999999999';
  const { session_id, approval } = await open({ anon_tokens: [token] });
  const stored = async () => JSON.stringify((await world.database.pool.query('SELECT * FROM cli_sessions')).rows);
  for (const secret of [session_id, approval, token]) expect(await stored()).not.toContain(secret);
  await complete(session_id);
  for (const secret of [session_id, approval, token, 'lh_']) expect(await stored()).not.toContain(secret);
});

test('the link completes and picks up nothing', async () => {
  const { session_id, approval } = await open();
  expect(approval).not.toBe(session_id);
  expect((await poll(approval)).status).toBe(404);
  expect((await complete(approval)).status).toBe(200);
  expect((await poll(approval)).status).toBe(404);
  expect((await request(world.app).head(`/auth/cli/${session_id}`)).status).toBe(404);
  expect((await poll(session_id)).status).toBe(200);
});

test('is forgotten when it expires, completed or not', async () => {
  const [waiting, done] = [await open(), await open()];
  await complete(done.session_id);
  await world.database.pool.query(`UPDATE cli_sessions SET expires_at = now() - interval '1 second'`);
  for (const { session_id } of [waiting, done]) {
    expect((await poll(session_id)).status).toBe(404);
    expect((await complete(session_id)).status).toBe(404);
    expect((await page(session_id)).status).toBe(404);
  }
  await open();
  expect((await world.database.pool.query('SELECT 1 FROM cli_sessions WHERE expires_at < now()')).rowCount).toBe(0);
  expect(await keysOf(person.teamId)).toBe(0);
});

test('who left the team between completing and picking up has no key', async () => {
  const { session_id } = await open();
  await complete(session_id);
  await world.database.pool.query('DELETE FROM memberships WHERE user_id = $1', [person.userId]);
  expect((await poll(session_id)).status).toBe(404);
  expect(await keysOf(person.teamId)).toBe(0);
});

test('its anonymous resources are claimed for the team of the person, by the tokens that it holds', async () => {
  const { database, deps } = world;
  const lifecycle = bookkeepingLifecycle(database, keyring);
  const spec = testSpec({ kind: 'postgres', requestId: 'made-here' });
  await lifecycle.startAndWait(spec, { timeoutMs: 5_000 });
  const row = await deps.store.find({ id: spec.resourceId, tokenHash: null });
  const token = row === null ? '' : (deps.secrets.token(row) ?? '');
  const claims: unknown[] = [];
  const app = createApp({
    ...deps,
    lifecycle: {
      ...lifecycle,
      command(request) {
        claims.push([request.spec.resourceId, request.command]);
        return lifecycle.command(request);
      },
    },
  });
  const unknown = '11111111-2222-4333-8444-000000000000';
  const { session_id } = await open({ anon_tokens: [unknown, token] });
  const done = await request(app).post(`/auth/cli/${session_id}/complete`).set('authorization', `Bearer ${session}`).send({});
  expect(done.body.claimed_tokens).toEqual([token]);
  expect((await poll(session_id)).body.claimed_tokens).toEqual([token]);
  expect(claims).toEqual([[spec.resourceId, expect.objectContaining({ type: 'claim', teamId: person.teamId })]]);
});

describe('refused', () => {
  test('to complete without a credential, with an api key, with the operator’s', async () => {
    const { session_id } = await open();
    expect((await request(world.app).post(`/auth/cli/${session_id}/complete`).send({})).status).toBe(401);
    const made = await request(world.app)
      .post('/api/v1/auth/api-keys')
      .set('authorization', `Bearer ${session}`)
      .send({ name: 'k', scopes: ['admin'] });
    expect((await complete(session_id, made.body.key)).status).toBe(403);
    expect((await complete(session_id, 'operator-key-of-the-tests')).status).toBe(403);
    expect((await poll(session_id)).status).toBe(202);
    // A denial is written beside the answer, not before it.
    await eventually(
      () => world.database.pool.query(`SELECT 1 FROM audit_logs WHERE action = 'cli.complete' AND result = 'denied'`),
      ({ rowCount }) => rowCount !== 0,
    );
  });

  test('ids that were never given, and wrong fields', async () => {
    for (const id of ['a'.repeat(40), 'x', '%00', "' OR 1=1 --", 'A'.repeat(500)]) {
      expect((await poll(encodeURIComponent(id))).status).toBe(404);
      expect((await complete(encodeURIComponent(id))).status).toBe(404);
      expect((await page(encodeURIComponent(id))).status).toBe(404);
    }
    for (const anon_tokens of ['x', ['x'], [1], Array.from({ length: 51 }, () => '11111111-2222-4333-8444-555555555555')]) {
      const answer = await request(world.app).post('/auth/cli').send({ anon_tokens });
      expect({ status: answer.status, field: answer.body.message }).toEqual({ status: 400, field: expect.stringContaining('anon_tokens') });
    }
  });
});

describe('the page', () => {
  test('says who asks, loads nothing, and signs in with the token of a person', async () => {
    const { session_id, approval } = await open();
    const shown = await page(approval);
    expect(shown.status).toBe(200);
    expect(shown.headers['content-type']).toContain('text/html');
    expect(shown.headers['content-security-policy']).toBe(
      "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    );
    expect(shown.headers).toMatchObject({ 'referrer-policy': 'no-referrer', 'cache-control': 'no-store', 'x-frame-options': 'DENY' });
    expect(shown.headers['set-cookie']).toBeUndefined();
    expect(shown.text).toContain('127.0.0.1');
    expect(shown.text).not.toMatch(/<script|https?:|onclick/);
    expect(shown.text).not.toContain(session_id);
    const done = await submit(approval, session);
    expect({ status: done.status, text: done.text }).toEqual({ status: 200, text: expect.stringContaining('crew') });
    expect((await poll(session_id)).body.email).toBe(person.email);
    expect((await page(approval)).status).toBe(404);
  });

  test('takes an id token of the issuer too', async () => {
    const { session_id, approval } = await open();
    expect((await submit(approval, await world.provider.signIn('alice'))).status).toBe(200);
    expect((await poll(session_id)).body).toMatchObject({ email: 'alice@example.com', team_name: 'Alice' });
  });

  test('refuses what is no person’s', async () => {
    const { session_id, approval } = await open();
    for (const token of ['', 'nonsense', 'a.b.c', `${session}x`]) expect((await submit(approval, token)).status).toBe(401);
    expect((await submit(approval, 'operator-key-of-the-tests')).status).toBe(403);
    const json = await request(world.app).post(`/auth/cli/${approval}/authorize`).send({ token: session });
    expect(json.status).toBe(401);
    expect((await poll(session_id)).status).toBe(202);
  });
});
