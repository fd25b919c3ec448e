// Machines with tokens of a real provider: bound to a team by its admin, and nothing more than that.
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import request from 'supertest';
import { issueSession } from '../../api/identity/session';
import type { Member } from '../../api/identity/store';
import type { TeamRole } from '../../shared/authz';
import { AUDIENCE, signWith } from './provider';
import { openSignInWorld, type SignInWorld } from './world';

const PATH = '/api/v1/auth/service-accounts';
let world: SignInWorld;
let owner: Member;
beforeAll(async () => {
  world = await openSignInWorld();
  owner = await newTeam('machines');
});
afterAll(() => world.close());

const newTeam = (name: string) =>
  world.identity.createTeamWithOwner({ email: `${name}@example.com`, emailVerified: true, teamName: name, tier: 'pro' });

async function sessionOf({ userId, teamId }: Pick<Member, 'userId' | 'teamId'>): Promise<string> {
  return (await issueSession(world.deps, { userId, teamId })).token;
}

async function sessionWithRole(role: TeamRole): Promise<string> {
  const { userId } = await newTeam(`as-${role}-${Math.random().toString(36).slice(2)}`);
  await world.database.pool.query('INSERT INTO memberships (team_id, user_id, role) VALUES ($1, $2, $3)', [owner.teamId, userId, role]);
  return await sessionOf({ userId, teamId: owner.teamId });
}

const bind = (session: string, fields: object = {}) =>
  request(world.app)
    .post(PATH)
    .set('authorization', `Bearer ${session}`)
    .send({
      name: 'builds',
      issuer: world.provider.issuer,
      subject: world.provider.machineSubject,
      role: 'member',
      scopes: ['read'],
      ...fields,
    });
const as = (token: string, path = '/api/v1/resources') => request(world.app).get(path).set('authorization', `Bearer ${token}`);
const machine = (claims: object = {}) =>
  signWith(world.provider.key(), { iss: world.provider.issuer, aud: AUDIENCE, sub: 'someone', ...claims }, { typ: 'at+jwt' });

test('a machine acts as the team it is bound to, with that role and those scopes, until it is removed', async () => {
  const session = await sessionOf(owner);
  const token = await world.provider.machineToken();
  const before = await as(token);
  expect(before.body).toMatchObject({ error_code: 'invalid_claims', message: expect.stringContaining('service account') });

  const made = await bind(session);
  expect(made.status).toBe(201);
  expect(made.body).toMatchObject({ subject: world.provider.machineSubject, role: 'member', scopes: ['read'], created_by: owner.userId });
  expect((await as(token)).status).toBe(200);
  expect((await as(token, '/api/v1/whoami')).body).toMatchObject({ team_id: owner.teamId, user_id: null, tier: 'pro' });
  const write = await request(world.app).post('/db/new').set('authorization', `Bearer ${token}`).send({ name: 'x' });
  expect(write.status).toBe(403);
  expect((await as(session, PATH)).body.items.map(({ id }: { id: string }) => id)).toEqual([made.body.id]);

  const removed = await request(world.app).delete(`${PATH}/${made.body.id}`).set('authorization', `Bearer ${session}`);
  expect(removed.status).toBe(200);
  expect((await as(token)).body.error_code).toBe('revoked_session');
  expect((await as(session, PATH)).body.items).toEqual([]);
  const { rows } = await world.database.pool.query(
    `SELECT action, result FROM audit_logs WHERE team_id = $1 AND action LIKE 'service_account.%' ORDER BY occurred_at`,
    [owner.teamId],
  );
  expect(rows).toEqual([
    { action: 'service_account.create', result: 'success' },
    { action: 'service_account.revoke', result: 'success' },
  ]);
});

