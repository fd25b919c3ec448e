// What one tenant of a NATS server tries against another, against the server, and against its own limits.
import type { Attack, AttackSuite } from '../attack';
import { identityAttacks } from './identity';
import { lifecycleAttacks } from './lifecycle';
import { limitAttacks } from './limits';
import { platformAttacks } from './platform';
import { reachAttacks } from './reach';
import { openWorld, type World } from './world';

const GROUPS: readonly ((world: World) => Attack[])[] = [reachAttacks, identityAttacks, limitAttacks, lifecycleAttacks, platformAttacks];

export const queueAttacks: AttackSuite = {
  kind: 'queue',
  async open() {
    let world: World;
    try {
      world = await openWorld();
    } catch (error) {
      return { skipped: error instanceof Error ? error.message : String(error) };
    }
    const attacks = GROUPS.flatMap((group) => group(world)).map((attack) => withLiveAttacker(world, attack));
    return { attacks, close: () => world.close() };
  },
};

/** Over a connection that is gone everything is refused, which proves nothing. */
function withLiveAttacker({ attacker }: World, { name, run }: Attack): Attack {
  return {
    name,
    async run() {
      const outcome = await run();
      await attacker.connection.flush();
      return outcome;
    },
  };
}
