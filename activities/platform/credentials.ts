// Credential versions: created once, encrypted, stored before the backend hears of them; and the fence that provision reads.
import { ApplicationFailure } from '@temporalio/common';
import type pg from 'pg';
import { generatePassword, type Keyring, sealedFor } from '../../shared/crypto';
import type { CredentialReader, Fence } from '../backend';
import type { PlatformActivities } from './types';

export interface CredentialDependencies {
  pool: pg.Pool;
  keyring: Keyring;
}

export function createPrepareCredential({ pool, keyring }: CredentialDependencies): PlatformActivities['prepareCredential'] {
  return async ({ resourceId, version }) => {
    await pool.query(
      `INSERT INTO resource_credentials (resource_id, version, username, password_encrypted)
       SELECT id, $2::int, object_name || '_' || ($2::int)::text, $3 FROM resources WHERE id = $1
       ON CONFLICT (resource_id, version) DO NOTHING`,
      [resourceId, version, keyring.encrypt(generatePassword(), sealedFor.credential(resourceId, version))],
    );
  };
}

export function createCredentialReader({ pool, keyring }: CredentialDependencies): CredentialReader {
  return async ({ resourceId, version }) => {
    const { rows } = await pool.query<{ username: string; password_encrypted: string }>({
      name: 'credential-read',
      text: 'SELECT username, password_encrypted FROM resource_credentials WHERE resource_id = $1 AND version = $2',
      values: [resourceId, version],
    });
    const stored = rows[0];
    if (stored === undefined)
      throw ApplicationFailure.retryable(`credential ${version} of ${resourceId} is not stored`, 'CredentialMissing');
    return {
      username: stored.username,
      password: keyring.decrypt(stored.password_encrypted, sealedFor.credential(resourceId, version)),
    };
  };
}

/** True while the row waits for exactly this object of exactly this attempt. */
export function createFence(pool: pg.Pool): Fence {
  return async (ref) => {
    const { rowCount } = await pool.query(
      `SELECT 1 FROM resources WHERE id = $1 AND status = 'pending' AND object_name = $2 AND generation = $3`,
      [ref.resourceId, ref.objectName, ref.generation],
    );
    return rowCount === 1;
  };
}
