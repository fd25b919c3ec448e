// Ports of one host, kept in the platform's database: never one to two objects, the longest free first.
import { ApplicationFailure } from '@temporalio/common';
import type pg from 'pg';
import { withTransaction } from '../../shared/db';
import type { HostPorts } from '../host/types';

export interface HostPortsOptions {
  pool: pg.Pool;
  hostName: string;
  firstPort: number;
  lastPort: number;
}

/** A port that was never handed out comes before all that were; a client that still knows the former tenant's meets nobody for longest. */
const CLAIM = `
WITH free AS (
  SELECT wanted.port FROM generate_series($2::int, $3::int) AS wanted (port)
    LEFT JOIN host_ports known ON known.host_name = $1 AND known.port = wanted.port
   WHERE known.port IS NULL OR known.object_name IS NULL
   ORDER BY known.changed_at ASC NULLS FIRST, wanted.port
   LIMIT 1
)
INSERT INTO host_ports AS given (host_name, port, object_name) SELECT $1, port, $4 FROM free
ON CONFLICT (host_name, port) DO UPDATE SET object_name = $4, changed_at = clock_timestamp()
RETURNING port`;

export function createHostPorts({ pool, hostName, firstPort, lastPort }: HostPortsOptions): HostPorts {
  return {
    claim: (objectName) =>
      withTransaction(pool, async (client) => {
        // One at a time for a host: two that look for the longest free one would find the same.
        await client.query('SELECT FROM hosts WHERE name = $1 FOR NO KEY UPDATE', [hostName]);
        const mine = await client.query<{ port: number }>('SELECT port FROM host_ports WHERE host_name = $1 AND object_name = $2', [
          hostName,
          objectName,
        ]);
        const given = mine.rows[0] ?? (await client.query<{ port: number }>(CLAIM, [hostName, firstPort, lastPort, objectName])).rows[0];
        if (given === undefined) throw ApplicationFailure.retryable(`all ports of host ${hostName} are taken`, 'ProviderUnavailable');
        return given.port;
      }),
    async release(objectName) {
      await pool.query(
        'UPDATE host_ports SET object_name = NULL, changed_at = clock_timestamp() WHERE host_name = $1 AND object_name = $2',
        [hostName, objectName],
      );
    },
  };
}
