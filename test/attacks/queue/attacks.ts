// What one tenant of a NATS server tries against another, against the server, and against its own limits.
import { suiteOverWorld } from '../world';
import { identityAttacks } from './identity';
import { lifecycleAttacks } from './lifecycle';
import { limitAttacks } from './limits';
import { platformAttacks } from './platform';
import { reachAttacks } from './reach';
import { openWorld } from './world';

export const queueAttacks = suiteOverWorld({
  kind: 'queue',
  openWorld,
  groups: [reachAttacks, identityAttacks, limitAttacks, lifecycleAttacks, platformAttacks],
  witness: ({ attacker }) => attacker.connection.flush(),
});
