// API keys: guessed, taken back, kept after their maker left, and used for more than they are for.
import { randomUUID } from 'node:crypto';
import { hashToken, randomBase32 } from '../../../shared/crypto';
import type { Attack } from '../attack';
import { attack, firstBreach, refusal, type Stage } from './attempt';

const GUESSES = 100;

export function keyAttacks(stage: Stage): Attack[] {
  return [...guesses(stage), ...endedKeys(stage), ...overreach(stage), ...remains(stage)];
}

function guesses({ world, victim }: Stage): Attack[] {
  const near = (name: string, change: (key: string) => string) =>
    attack(`api key: ${name}`, () => refusal(world, { route: '/auth/me', bearer: change(victim.keys.admin) }, { statuses: [401] }));
  return [
    attack(`api key: ${GUESSES} guesses`, () =>
      firstBreach(
        Array.from(
          { length: GUESSES },
          () => () => refusal(world, { route: '/auth/me', bearer: `lh_${randomBase32(40)}` }, { statuses: [401, 429] }),
        ),
      ),
    ),
    near('its stored hash', hashToken),
    near('in capitals', (key) => key.toUpperCase()),
    near('without its prefix', (key) => key.slice(3)),
    near('one character short', (key) => key.slice(0, -1)),
    near('one character more', (key) => `${key}a`),
    near('its last four characters', (key) => key.slice(-4)),
    near('a wildcard', () => '%'),
  ];
}

function endedKeys({ world, attacker }: Stage): Attack[] {
  const ended = { statuses: [401], errorCode: 'revoked_session', audited: true };
  const remove = async (userId: string) =>
    await world.call(`DELETE /api/v1/team/members/${userId}`, { bearer: await world.session(attacker.people.owner) });
  return [
    attack('api key: revoked', async () => {
      const { id, key } = await world.apiKey(attacker.people.admin);
      await world.call(`DELETE /api/v1/auth/api-keys/${id}`, { bearer: await world.session(attacker.people.owner) });
      return await firstBreach([
        () => refusal(world, { route: '/auth/me', bearer: key }, ended),
        () => refusal(world, { route: 'POST /db/new', bearer: key, body: { name: 'late' } }, ended),
      ]);
    }),
    attack('api key: of a removed member', async () => {
      const gone = await world.person(attacker.id, 'admin');
      const { key } = await world.apiKey(gone);
      await remove(gone.userId);
      return await refusal(world, { route: '/api/v1/resources', bearer: key }, ended);
    }),
    attack('api key: of a removed member who was invited again', async () => {
      const gone = await world.person(attacker.id, 'admin');
      const { key } = await world.apiKey(gone);
      await remove(gone.userId);
      await world.database.pool.query(`INSERT INTO memberships (team_id, user_id, role) VALUES ($1, $2, 'admin')`, [
        attacker.id,
        gone.userId,
      ]);
      return await refusal(world, { route: '/api/v1/resources', bearer: key }, ended);
    }),
    attack('api key: of a maker whose role is less by now', async () => {
      const maker = await world.person(attacker.id, 'admin');
      const { key } = await world.apiKey(maker);
      const body = { role: 'viewer' };
      await world.call(`PATCH /api/v1/team/members/${maker.userId}`, { bearer: await world.session(attacker.people.owner), body });
      const less = { statuses: [403], audited: true };
      return await firstBreach([
        () => refusal(world, { route: 'POST /db/new', bearer: key, body: { name: 'more' } }, less),
        () => refusal(world, { route: '/api/v1/audit', bearer: key }, less),
      ]);
    }),
  ];
}

function overreach({ world, attacker }: Stage): Attack[] {
  const { keys, people } = attacker;
  const refused = { statuses: [403], audited: true };
  const asKey = (name: string, bearer: string, route: string, body?: unknown) =>
    attack(`${name}: ${route}`, () => refusal(world, { route, bearer, body }, refused));
  const mint = { name: 'successor', scopes: ['admin'] };
  return [
    ...Object.entries(keys).map(([scope, key]) => asKey(`${scope} key mints a key`, key, 'POST /api/v1/auth/api-keys', mint)),
    attack('admin key repeats the request that made a key', async () => {
      const bearer = await world.session(people.owner);
      const headers = { 'idempotency-key': `mint-${randomUUID()}` };
      const route = 'POST /api/v1/auth/api-keys';
      const { key } = await world.apiKey(people.owner);
      const first = await world.call(route, { bearer, headers, body: mint });
      if (first.status !== 201) throw new Error(first.text);
      return await refusal(world, { route, bearer: key, headers, body: mint }, { statuses: [403, 422] });
    }),
    asKey('admin key', keys.admin, 'POST /api/v1/team/invitations', { email: 'me@attack.test', role: 'admin' }),
    asKey('admin key', keys.admin, `DELETE /api/v1/team/members/${people.member.userId}`),
    asKey('admin key', keys.admin, `PATCH /api/v1/team/members/${people.viewer.userId}`, { role: 'admin' }),
    asKey('admin key', keys.admin, 'POST /auth/switch-team', { team_id: attacker.id }),
    asKey('admin key', keys.admin, 'POST /auth/logout', {}),
    asKey('read key', keys.read, 'POST /db/new', { name: 'more' }),
    asKey('read key', keys.read, 'PATCH /api/v1/team', { name: 'more' }),
    asKey('read key', keys.read, '/api/v1/audit'),
    asKey('write key', keys.write, '/api/v1/resources'),
    asKey('write key', keys.write, '/api/v1/audit.csv'),
    asKey('write key', keys.write, `DELETE /api/v1/auth/api-keys/${randomUUID()}`),
    attack('key of a person who operates the platform: operator routes', async () => {
      const operator = await world.person(attacker.id, 'owner', { platformOperator: true });
      const { key } = await world.apiKey(operator);
      return await firstBreach([
        () => refusal(world, { route: '/api/v1/admin/audit', bearer: key }, refused),
        () => refusal(world, { route: '/api/v1/admin/resources', bearer: key }, refused),
      ]);
    }),
  ];
}

/** What is left of a key once it was shown. */
function remains({ world, attacker }: Stage): Attack[] {
  const made = async () => {
    const bearer = await world.session(attacker.people.owner);
    const { body } = await world.call('POST /api/v1/auth/api-keys', { bearer, body: { name: 'shown once', scopes: ['read'] } });
    return { bearer, key: String((body as unknown as { key: string }).key) };
  };
  return [
    attack('api key: read back from the list', async () => {
      const { bearer, key } = await made();
      const { text } = await world.call('/api/v1/auth/api-keys', { bearer });
      if (!text.includes(key.slice(-4))) return 'the list does not hold the new key at all';
      return text.includes(key) || text.includes(hashToken(key)) ? 'the list holds it' : null;
    }),
    attack('api key: read back from the database', async () => {
      const { key } = await made();
      const { pool } = world.database;
      const tables = ['api_keys', 'audit_logs', 'sessions', 'users', 'invitations'];
      const found = await Promise.all(
        tables.map(async (table) => {
          const { rows } = await pool.query(`SELECT 1 FROM ${table} t WHERE t::text LIKE '%' || $1 || '%'`, [key]);
          return rows.length > 0 ? [table] : [];
        }),
      );
      const holding = found.flat();
      return holding.length > 0 ? `in clear in ${holding.join(', ')}` : null;
    }),
  ];
}
