// Attacks on the document store: FerretDB processes over each storage, two tenants and more on one host.
import { findBinary } from '../../contract/mongodb-harness';
import type { AttackSuite } from '../attack';
import { insideAttacks } from './inside';
import { lifecycleAttacks } from './lifecycle';
import { limitAttacks } from './limits';
import { reachAttacks } from './reach';
import { closeWorld, openWorld, type Storage } from './world';

function suite(storage: Storage): AttackSuite {
  return {
    kind: storage === 'sqlite' ? 'mongodb' : 'mongodb on Postgres',
    open: async () => {
      if ((await findBinary()) === null) return { skipped: 'no FerretDB, and no Go to build it with' };
      const world = await openWorld(storage);
      return {
        attacks: [...reachAttacks(world), ...insideAttacks(world), ...limitAttacks(world), ...lifecycleAttacks(world)],
        close: () => closeWorld(world),
      };
    },
  };
}

export const mongodbAttacks = suite('sqlite');
export const mongodbOnPostgresAttacks = suite('postgres');
