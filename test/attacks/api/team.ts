// People of a team who want more than their role, and invitations that are good once.

import type { TeamRole } from '../../../shared/authz';
import { hashToken } from '../../../shared/crypto';
import type { Person } from '../../harness/api-world';
import type { Attack } from '../attack';
import { attack, attempt, firstBreach, refusal, type Stage } from './attempt';

const RACERS = 20;

export function teamAttacks(stage: Stage): Attack[] {
  return [...roles(stage), ...owners(stage), ...invitations(stage)];
}

function roles({ world, attacker }: Stage): Attack[] {
  const { people } = attacker;
  const refused = { statuses: [403], audited: true };
  const as = (role: TeamRole, name: string, route: string, body?: unknown) =>
    attack(`${role} ${name}`, async () => refusal(world, { route, bearer: await world.session(people[role]), body }, refused));
  const member = (person: Person) => `/api/v1/team/members/${person.userId}`;
  const invite = (role: string) => ({ email: 'friend@attack.test', role });
  return [
    as('viewer', 'makes a resource', 'POST /db/new', { name: 'mine' }),
    as('viewer', 'makes a key', 'POST /api/v1/auth/api-keys', { name: 'mine', scopes: ['admin'] }),
    as('viewer', 'makes itself owner', `PATCH ${member(people.viewer)}`, { role: 'owner' }),
    as('viewer', 'reads the record', '/api/v1/audit'),
    as('viewer', 'lists keys', '/api/v1/auth/api-keys'),
    as('member', 'invites', 'POST /api/v1/team/invitations', invite('viewer')),
    as('member', 'makes a key', 'POST /api/v1/auth/api-keys', { name: 'mine', scopes: ['read'] }),
    as('member', 'removes the owner', `DELETE ${member(people.owner)}`),
    as('member', 'exports the record', '/api/v1/audit.csv'),
    as('admin', 'removes the owner', `DELETE ${member(people.owner)}`),
    as('admin', 'makes itself owner', `PATCH ${member(people.admin)}`, { role: 'owner' }),
    as('admin', 'demotes the owner', `PATCH ${member(people.owner)}`, { role: 'viewer' }),
    as('admin', 'renames the team', 'PATCH /api/v1/team', { name: 'mine' }),
    as('owner', 'reads all teams’ record', '/api/v1/admin/audit'),
    as('owner', 'lists all teams’ resources', '/api/v1/admin/resources'),
    as('owner', 'drains a backend', 'POST /api/v1/admin/backends/postgres-tenants/drain', {}),
    as('owner', 'asks for leaks', '/api/v1/admin/leaks'),
    attack('viewer reads credentials', async () => {
      const { id } = await world.resource(attacker.id);
      const bearer = await world.session(people.viewer);
      return await refusal(world, { route: `/api/v1/resources/${id}/credentials`, bearer }, refused);
    }),
    attack('an owner is invited', async () =>
      refusal(
        world,
        { route: 'POST /api/v1/team/invitations', bearer: await world.session(people.owner), body: invite('owner') },
        { statuses: [400] },
      ),
    ),
  ];
}

function owners({ world }: Stage): Attack[] {
  return [
    attack('the last owner leaves', async () => {
      const { people } = await world.team();
      const bearer = await world.session(people.owner);
      return await firstBreach([
        () => refusal(world, { route: `DELETE /api/v1/team/members/${people.owner.userId}`, bearer }, { statuses: [409] }),
        () =>
          refusal(
            world,
            { route: `PATCH /api/v1/team/members/${people.owner.userId}`, bearer, body: { role: 'viewer' } },
            { statuses: [409] },
          ),
      ]);
    }),
    attack('two owners remove each other at once', async () => {
      const { id, people } = await world.team();
      const other = await world.person(id, 'owner');
      const [first, second] = [await world.session(people.owner), await world.session(other)];
      await Promise.all([
        world.call(`DELETE /api/v1/team/members/${other.userId}`, { bearer: first }),
        world.call(`DELETE /api/v1/team/members/${people.owner.userId}`, { bearer: second }),
      ]);
      const { rows } = await world.database.pool.query(`SELECT 1 FROM memberships WHERE team_id = $1 AND role = 'owner'`, [id]);
      return rows.length === 1 ? null : `${rows.length} owners are left`;
    }),
  ];
}

interface Invited {
  id: string;
  token: string;
}

function invitations({ world, attacker, victim }: Stage): Attack[] {
  const invited = async (team = victim): Promise<Invited> => {
    const bearer = await world.session(team.people.owner);
    const { body, status, text } = await world.call('POST /api/v1/team/invitations', {
      bearer,
      body: { email: 'new@people.test', role: 'viewer' },
    });
    if (status !== 201) throw new Error(text);
    return body;
  };
  const accept = (token: string) => `POST /invitations/${token}/accept`;
  const asAttacker = async () => await world.session(attacker.people.owner);
  const gone = { statuses: [410] };
  return [
    attack('invitation: its stored hash', async () => {
      const { token } = await invited();
      const attemptAt = { route: accept(hashToken(token)), bearer: await asAttacker() };
      return await refusal(world, attemptAt, { statuses: [404], audited: true });
    }),
    attack('invitation: its id', async () =>
      refusal(world, { route: accept((await invited()).id), bearer: await asAttacker() }, { statuses: [404], audited: true }),
    ),
    attack('invitation: revoked', async () => {
      const { id, token } = await invited();
      await world.call(`DELETE /api/v1/team/invitations/${id}`, { bearer: await world.session(victim.people.admin) });
      return await refusal(world, { route: accept(token), bearer: await asAttacker() }, gone);
    }),
    attack('invitation: too old', async () => {
      const { id, token } = await invited();
      await world.database.pool.query(`UPDATE invitations SET expires_at = now() - interval '1 second' WHERE id = $1`, [id]);
      return await refusal(world, { route: accept(token), bearer: await asAttacker() }, gone);
    }),
    attack('invitation: without a session', async () => refusal(world, { route: accept((await invited()).token) }, { statuses: [401] })),
    attack('invitation: with a key', async () =>
      refusal(world, { route: accept((await invited()).token), bearer: attacker.keys.admin }, { statuses: [403], audited: true }),
    ),
    attack(`invitation: ${RACERS} accept it at once`, async () => {
      const { token } = await invited(await world.team());
      const racers = await Promise.all(Array.from({ length: RACERS }, () => world.team()));
      const sessions = await Promise.all(racers.map(({ people }) => world.session(people.owner)));
      const answers = await Promise.all(sessions.map((bearer) => attempt(world, { route: accept(token), bearer })));
      const joined = answers.filter(({ answer }) => answer.status === 200).length;
      return joined === 1 ? null : `${joined} of them joined`;
    }),
    attack('invitation: more than the plan has room for', async () => {
      const team = await world.team('pro');
      await invited(team);
      const bearer = await world.session(team.people.owner);
      const body = { email: 'sixth@people.test', role: 'viewer' };
      return await refusal(world, { route: 'POST /api/v1/team/invitations', bearer, body }, { statuses: [402] });
    }),
  ];
}
