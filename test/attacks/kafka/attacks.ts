// What one tenant of a Kafka tries against another, against the cluster, and against its own limits.
import { suiteOverWorld } from '../world';
import { identityAttacks } from './identity';
import { lifecycleAttacks } from './lifecycle';
import { limitAttacks } from './limits';
import { reachAttacks } from './reach';
import { openWorld, produce } from './world';

export const kafkaAttacks = suiteOverWorld({
  kind: 'kafka',
  openWorld,
  groups: [reachAttacks, identityAttacks, limitAttacks, lifecycleAttacks],
  witness: ({ attacker }) => produce(attacker, attacker.topic),
});
