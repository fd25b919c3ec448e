// The recording backend for tests in which processes are killed: it remembers in a database, so that what it did outlives its process.
import { ApplicationFailure } from '@temporalio/common';
import pg from 'pg';
import type { Backend } from '../../activities/backend';

export interface DurableBackend {
  backend: Backend;
  /** The objects that exist, by name. */
  objects: () => Promise<Record<string, { cut: boolean }>>;
  close: () => Promise<void>;
}

/** Makes the tables; once a database. `ownerUrl` is that of the test's own database. */
export async function prepareDurableBackend(ownerUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: ownerUrl });
  await client.connect();
  await client.query('CREATE TABLE IF NOT EXISTS test_objects (name text PRIMARY KEY, cut boolean NOT NULL, versions integer[] NOT NULL)');
  await client.end();
}

export function openDurableBackend(ownerUrl: string): DurableBackend {
  const pool = new pg.Pool({ connectionString: ownerUrl, max: 4 });
  pool.on('error', () => undefined);
  async function onExisting(name: string, assignment: string, ...values: unknown[]): Promise<void> {
    const { rowCount } = await pool.query(`UPDATE test_objects SET ${assignment} WHERE name = $1`, [name, ...values]);
    if (rowCount === 0) throw ApplicationFailure.nonRetryable(`${name} is not there`, 'Absent');
  }
  const make: Backend['provision'] = async ({ objectName, credentialVersion }) => {
    await pool.query(
      `INSERT INTO test_objects VALUES ($1, false, ARRAY[$2::integer]) ON CONFLICT (name) DO UPDATE SET versions = excluded.versions`,
      [objectName, credentialVersion],
    );
  };
  const backend: Backend = {
    provision: make,
    claimWarm: make,
    deprovision: async ({ objectName }) => {
      await pool.query('DELETE FROM test_objects WHERE name = $1', [objectName]);
    },
    cut: ({ objectName }) => onExisting(objectName, 'cut = true'),
    restore: ({ objectName }) => onExisting(objectName, 'cut = false'),
    rotate: ({ objectName, credentialVersion }) =>
      onExisting(objectName, 'versions = array_append(array_remove(versions, $2), $2)', credentialVersion),
    retireCredential: ({ objectName, retireVersion }) => onExisting(objectName, 'versions = array_remove(versions, $2)', retireVersion),
    setReadOnly: ({ objectName }) => onExisting(objectName, 'cut = cut'),
    applyLimits: ({ objectName }) => onExisting(objectName, 'cut = cut'),
  };
  return {
    backend,
    objects: async () => {
      const { rows } = await pool.query<{ name: string; cut: boolean }>('SELECT name, cut FROM test_objects');
      return Object.fromEntries(rows.map(({ name, cut }) => [name, { cut }]));
    },
    close: () => pool.end(),
  };
}
