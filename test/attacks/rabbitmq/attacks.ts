// What one tenant of a RabbitMQ tries against another, against the server, and against its own limits.
import type { Attack, AttackSuite } from '../attack';
import { lifecycleAttacks } from './lifecycle';
import { limitAttacks } from './limits';
import { reachAttacks } from './reach';
import { asAttacker, openWorld, type World } from './world';

const GROUPS: readonly ((world: World) => Attack[])[] = [reachAttacks, limitAttacks, lifecycleAttacks];

export const rabbitmqAttacks: AttackSuite = {
  kind: 'rabbitmq',
  async open() {
    let world: World;
    try {
      world = await openWorld();
    } catch (error) {
      return { skipped: error instanceof Error ? error.message : String(error) };
    }
    const attacks = GROUPS.flatMap((group) => group(world)).map((attack) => withLiveServer(world, attack));
    return { attacks, close: () => world.close() };
  },
};

/** By a server that is down everything is refused, which proves nothing. */
function withLiveServer(world: World, { name, run }: Attack): Attack {
  return {
    name,
    async run() {
      const outcome = await run();
      await asAttacker(world, async (channel) => channel.checkExchange('amq.direct'));
      return outcome;
    },
  };
}
