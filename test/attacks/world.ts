// A suite whose attacks come in groups over one world: the servers and the two tenants that all of them use.
import type { Attack, AttackSuite } from './attack';

interface WorldSuite<World> {
  kind: string;
  /** Fails where there is no server. */
  openWorld(): Promise<World>;
  groups: readonly ((world: World) => Attack[])[];
  /** After each attack, for where everything is refused by a server or over a connection that is gone, which proves nothing. */
  witness?(world: World): Promise<unknown>;
}

export function suiteOverWorld<World extends { close(): Promise<void> }>(suite: WorldSuite<World>): AttackSuite {
  const { kind, openWorld, groups, witness } = suite;
  return {
    kind,
    async open() {
      let world: World;
      try {
        world = await openWorld();
      } catch (error) {
        return { skipped: error instanceof Error ? error.message : String(error) };
      }
      const witnessed = ({ name, run }: Attack): Attack => ({
        name,
        async run() {
          const outcome = await run();
          await witness?.(world);
          return outcome;
        },
      });
      return { attacks: groups.flatMap((group) => group(world)).map(witnessed), close: () => world.close() };
    },
  };
}