test('a machine does nothing that is a person’s: no keys, no members, no session, no command line, no further machines', async () => {
  await bind(await sessionOf(owner), { subject: 'worker', scopes: ['read', 'write'] });
  const token = await machine({ sub: 'worker' });
  const post = (path: string, body: object) => request(world.app).post(path).set('authorization', `Bearer ${token}`).send(body);
  expect((await post('/api/v1/auth/api-keys', { name: 'k', scopes: ['read'] })).status).toBe(403);
  expect((await bind(token, { subject: 'another' })).status).toBe(403);
  expect((await post(`/auth/cli/${'a'.repeat(40)}/complete`, {})).status).toBe(403);
  const exchanged = await request(world.app).post('/auth/exchange').send({ id_token: token });
  expect(exchanged.body.error_code).toBe('invalid_claims');
});

test('only admins of the team bind, and an api key never does', async () => {
  expect((await bind(await sessionWithRole('admin'), { subject: 'by-admin' })).status).toBe(201);
  for (const role of ['member', 'viewer'] as const)
    expect((await bind(await sessionWithRole(role), { subject: `by-${role}` })).status).toBe(403);
  const key = await request(world.app)
    .post('/api/v1/auth/api-keys')
    .set('authorization', `Bearer ${await sessionOf(owner)}`)
    .send({ name: 'k', scopes: ['admin'] });
  expect((await bind(key.body.key, { subject: 'by-key' })).status).toBe(403);
  const stranger = await sessionOf(await newTeam('strangers'));
  const { body } = await as(await sessionOf(owner), PATH);
  const foreign = await request(world.app).delete(`${PATH}/${body.items[0].id}`).set('authorization', `Bearer ${stranger}`);
  expect(foreign.status).toBe(404);
  expect((await as(stranger, PATH)).body.items).toEqual([]);
});

test('a subject is one team’s, also when twenty bind it at once', async () => {
  const teams = await Promise.all(Array.from({ length: 20 }, (_, n) => newTeam(`race-${n}`)));
  const sessions = await Promise.all(teams.map(sessionOf));
  const answers = await Promise.all(sessions.map((session) => bind(session, { subject: 'wanted' })));
  expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array.from({ length: 19 }, () => 409)]);
  const winner = teams[answers.findIndex(({ status }) => status === 201)];
  expect((await as(await machine({ sub: 'wanted' }), '/api/v1/whoami')).body.team_id).toBe(winner?.teamId);
});

test('a person cannot be bound to somebody’s team, neither after nor before they first sign in', async () => {
  const idToken = await world.provider.signIn('alice');
  const alice = await request(world.app).post('/auth/exchange').send({ id_token: idToken });
  const attacker = await sessionOf(await newTeam('attackers'));
  expect((await bind(attacker, { subject: 'alice' })).status).toBe(409);
  expect((await bind(attacker, { subject: 'bob' })).status).toBe(201);
  const bob = await as(await world.provider.signIn('bob'), '/api/v1/whoami');
  expect(bob.body).toMatchObject({ email: 'bob@example.com', user_id: expect.any(String) });
  expect((await as(await machine({ sub: 'bob' }), '/api/v1/whoami')).body.team_id).toBe(bob.body.team_id);
  expect((await as(await machine({ sub: 'alice' }), '/api/v1/whoami')).body.team_id).toBe(alice.body.team_id);
});

test('wrong fields are named', async () => {
  const session = await sessionOf(owner);
  const wrong: [object, string][] = [
    [{ issuer: 'https://foreign.example' }, 'issuer'],
    [{ role: 'owner' }, 'role'],
    [{ scopes: ['admin'] }, 'scopes'],
    [{ scopes: [] }, 'scopes'],
    [{ subject: '' }, 'subject'],
    [{ subject: 'a\u0000' }, 'subject'],
    [{ name: '' }, 'name'],
    [{ extra: 1 }, 'extra'],
  ];
  for (const [fields, named] of wrong) {
    const answer = await bind(session, fields);
    expect({ status: answer.status, message: answer.body.message }).toEqual({ status: 400, message: expect.stringContaining(named) });
  }
});
