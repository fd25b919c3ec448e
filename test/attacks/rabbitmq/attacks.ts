// What one tenant of a RabbitMQ tries against another, against the server, and against its own limits.
import { suiteOverWorld } from '../world';
import { lifecycleAttacks } from './lifecycle';
import { limitAttacks } from './limits';
import { reachAttacks } from './reach';
import { asAttacker, openWorld } from './world';

export const rabbitmqAttacks = suiteOverWorld({
  kind: 'rabbitmq',
  openWorld,
  groups: [reachAttacks, limitAttacks, lifecycleAttacks],
  witness: (world) => asAttacker(world, async (channel) => channel.checkExchange('amq.direct')),
});
