// Ports of one host, kept in the platform's database: never one to two objects, the longest free first.
import { ApplicationFailure } from '@temporalio/common';
import type pg from 'pg';
import type { HostPorts } from '../host/types';

export interface HostPortsOptions {
  pool: pg.Pool;
  hostName: string;
  firstPort: number;
  lastPort: number;
}

/**
 * A port that was never handed out comes before all that were; a client that still knows the former tenant's meets nobody for longest. Two
 * that ask at once may find the same one free: only one of them gets a row back, the other asks again.
 */
const CLAIM = `
WITH mine AS (
  SELECT port FROM host_ports WHERE host_name = $1 AND object_name = $4
), free AS (
  SELECT wanted.port FROM generate_series($2::int, $3::int) AS wanted (port)
    LEFT JOIN host_ports known ON known.host_name = $1 AND known.port = wanted.port
   WHERE known.object_name IS NULL AND NOT EXISTS (SELECT FROM mine)
   ORDER BY known.changed_at ASC NULLS FIRST, wanted.port
   LIMIT 1
), given AS (
  INSERT INTO host_ports AS stored (host_name, port, object_name) SELECT $1, port, $4 FROM free
  ON CONFLICT (host_name, port) DO UPDATE SET object_name = $4, changed_at = clock_timestamp() WHERE stored.object_name IS NULL
  RETURNING port
)
SELECT (SELECT port FROM mine UNION ALL SELECT port FROM given) AS port, EXISTS (SELECT FROM free) AS "oneWasFree"`;

const UNIQUE_VIOLATION = '23505';

export function createHostPorts({ pool, hostName, firstPort, lastPort }: HostPortsOptions): HostPorts {
  const attempt = async (objectName: string): Promise<number | 'again' | 'full'> => {
    try {
      const values = [hostName, firstPort, lastPort, objectName];
      const { rows } = await pool.query<{ port: number | null; oneWasFree: boolean }>({ name: 'host-port-claim', text: CLAIM, values });
      return rows[0]?.port ?? (rows[0]?.oneWasFree ? 'again' : 'full');
    } catch (error) {
      // The same object at the same time got another one.
      if (Object(error).code === UNIQUE_VIOLATION) return 'again';
      throw error;
    }
  };
  return {
    async claim(objectName) {
      for (;;) {
        const port = await attempt(objectName);
        if (port === 'full') throw ApplicationFailure.retryable(`all ports of host ${hostName} are taken`, 'ProviderUnavailable');
        if (port !== 'again') return port;
      }
    },
    async release(objectName) {
      await pool.query(
        'UPDATE host_ports SET object_name = NULL, changed_at = clock_timestamp() WHERE host_name = $1 AND object_name = $2',
        [hostName, objectName],
      );
    },
  };
}
