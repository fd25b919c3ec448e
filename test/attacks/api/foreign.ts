// Every route of the router x the id of something that is another's: the same answer as for an id that is nobody's, and nothing happens.
import { randomUUID } from 'node:crypto';
import { apiRoutes } from '../../../api/app';
import type { Route } from '../../../api/http/route';
import { bearerOf } from '../../access/callers';
import { type CallerName, PLACES, type Place, type Whose } from '../../access/places';
import type { Attack } from '../attack';
import { attack, attempt, firstBreach, isOnRecord, refusal, type Stage, type Tried } from './attempt';

const ATTACKERS: readonly CallerName[] = ['owner', 'admin key', 'token', 'anonymous'];
const isKnown = (caller: CallerName) => caller !== 'token' && caller !== 'anonymous';

export function foreignAttacks(stage: Stage): Attack[] {
  const placed = apiRoutes(stage.world.deps).flatMap((route) => {
    const place = PLACES[route.operationId];
    return place?.named === undefined || place.isProof === true ? [] : [{ route, place }];
  });
  return [
    ...placed.map(({ route, place }) =>
      attack(`another’s id: ${route.method.toUpperCase()} ${route.path}`, () =>
        firstBreach(ATTACKERS.map((caller) => () => foreign(stage, { route, place, caller }))),
      ),
    ),
    ...tokens(stage),
  ];
}

interface Target {
  route: Route;
  place: Place;
  caller: CallerName;
}

async function tryAs({ world, attacker, victim }: Stage, { route, place, caller }: Target, whose: Whose): Promise<Tried> {
  const named = await place.named?.({ world, own: attacker, foreign: victim }, whose);
  const path = route.path.replace(/:(\w+)/g, (_, parameter: string) => named?.path[parameter] ?? randomUUID());
  const headers: Record<string, string> = caller === 'token' ? { 'x-resource-token': randomUUID() } : {};
  const bearer = await bearerOf(world, attacker, caller);
  return await attempt(world, { route: `${route.method.toUpperCase()} ${path}`, bearer, headers, body: named?.body });
}

async function foreign(stage: Stage, target: Target): Promise<string | null> {
  const before = await fingerprintOf(stage);
  const another = await tryAs(stage, target, 'foreign');
  const nobody = await tryAs(stage, target, 'unknown');
  const said = ({ answer }: Tried) => JSON.stringify([answer.status, { ...answer.body, request_id: '' }]);
  if (![401, 403, 404].includes(another.answer.status)) return `${target.caller}: ${said(another)}`;
  if (said(another) !== said(nobody)) return `${target.caller} can tell it from nobody’s: ${said(another)} ${said(nobody)}`;
  if (isKnown(target.caller) && target.route.method !== 'get' && !(await isOnRecord(stage.world, another.requestId)))
    return `${target.caller}: nothing is on the record`;
  return (await fingerprintOf(stage)) === before ? null : `${target.caller}: something of the victim’s changed`;
}

/** What the victim has, but for what the tries themselves made for it to be attacked. */
async function fingerprintOf({ world, victim }: Stage): Promise<string> {
  const { rows } = await world.database.pool.query(
    `SELECT (SELECT name FROM teams WHERE id = $1) AS name,
            (SELECT count(*) FROM resources WHERE team_id = $1 AND (status <> 'active' OR revision > 2)) AS touched,
            (SELECT count(*) FROM api_keys WHERE team_id = $1 AND revoked_at IS NOT NULL) AS revoked,
            (SELECT count(*) FROM invitations WHERE team_id = $1 AND (revoked_at IS NOT NULL OR accepted_at IS NOT NULL)) AS used,
            (SELECT count(*) FROM memberships WHERE team_id = $1 AND role <> 'viewer') AS raised`,
    [victim.id],
  );
  // Fresh members are made as viewers; one that is missing would have been removed.
  return JSON.stringify(rows[0]);
}

/** The token of an anonymous resource opens that one, while it is anonymous. */
function tokens({ world, attacker, victim }: Stage): Attack[] {
  const onVictim = (name: string, headers: () => Promise<{ headers?: Record<string, string>; bearer?: string }>, statuses = [404]) =>
    attack(name, async () => {
      const { id } = await world.resource(victim.id);
      return await firstBreach(
        [`/api/v1/resources/${id}`, `/api/v1/resources/${id}/credentials`, `DELETE /api/v1/resources/${id}`].map(
          (route) => async () => refusal(world, { route, ...(await headers()) }, { statuses }),
        ),
      );
    });
  return [
    onVictim('token of an own anonymous resource on another’s', async () => ({
      headers: { 'x-resource-token': (await world.resource(null)).token },
    })),
    onVictim('the same beside an own key', async () => ({
      headers: { 'x-resource-token': (await world.resource(null)).token },
      bearer: attacker.keys.admin,
    })),
    attack('token of a resource that a team has', async () => {
      const { id, token } = await world.resource(victim.id);
      return await firstBreach([
        () => refusal(world, { route: `/api/v1/resources/${token}` }, { statuses: [401, 404] }),
        () => refusal(world, { route: `/api/v1/resources/${token}/credentials` }, { statuses: [401, 404] }),
        () => refusal(world, { route: `/api/v1/resources/${id}`, headers: { 'x-resource-token': token } }, { statuses: [401, 404] }),
        () => refusal(world, { route: `/api/v1/resources/${token}`, bearer: attacker.keys.admin }, { statuses: [404], audited: true }),
      ]);
    }),
    attack('another’s id in capitals', async () => {
      const { id } = await world.resource(victim.id);
      return await refusal(
        world,
        { route: `/api/v1/resources/${id.toUpperCase()}`, bearer: attacker.keys.admin },
        { statuses: [404], audited: true },
      );
    }),
    attack('another’s resource as a parent', async () => {
      const { id } = await world.resource(victim.id);
      const body = { name: 'child', parent_resource_id: id };
      return await refusal(world, { route: 'POST /db/new', bearer: attacker.keys.admin, body }, { statuses: [400] });
    }),
    attack('another’s resources in the own list', async () => {
      const { id } = await world.resource(victim.id);
      const { answer } = await attempt(world, { route: '/api/v1/resources?limit=100', bearer: attacker.keys.admin });
      if (answer.status !== 200) throw new Error(answer.text);
      return answer.text.includes(id) ? 'the list holds it' : null;
    }),
  ];
}
