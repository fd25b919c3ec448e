// The first team and its api key, from the configuration, until people can sign in and make their own.
import type pg from 'pg';
import { v5 as uuidv5 } from 'uuid';
import { hashToken } from '../../shared/crypto';
import { withTransaction } from '../../shared/db';

const NAMESPACE = '2c9d7b61-6f0e-4b7e-8a43-5d1f0c8e9b12';
const TEAM_ID = uuidv5('team/bootstrap', NAMESPACE);

/** The key that is configured is the only one of this name that holds: one that it replaced is revoked. */
export async function ensureBootstrapKey(pool: pg.Pool, bootstrap: { apiKey: string; tier: string }): Promise<void> {
  const keyHash = hashToken(bootstrap.apiKey);
  await withTransaction(pool, async (client) => {
    await client.query(
      `INSERT INTO teams (id, name, tier) VALUES ($1, 'bootstrap', $2)
       ON CONFLICT (id) DO UPDATE SET tier = excluded.tier WHERE teams.tier <> excluded.tier`,
      [TEAM_ID, bootstrap.tier],
    );
    await client.query(
      `UPDATE api_keys SET revoked_at = now() WHERE team_id = $1 AND name = 'bootstrap' AND key_hash <> $2 AND revoked_at IS NULL`,
      [TEAM_ID, keyHash],
    );
    await client.query(
      `INSERT INTO api_keys (id, team_id, name, key_hash, scopes) VALUES ($1, $2, 'bootstrap', $3, '{read,write,admin}')
       ON CONFLICT (key_hash) DO UPDATE SET revoked_at = NULL WHERE api_keys.team_id = excluded.team_id`,
      [uuidv5(`key/${keyHash}`, NAMESPACE), TEAM_ID, keyHash],
    );
  });
}
