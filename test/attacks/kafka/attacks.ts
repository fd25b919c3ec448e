// What one tenant of a Kafka tries against another, against the cluster, and against its own limits.
import type { Attack, AttackSuite } from '../attack';
import { identityAttacks } from './identity';
import { lifecycleAttacks } from './lifecycle';
import { limitAttacks } from './limits';
import { reachAttacks } from './reach';
import { openWorld, type World } from './world';

const GROUPS: readonly ((world: World) => Attack[])[] = [reachAttacks, identityAttacks, limitAttacks, lifecycleAttacks];

export const kafkaAttacks: AttackSuite = {
  kind: 'kafka',
  async open() {
    let world: World;
    try {
      world = await openWorld();
    } catch (error) {
      return { skipped: error instanceof Error ? error.message : String(error) };
    }
    return { attacks: GROUPS.flatMap((group) => group(world)), close: () => world.close() };
  },
};
