// What one tenant of redis tries against another, against its server, and to keep what was taken from it; both ways that there are servers.
import { suiteOverWorld } from '../world';
import { identityAttacks, lifecycleAttacks, stubbornAttacks } from './access';
import { listeningAttacks, reachAttacks, serverAttacks } from './commands';
import { openWorld, type World } from './world';

const suite = (mode: World['mode']) =>
  suiteOverWorld({
    kind: `redis (${mode})`,
    openWorld: () => openWorld(mode),
    groups: [serverAttacks, reachAttacks, listeningAttacks, identityAttacks, lifecycleAttacks, stubbornAttacks],
  });

export const redisAttacks = suite('own');
export const sharedRedisAttacks = suite('shared');
