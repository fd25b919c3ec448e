// Everything that is tried against webhook inboxes, on the real receiver and the real api.
import type { AttackSuite } from '../attack';
import { egressAttacks } from './egress';
import { lifecycleAttacks } from './lifecycle';
import { limitAttacks } from './limits';
import { reachAttacks } from './reach';
import { openWorld } from './world';

export const webhookAttacks: AttackSuite = {
  kind: 'webhook',
  async open() {
    const world = await openWorld();
    await world.harness.send(world.victim.request, { body: 'the victim’s own' });
    return {
      attacks: [...egressAttacks(world), ...limitAttacks(world), ...lifecycleAttacks(world), ...reachAttacks(world)],
      close: () => world.close(),
    };
  },
};
