// Object storage for a process: where each store is, from its admin url and its options in backends.yaml.
import type { KindBackend } from '../../../activities/backend';
import { createStorageBackend } from '../../../activities/storage';
import { parseStoreConfig, type StoreConfig } from '../../../shared/storageprovider';
import { adminUrlOf, type CreateKind, type KindParts } from './types';

export const createStorageKind: CreateKind<KindBackend> = (parts) =>
  createStorageBackend({ ...parts.dependencies, configOf: (backendName) => storeConfigOf(parts, backendName) });

function storeConfigOf(parts: KindParts, backendName: string): StoreConfig {
  const adminUrl = adminUrlOf(parts, backendName);
  const { options = {}, isolation } = parts.backends.find(({ name }) => name === backendName) ?? {};
  const secret = (variable: string | number | boolean | undefined) => (typeof variable === 'string' ? parts.secretOf(variable) : undefined);
  const { api_token_env: token } = options;
  // Without it a store with keys would go on as one whose tenants have none.
  if (typeof token === 'string' && secret(token) === undefined)
    throw new Error(`${backendName}: set ${token} to the token of the vendor's API, or take api_token_env out`);
  const secrets = { shared: secret(options.shared_key_env), apiToken: secret(token) };
  try {
    return parseStoreConfig(adminUrl, options, { ...secrets, weakIsolation: isolation === 'weak_allowed' });
  } catch (error) {
    throw new Error(`${backendName}: ${error instanceof Error ? error.message : 'its configuration cannot be read'}`);
  }
}
