// The credential that each caller of the matrix comes with.
import { type ApiWorld, OPERATOR, type Person, type Team } from '../harness/api-world';
import type { CallerName } from './places';

const operators = new WeakMap<Team, Promise<Person>>();

/** A person who operates the platform, and is a viewer of the team. */
function operatorPerson(world: ApiWorld, team: Team): Promise<Person> {
  const known = operators.get(team) ?? world.person(team.id, 'viewer', { platformOperator: true });
  operators.set(team, known);
  return known;
}

/** People sign in anew for each call: some calls end the session. */
export async function bearerOf(world: ApiWorld, team: Team, caller: CallerName): Promise<string | undefined> {
  switch (caller) {
    case 'anonymous':
    case 'token':
      return undefined;
    case 'read key':
      return team.keys.read;
    case 'write key':
      return team.keys.write;
    case 'admin key':
      return team.keys.admin;
    case 'operator key':
      return OPERATOR;
    case 'operator person':
      return await world.session(await operatorPerson(world, team));
    default:
      return await world.session(team.people[caller]);
  }
}
