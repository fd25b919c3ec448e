// Figures that operators set: in force for whom they name, over those of plans.yaml, on every process, and on the record.
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PgPolicies } from '../../shared/policy';
import { type ApiWorld, openApiWorld } from '../harness/api-world';
import { eventually } from '../harness/rows';

let world: ApiWorld;
beforeAll(async () => {
  world = await openApiWorld();
});
afterAll(() => world.close());

const PATH = '/api/v1/admin/policies';
const asOperator = { bearer: '' };

async function create(bearer: string) {
  return await world.call('POST /db/new', { bearer, body: { name: 'a' }, headers: { 'idempotency-key': crypto.randomUUID() } });
}

describe('policies', () => {
  beforeAll(() => {
    asOperator.bearer = world.deps.settings.operatorKey ?? '';
  });

  it('hold for the team that they name and for no other, until they are taken back', async () => {
    const [held, other] = [await world.team('pro'), await world.team('pro')];
    const policy = { scope: `team/${held.id}`, key: 'resource_count_postgres', value: 1 };
    expect(await world.call(`PUT ${PATH}`, { ...asOperator, body: policy })).toMatchObject({ status: 200, body: { ok: true, ...policy } });
    expect((await create(held.keys.write)).status).toBe(201);
    const refused = await create(held.keys.write);
    expect([refused.status, refused.body.error]).toEqual([402, 'postgres_limit_reached']);
    for (let made = 0; made < 2; made += 1) expect((await create(other.keys.write)).status).toBe(201);
    const listed = await world.call(`GET ${PATH}`, asOperator);
    expect(listed.body.items).toEqual([{ ...policy, updated_at: expect.any(String), updated_by: 'operator' }]);
    const query = new URLSearchParams({ scope: policy.scope, key: policy.key });
    expect((await world.call(`DELETE ${PATH}?${query}`, asOperator)).status).toBe(200);
    expect((await world.call(`DELETE ${PATH}?${query}`, asOperator)).status).toBe(404);
    expect((await create(held.keys.write)).status).toBe(201);
  });

  it('reach another process within seconds', async () => {
    const elsewhere = new PgPolicies({ pool: world.database.pool });
    try {
      expect(elsewhere.figure('logins', {})).toBeNull();
      await world.call(`PUT ${PATH}`, { ...asOperator, body: { scope: 'global', key: 'logins', value: 7 } });
      const seen = async () => elsewhere.figure('logins', { teamId: crypto.randomUUID() });
      expect(await eventually(seen, (figure) => figure !== null)).toBe(7);
    } finally {
      elsewhere.stop();
      await world.call(`DELETE ${PATH}?scope=global&key=logins`, asOperator);
    }
  });

  it.each([
    { scope: 'team/nobody', key: 'logins', value: 1 },
    { scope: 'global', key: 'no_such_figure', value: 1 },
    { scope: 'global', key: 'logins', value: 1.5 },
  ])('refuse %j', async (policy) => {
    expect((await world.call(`PUT ${PATH}`, { ...asOperator, body: policy })).status).toBe(400);
  });

  it('are on the record, and nobody else’s to set', async () => {
    const team = await world.team('pro');
    const body = { scope: `team/${team.id}`, key: 'logins', value: 3 };
    const set = await world.call(`PUT ${PATH}`, { ...asOperator, body });
    const denied = await world.call(`PUT ${PATH}`, { bearer: team.keys.admin, body });
    expect(denied.status).toBe(403);
    const lines = await Promise.all(
      [set, denied].map((answer) =>
        // A denial is written beside the answer, not before it.
        eventually(
          () => world.audited(String(answer.headers['x-request-id'])),
          (rows) => rows.length > 0,
        ),
      ),
    );
    expect(lines.map(([line]) => line?.result)).toEqual(['success', 'denied']);
  });
});
