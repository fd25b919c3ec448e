// What one tenant of redis tries against another, against its server, and to keep what was taken from it; both ways that there are servers.
import type { Attack, AttackSuite } from '../attack';
import { identityAttacks, lifecycleAttacks, stubbornAttacks } from './access';
import { listeningAttacks, reachAttacks, serverAttacks } from './commands';
import { openWorld, type World } from './world';

const GROUPS: readonly ((world: World) => Attack[])[] = [
  serverAttacks,
  reachAttacks,
  listeningAttacks,
  identityAttacks,
  lifecycleAttacks,
  stubbornAttacks,
];

function suite(mode: World['mode']): AttackSuite {
  return {
    kind: `redis (${mode})`,
    async open() {
      let world: World;
      try {
        world = await openWorld(mode);
      } catch (error) {
        return { skipped: error instanceof Error ? error.message : String(error) };
      }
      return { attacks: GROUPS.flatMap((group) => group(world)), close: () => world.close() };
    },
  };
}

export const redisAttacks = suite('own');
export const sharedRedisAttacks = suite('shared');
