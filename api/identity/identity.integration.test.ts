// People, keys, invitations and the record through the real api on the real Postgres; every answer is compared with its schema.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type ApiWorld, OPERATOR, openApiWorld, type Team } from '../../test/harness/api-world';
import { eventually } from '../../test/harness/rows';
import { expectDeclared } from '../testing/fakes';

/** What these answers hold, as far as the tests look at it. */
interface Held {
  id: string;
  key: string;
  token: string;
  accept_url: string;
  session_token: string;
  team_id: string;
  role: string;
  tier: string;
  next_before: string | null;
  user_id: string | null;
  credential: string;
  teams: { team_id: string; role: string }[];
  items: Record<string, unknown>[];
  orphans: unknown[];
  overdue: { id: string; workflow: string }[];
  delete_failed: { id: string }[];
}

let world: ApiWorld;
let team: Team;
const refused: unknown[] = [];

beforeAll(async () => {
  world = await openApiWorld({
    deps: {
      onAnswer(answer) {
        try {
          expectDeclared(answer);
        } catch (error) {
          refused.push(error);
        }
      },
    },
  });
  team = await world.team();
});
afterAll(() => world.close());

async function as(
  bearer: string,
  route: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<{ status: number; body: Held; text: string }> {
  const { status, body: answered, text } = await world.call(route, { bearer, body, headers });
  return { status, body: answered as unknown as Held, text };
}

const owner = () => world.session(team.people.owner);

describe('accounts', () => {
  it('says who a session, a key and the operator are', async () => {
    const { userId, email } = team.people.viewer;
    const session = await world.session(team.people.viewer);
    expect((await as(session, '/api/v1/whoami')).body).toMatchObject({
      user_id: userId,
      team_id: team.id,
      email,
      tier: 'team',
      plan_tier: 'team',
    });
    expect((await as(session, '/auth/me')).body).toMatchObject({ role: 'viewer', credential: 'session', teams: [{ team_id: team.id }] });
    expect((await as(team.keys.read, '/auth/me')).body).toMatchObject({ role: 'owner', credential: 'api_key', scopes: ['read'] });
    expect((await as(OPERATOR, '/auth/me')).body).toMatchObject({ role: 'platform_operator', team_id: null });
    expect(refused).toEqual([]);
  });

  it('ends a session at logout, and tells a key why it cannot', async () => {
    const session = await owner();
    expect((await as(session, 'POST /auth/logout')).status).toBe(200);
    expect((await as(session, '/auth/me')).body).toMatchObject({ error_code: 'revoked_session' });
    const { status, text } = await as(team.keys.admin, 'POST /auth/logout');
    expect([status, text]).toEqual([403, expect.stringContaining('An api key may never do this')]);
  });
});

describe('api keys', () => {
  it('are shown once, used, listed by their hint, and revoked for good', async () => {
    const session = await world.session(team.people.admin);
    const { status, body: made } = await as(session, 'POST /api/v1/auth/api-keys', { name: 'ci', scopes: ['read'] });
    expect(status).toBe(201);
    expect(made.key).toMatch(/^lh_[a-z2-7]{40}$/);
    expect((await as(made.key, '/api/v1/resources')).status).toBe(200);
    const listed = async () => (await as(session, '/api/v1/auth/api-keys')).body.items.find(({ id }) => id === made.id);
    const used = await eventually(listed, (key) => key?.last_used_at !== null);
    expect(used).toMatchObject({ hint: made.key.slice(-4), created_by: team.people.admin.userId, revoked_at: null, scopes: ['read'] });
    // Used again within the minute: noted once.
    expect((await as(made.key, '/api/v1/resources')).status).toBe(200);
    expect((await listed())?.last_used_at).toBe(used?.last_used_at);
    expect((await as(session, `DELETE /api/v1/auth/api-keys/${made.id}`)).status).toBe(200);
    expect((await as(session, `DELETE /api/v1/auth/api-keys/${made.id}`)).status).toBe(200);
    expect((await as(made.key, '/api/v1/resources')).status).toBe(401);
    expect(refused).toEqual([]);
  });

  it('name what is wrong with a wish', async () => {
    const session = await owner();
    for (const [body, named] of [
      [{ scopes: ['read'] }, 'name'],
      [{ name: 'x', scopes: [] }, 'scopes'],
      [{ name: 'x', scopes: ['root'] }, 'scopes'],
      [{ name: 'x', scopes: ['read', 'read'] }, 'scopes'],
      [{ name: 'x', scopes: ['read'], team_id: 'other' }, 'team_id'],
    ] as const) {
      const answer = await as(session, 'POST /api/v1/auth/api-keys', body);
      expect([answer.status, answer.text]).toEqual([400, expect.stringContaining(named)]);
    }
  });
});

describe('teams', () => {
  it('invite, let in, and speak for another team after a switch', async () => {
    const other = await world.team();
    const guest = other.people.member;
    const { body: invited } = await as(await owner(), 'POST /api/v1/team/invitations', { email: 'Guest@people.test', role: 'member' });
    const path = new URL(invited.accept_url).pathname;
    const session = await world.session(guest);
    expect((await world.call(path)).body).toMatchObject({ role: 'member', accept: { method: 'POST' } });
    const accepted = await as(session, `POST ${path}/accept`);
    expect([accepted.status, accepted.body.team_id]).toEqual([200, team.id]);
    expect((await as(session, `POST ${path}/accept`)).status).toBe(410);
    const { body: switched } = await as(session, 'POST /auth/switch-team', { team_id: team.id });
    expect((await as(switched.session_token, '/auth/me')).body).toMatchObject({ team_id: team.id, role: 'member' });
    expect((await as(session, '/auth/me')).status).toBe(401);
    expect((await as(switched.session_token, '/auth/me')).body.teams.map(({ team_id }) => team_id).sort()).toEqual(
      [team.id, other.id].sort(),
    );
    // Leaving ends what speaks for this team, and nothing else.
    expect((await as(switched.session_token, `DELETE /api/v1/team/members/${guest.userId}`)).status).toBe(200);
    expect((await as(switched.session_token, '/auth/me')).status).toBe(401);
    expect((await as(await world.session(guest), '/auth/me')).status).toBe(200);
    expect(refused).toEqual([]);
  });

  it('rename, list and change roles', async () => {
    const session = await owner();
    expect((await as(session, 'PATCH /api/v1/team', { name: 'Ada & Söhne' })).text).toContain('Ada & Söhne');
    const { userId } = team.people.member;
    expect((await as(session, `PATCH /api/v1/team/members/${userId}`, { role: 'admin' })).status).toBe(200);
    expect((await as(session, '/api/v1/team/members')).body.items).toContainEqual(
      expect.objectContaining({ user_id: userId, role: 'admin' }),
    );
    await as(session, `PATCH /api/v1/team/members/${userId}`, { role: 'member' });
    expect((await as(session, '/api/v1/team/invitations')).status).toBe(200);
    expect((await as(session, '/api/v1/team')).body).toMatchObject({ team: { members_limit: 25 } });
    expect(refused).toEqual([]);
  });
});

describe('the record', () => {
  it('goes on page by page, and as CSV without end', async () => {
    const lone = await world.team();
    const session = await world.session(lone.people.owner);
    const rows = 2_300;
    await world.database.pool.query(
      `INSERT INTO audit_logs (id, occurred_at, actor_type, actor_id, action, target_type, target_id, team_id, result)
       SELECT gen_random_uuid(), now() - n * interval '1 second', 'team', $1::text, '=1+1', 'team', $1::text, $1::text::uuid, 'success' FROM generate_series(1, $2) n`,
      [lone.id, rows],
    );
    const seen = new Set<unknown>();
    let before: string | null = null;
    do {
      const page: { status: number; body: Held } = await as(
        session,
        `/api/v1/audit?action=${encodeURIComponent('=1+1')}&limit=200${before === null ? '' : `&before=${before}`}`,
      );
      for (const { id } of page.body.items) seen.add(id);
      before = page.body.next_before;
    } while (before !== null);
    expect(seen.size).toBe(rows);
    const { text } = await as(session, `/api/v1/audit.csv?action=${encodeURIComponent('=1+1')}`);
    const lines = text.trimEnd().split('\r\n');
    expect(lines).toHaveLength(rows + 1);
    expect(lines[1]).toContain(",'=1+1,");
    expect(refused).toEqual([]);
  });

  it('opens to operators with filters, to a person who operates the platform too', async () => {
    const operator = await world.session(await world.person(team.id, 'viewer', { platformOperator: true }));
    const requestId = `filtered-${Date.now()}`;
    await as(await owner(), 'PATCH /api/v1/team', { name: 'seen' }, { 'x-request-id': requestId });
    for (const filter of [
      `team=${team.id}`,
      `actor=${team.people.owner.userId}`,
      `target=${team.id}`,
      'action=team.update',
      'result=success',
      'since=2020-01-01T00:00:00Z',
    ]) {
      const { body } = await as(operator, `/api/v1/admin/audit?request_id=${requestId}&${filter}`);
      expect([filter, body.items.length]).toEqual([filter, 1]);
      expect(body.items[0]).toMatchObject({ actor: { role: 'owner', user_id: team.people.owner.userId }, ip: '127.0.0.1' });
    }
    expect((await as(operator, `/api/v1/admin/audit?request_id=${requestId}&until=2020-01-01T00:00:00Z`)).body.items).toEqual([]);
    expect((await as(operator, `/api/v1/admin/audit.csv?request_id=${requestId}`)).text.split('\r\n')).toHaveLength(3);
    // The look itself is on the record, with the person's name.
    expect((await as(OPERATOR, '/api/v1/admin/audit?action=admin.audit&limit=1')).body.items[0]).toMatchObject({
      actor: { type: 'operator' },
    });
    expect(refused).toEqual([]);
  });
});

describe('operators', () => {
  it('see what was left behind, and delete it', async () => {
    const { id } = await world.resource(team.id);
    const { pool } = world.database;
    await pool.query(`UPDATE resources SET expires_at = now() - interval '3 days' WHERE id = $1`, [id]);
    await pool.query(
      `INSERT INTO orphan_sightings (backend_name, object_name, first_seen_at, last_seen_at) VALUES ('postgres-tenants', 'lhx', now(), now())`,
    );
    const { body } = await as(OPERATOR, '/api/v1/admin/leaks');
    expect(body.orphans).toHaveLength(1);
    expect(body.overdue).toContainEqual(expect.objectContaining({ id, workflow: 'running' }));
    expect((await as(OPERATOR, `POST /api/v1/admin/resources/${id}/delete`, { reason: 'left behind' })).status).toBe(200);
    const { rows } = await pool.query('SELECT status FROM resources WHERE id = $1', [id]);
    expect(rows).toEqual([{ status: 'deleting' }]);
    expect((await as(OPERATOR, `/api/v1/admin/audit?target=${id}&action=admin.delete`)).body.items).toHaveLength(1);
    expect(refused).toEqual([]);
  });
});
