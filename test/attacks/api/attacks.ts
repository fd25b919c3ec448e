// Everything that is tried against the api itself, on the real api and the real Postgres. A room of attacks is a file of its own.
import { openApiWorld } from '../../harness/api-world';
import type { AttackSuite } from '../attack';
import type { AttackRoom, Stage } from './attempt';
import { foreignAttacks } from './foreign';
import { keyAttacks } from './keys';
import { recordAttacks } from './record';
import { teamAttacks } from './team';
import { tokenAttacks } from './tokens';

const ROOMS: readonly AttackRoom[] = [tokenAttacks, keyAttacks, teamAttacks, foreignAttacks, recordAttacks];

export const apiAttacks: AttackSuite = {
  kind: 'api',
  async open() {
    const world = await openApiWorld();
    const stage: Stage = { world, attacker: await world.team(), victim: await world.team() };
    return { attacks: ROOMS.flatMap((room) => room(stage)), close: () => world.close() };
  },
};
