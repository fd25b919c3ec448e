// What one tenant of an object store tries against another, against the server, and with what is over; in each isolated mode.
import { canHaveSeaweedfs, startSeaweedfs } from '../../harness/seaweedfs';
import type { Attack, AttackSuite } from '../attack';
import { configurationAttacks } from './configuration';
import { identityAttacks } from './identity';
import { lifecycleAttacks } from './lifecycle';
import { pathAttacks } from './paths';
import { portAttacks } from './ports';
import { reachAttacks } from './reach';
import { openWorld, type World } from './world';

const MODES = ['dedicated-bucket', 'prefix-scoped', 'prefix-scoped-temporary'] as const;
type Group = (world: World) => Attack[];
const GROUPS: readonly Group[] = [reachAttacks, identityAttacks, lifecycleAttacks];
/** What the store reads before it looks at who asks is the same for keys and sessions. */
const GROUPS_OF_KEYS: readonly Group[] = [pathAttacks, configurationAttacks];

export const storageAttacks: AttackSuite = {
  kind: 'storage',
  async open() {
    if (!canHaveSeaweedfs()) return { skipped: 'no server: neither weed nor python3 is on PATH' };
    const server = await startSeaweedfs();
    const worlds: World[] = [];
    for (const mode of MODES) worlds.push(await openWorld(server, mode));
    const [first] = worlds;
    const inEach = worlds.flatMap((world) =>
      groupsOf(world)
        .flatMap((group) => group(world))
        .map(({ name, run }) => ({ name: `${world.mode}: ${name}`, run })),
    );
    return {
      attacks: [...inEach, ...(first ? portAttacks(first) : [])],
      close: async () => {
        for (const world of worlds) await world.close();
        await server.stop();
      },
    };
  },
};

function groupsOf({ mode }: World): readonly Group[] {
  return mode === 'prefix-scoped-temporary' ? GROUPS : [...GROUPS, ...GROUPS_OF_KEYS];
}
