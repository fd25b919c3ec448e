// The attacks on storage over one store: two tenants in each isolated mode, the groups that every store stands, and those of this one.
import type { StoreUnderTest } from '../../contract/storage-harness';
import type { Attack, AttackSuite } from '../attack';
import { configurationAttacks } from './configuration';
import { identityAttacks } from './identity';
import { lifecycleAttacks } from './lifecycle';
import { pathAttacks } from './paths';
import { reachAttacks } from './reach';
import { openWorld, type World } from './world';

const MODES = ['dedicated-bucket', 'prefix-scoped', 'prefix-scoped-temporary'] as const;
type Group = (world: World) => Attack[];
const GROUPS: readonly Group[] = [reachAttacks, identityAttacks, lifecycleAttacks];
/** What the store reads before it looks at who asks is the same for keys and sessions. */
const GROUPS_OF_KEYS: readonly Group[] = [pathAttacks, configurationAttacks];

interface StoreAttacks<Server extends StoreUnderTest> {
  kind: string;
  /** Null when there is one to be had. */
  skipped: () => string | null;
  start: () => Promise<Server & { stop(): Promise<void> }>;
  /** Of this store, in each mode. */
  own: Group;
  /** Of this store's server, once. */
  ofServer: (world: World, server: Server) => Attack[];
}

export function attacksOnStore<Server extends StoreUnderTest>(store: StoreAttacks<Server>): AttackSuite {
  return {
    kind: store.kind,
    async open() {
      const skipped = store.skipped();
      if (skipped !== null) return { skipped };
      const server = await store.start();
      const worlds: World[] = [];
      for (const mode of MODES) worlds.push(await openWorld(server, mode));
      const [first] = worlds;
      const inEach = worlds.flatMap((world) =>
        [...groupsOf(world), store.own].flatMap((group) => group(world)).map(({ name, run }) => ({ name: `${world.mode}: ${name}`, run })),
      );
      return {
        attacks: [...inEach, ...(first ? store.ofServer(first, server) : [])],
        close: async () => {
          for (const world of worlds) await world.close();
          await server.stop();
        },
      };
    },
  };
}

function groupsOf({ mode }: World): readonly Group[] {
  return mode === 'prefix-scoped-temporary' ? GROUPS : [...GROUPS, ...GROUPS_OF_KEYS];
}
