// Every route x role x ownership on the real api and the real Postgres, enumerated from the router; and what each leaves on the record.
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { apiRoutes } from '../../api/app';
import type { Route } from '../../api/http/route';
import { fakeApp } from '../../api/testing/fakes';
import { type ApiWorld, openApiWorld, type Team } from '../harness/api-world';
import type { Answer } from '../harness/http';
import { eventually } from '../harness/rows';
import { bearerOf } from './callers';
import { CALLERS, type CallerName, type Named, PLACES, type Place, type Scene, type Whose } from './places';

jest.setTimeout(300_000);

const REFUSED: readonly number[] = [401, 403, 404];
const routes = apiRoutes(fakeApp().deps);
const placed = routes.flatMap((route) => {
  const place = PLACES[route.operationId];
  return place === undefined ? [] : [{ route, place }];
});
const isPrivileged = ({ access, method }: Route) => access !== 'public' && method !== 'get';

let world: ApiWorld;
let own: Team;
let foreign: Team;

beforeAll(async () => {
  world = await openApiWorld();
  [own, foreign] = [await world.team(), await world.team()];
  await world.database.pool.query(
    `INSERT INTO hosts (name, region, address, first_port, last_port) VALUES ('host-1', 'local', '127.0.0.1', 1, 2)`,
  );
});
afterAll(() => world?.close());

interface Called {
  answer: Answer;
  requestId: string;
}

async function callAs(caller: CallerName, route: Route, named: Named): Promise<Called> {
  const requestId = `matrix-${randomUUID()}`;
  const path = route.path.replace(/:(\w+)/g, (_, name: string) => named.path[name] ?? 'missing');
  const bearer = await bearerOf(world, own, caller);
  const headers = {
    'x-request-id': requestId,
    // The token of a resource that is somebody else's: it opens that one alone.
    ...(caller === 'token' ? { 'x-resource-token': strangersToken } : {}),
  };
  const answer = await world.call(`${route.method.toUpperCase()} ${path}${named.query ?? ''}`, { bearer, headers, body: named.body });
  return { answer, requestId };
}

const strangersToken = randomUUID();

async function name({ route, place }: { route: Route; place: Place }, whose: Whose): Promise<Named> {
  const scene: Scene = { world, own, foreign };
  return (await place.named?.(scene, whose)) ?? { path: pathFor(route), body: place.body?.() };
}

const pathFor = ({ path }: Route) =>
  Object.fromEntries([...path.matchAll(/:(\w+)/g)].map(([, parameter]) => [parameter ?? '', randomUUID()]));

/** What piles up would meet the plan's limit. */
async function tidy(): Promise<void> {
  const { pool } = world.database;
  const people = [...Object.values(own.people), ...Object.values(foreign.people)].map(({ userId }) => userId);
  await pool.query(`UPDATE resources SET status = 'deleted' WHERE team_id = ANY($1)`, [[own.id, foreign.id]]);
  await pool.query('DELETE FROM webhook_subscriptions WHERE team_id = ANY($1)', [[own.id, foreign.id]]);
  await pool.query('DELETE FROM invitations WHERE team_id = ANY($1)', [[own.id, foreign.id]]);
  await pool.query(
    `DELETE FROM memberships m USING users u
      WHERE u.id = m.user_id AND m.team_id = ANY($1) AND NOT m.user_id = ANY($2) AND NOT u.platform_operator`,
    [[own.id, foreign.id], people],
  );
}

/** Without what is each request's own. */
function shapeOf({ status, body }: Answer): unknown {
  const { request_id: _, ...rest } = body;
  return { status, rest };
}

const denied = async (requestId: string) => (await world.audited(requestId)).filter(({ result }) => result === 'denied');

it('places every route', () => {
  expect(Object.keys(PLACES).sort()).toEqual(routes.map((route) => route.operationId).sort());
});

describe.each(placed)('$route.method $route.path', ({ route, place }) => {
  it('lets in who may, and nobody else', async () => {
    for (const caller of CALLERS) {
      const { answer, requestId } = await callAs(caller, route, await name({ route, place }, 'own'));
      const isIn = !REFUSED.includes(answer.status);
      if (route.access !== 'public' || isIn)
        expect([caller, answer.status, isIn]).toEqual([caller, answer.status, place.allowed.includes(caller)]);
      // Where no backend runs the answer may be that it does not; the question is who got so far.
      if (place.successProvedBy === undefined) expect([caller, answer.status]).not.toEqual([caller, 500]);
      const isKnown = caller !== 'anonymous' && caller !== 'token';
      if (isPrivileged(route) && isKnown && !isIn) {
        expect([
          caller,
          (
            await eventually(
              () => denied(requestId),
              (rows) => rows.length > 0,
            )
          )[0]?.result,
        ]).toEqual([caller, 'denied']);
      }
    }
    await tidy();
  });

  if (place.named !== undefined && place.isProof !== true) {
    it('answers for another’s thing as for nobody’s', async () => {
      for (const caller of CALLERS.filter((one) => place.seesForeign?.includes(one) !== true)) {
        const another = await callAs(caller, route, await name({ route, place }, 'foreign'));
        const nobody = await callAs(caller, route, await name({ route, place }, 'unknown'));
        expect([caller, shapeOf(another.answer)]).toEqual([caller, shapeOf(nobody.answer)]);
        expect([caller, REFUSED.includes(another.answer.status)]).toEqual([caller, true]);
        if (place.allowed.includes(caller)) expect([caller, another.answer.status]).toEqual([caller, 404]);
        if (isPrivileged(route) && caller !== 'anonymous' && caller !== 'token') {
          await eventually(
            () => denied(another.requestId),
            (rows) => rows.length > 0,
          );
        }
      }
      await tidy();
    });
  }

  if (isPrivileged(route) && place.successProvedBy === undefined) {
    it('leaves a line of who did it', async () => {
      const caller = place.allowed.at(-1);
      if (caller === undefined) throw new Error('nobody may');
      const { answer, requestId } = await callAs(caller, route, await name({ route, place }, 'own'));
      expect([answer.status, answer.text]).toEqual([expect.any(Number), expect.stringContaining('"ok":true')]);
      const rows = await eventually(
        () => world.audited(requestId),
        (found) => found.some(({ result }) => result === 'success'),
      );
      const line = rows.find(({ result }) => result === 'success');
      expect(line).toMatchObject({ actor_role: expect.any(String), ip: '127.0.0.1', result: 'success', action: expect.any(String) });
      expect(line?.actor_type).toBe(place.allowed.at(-1)?.startsWith('operator') && route.access === 'operator' ? 'operator' : 'team');
      if (line?.actor_type === 'team')
        expect(line).toMatchObject({ actor_id: own.id, actor_credential: expect.stringMatching(/^(key|session):/) });
      await tidy();
    });
  }
});
