// What providers decided and issued: facts that clients need, and secrets that no one but the provider could make.
import { ApplicationFailure } from '@temporalio/common';
import type pg from 'pg';
import { type Keyring, sealedFor } from '../../shared/crypto';
import type { ConnectionDetails, ConnectionRecorder, IssuedSecrets } from '../backend';

export function createConnectionRecorder(pool: pg.Pool): ConnectionRecorder {
  const read: ConnectionRecorder['read'] = async (resourceId) => {
    const { rows } = await pool.query<{ details: ConnectionDetails }>('SELECT details FROM resource_connections WHERE resource_id = $1', [
      resourceId,
    ]);
    return rows[0]?.details ?? null;
  };
  return {
    read,
    async record({ resourceId, details }) {
      await pool.query('INSERT INTO resource_connections (resource_id, details) VALUES ($1, $2) ON CONFLICT (resource_id) DO NOTHING', [
        resourceId,
        details,
      ]);
      return (await read(resourceId)) ?? details;
    },
  };
}

export function createIssuedSecrets({ pool, keyring }: { pool: pg.Pool; keyring: Keyring }): IssuedSecrets {
  const read: IssuedSecrets['read'] = async ({ resourceId, version }) => {
    const { rows } = await pool.query<{ issued_encrypted: string | null }>(
      'SELECT issued_encrypted FROM resource_credentials WHERE resource_id = $1 AND version = $2',
      [resourceId, version],
    );
    const encrypted = rows[0]?.issued_encrypted ?? null;
    if (encrypted === null) return null;
    return JSON.parse(keyring.decrypt(encrypted, sealedFor.issued(resourceId, version))) as Record<string, string>;
  };
  return {
    read,
    async store({ resourceId, version, secrets }) {
      const encrypted = keyring.encrypt(JSON.stringify(secrets), sealedFor.issued(resourceId, version));
      await pool.query(
        'UPDATE resource_credentials SET issued_encrypted = $3 WHERE resource_id = $1 AND version = $2 AND issued_encrypted IS NULL',
        [resourceId, version, encrypted],
      );
      const stored = await read({ resourceId, version });
      if (stored === null) throw ApplicationFailure.retryable(`credential ${version} of ${resourceId} is not stored`, 'CredentialMissing');
      return stored;
    },
  };
}
