// Opens what is stored encrypted, and makes the connection url of it.
import type { Keyring } from '../../shared/crypto';
import type { ResourceKind } from '../../shared/resourcetype';
import { ApiError } from '../errors';
import type { ResourceWithCredential, StoredResource } from './store';

/** Where the outside reaches a backend; by the backend's name. */
export type PublicAddresses = ReadonlyMap<string, { host: string; port: number }>;

export interface SecretReader {
  token(row: Pick<StoredResource, 'id' | 'token_encrypted'>): string;
  /** @throws ApiError internal_error when it cannot be opened or its backend is not configured here */
  connectionUrl(found: ResourceWithCredential): string;
}

const SCHEME: Partial<Record<ResourceKind, string>> = { postgres: 'postgres', vector: 'postgres' };

export function createSecretReader(options: {
  keyring: Keyring;
  addresses: PublicAddresses;
  onFailure: (message: string, resourceId: string, cause: unknown) => void;
}): SecretReader {
  const fail = (message: string, resourceId: string, cause?: unknown): ApiError => {
    options.onFailure(message, resourceId, cause);
    return new ApiError({ code: 'internal_error', message: 'The credentials of this resource cannot be read at the moment.', cause });
  };
  const open = (text: string, associatedData: string, resourceId: string): string => {
    try {
      return options.keyring.decrypt(text, associatedData);
    } catch (error) {
      throw fail('stored secret does not decrypt', resourceId, error);
    }
  };
  return {
    token: (row) => open(row.token_encrypted, `token:${row.id}`, row.id),
    connectionUrl({ resource, credential }) {
      const address = options.addresses.get(resource.backend_name);
      const scheme = SCHEME[resource.kind];
      if (address === undefined || scheme === undefined) throw fail('backend has no public address', resource.id);
      if (credential === null) throw fail('resource has no stored credential', resource.id);
      const password = open(credential.password_encrypted, `credential:${resource.id}:${credential.version}`, resource.id);
      const user = `${encodeURIComponent(credential.username)}:${encodeURIComponent(password)}`;
      return `${scheme}://${user}@${address.host}:${address.port}/${encodeURIComponent(resource.object_name)}`;
    },
  };
}
