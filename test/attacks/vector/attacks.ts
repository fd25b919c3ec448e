// All that is tried on postgres, and what pgvector adds.
import { createVectorBackend } from '../../../activities/vector';
import { startDatabaseHarness } from '../../contract/postgres-harness';
import type { Attack, AttackSuite } from '../attack';
import { databaseAttacks, openScene, type Scene, statements } from '../postgres/attacks';

const OF_PGVECTOR: Parameters<typeof statements>[1] = [
  { name: 'drop the extension', sql: () => 'DROP EXTENSION vector CASCADE' },
  { name: 'move the extension', sql: () => 'ALTER EXTENSION vector SET SCHEMA pg_temp', code: /^(42501|0A000)$/ },
  { name: 'update the extension', sql: () => "ALTER EXTENSION vector UPDATE TO '0.8.5'" },
  {
    name: 'put a function into the extension',
    sql: () => 'CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1 $$; ALTER EXTENSION vector ADD FUNCTION f()',
  },
  {
    name: 'replace a function of the extension',
    sql: () =>
      "CREATE OR REPLACE FUNCTION public.l2_distance(public.vector, public.vector) RETURNS float8 LANGUAGE sql AS 'SELECT 0::float8'",
  },
  { name: "give the extension's type away", sql: () => 'ALTER TYPE public.vector OWNER TO current_user' },
  {
    name: "a function of one's own in the extension's library",
    sql: () => "CREATE FUNCTION f(internal) RETURNS internal LANGUAGE c AS 'vector', 'hnswhandler'",
  },
  { name: "load a library from one's own path", sql: () => "SET dynamic_library_path = '/tmp'" },
  { name: "extensions from one's own path", sql: () => "SET extension_control_path = '/tmp'" },
  { name: 'where extensions are found, for the whole server', sql: () => "ALTER SYSTEM SET extension_control_path = '/tmp'" },
  // A limit of the type, not a right.
  { name: 'a vector of more dimensions than there can be', sql: () => 'CREATE TABLE large (v public.vector(16001))', code: /^22023$/ },
  {
    name: 'an index over more dimensions than it can hold',
    sql: () => 'CREATE TABLE wide (v public.vector(2001)); CREATE INDEX ON wide USING hnsw (v public.vector_l2_ops)',
    code: /^54000$/,
  },
];

export const vectorAttacks: AttackSuite = {
  kind: 'vector',
  async open() {
    if (!process.env.LEASEHOLD_TEST_PGVECTOR) return { skipped: 'no server that has pgvector' };
    const { scene, close } = await openScene(await startDatabaseHarness('vector', createVectorBackend));
    return { attacks: [...databaseAttacks(scene), ...statements(scene, OF_PGVECTOR), neighboursItems(scene)], close };
  },
};

function neighboursItems({ harness, attacker, victim }: Scene): Attack {
  return {
    name: "search the victim's vectors by the name of its database",
    async run() {
      const client = harness.client(attacker);
      await client.connect();
      try {
        await client.query(`SELECT embedding FROM "${victim.objectName}".public.items`);
        return { breached: 'it was answered' };
      } catch (error) {
        const { code } = error as { code?: string };
        return code === '0A000' ? 'refused' : { breached: `it failed with ${code} only` };
      } finally {
        await client.end();
      }
    },
  };
}
