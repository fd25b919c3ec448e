// Which provider a configured store gets: a line for each vendor that is implemented.
import { createMinioProvider } from './minio';
import { createSeaweedfsProvider } from './seaweedfs';
import type { ProviderParts, StorageCredentialProvider } from './types';
import type { ProviderName } from './vendoroptions';

const VENDORS: Readonly<Record<ProviderName, (parts: ProviderParts) => StorageCredentialProvider>> = {
  seaweedfs: createSeaweedfsProvider,
  minio: createMinioProvider,
};

export function createStorageProvider(parts: ProviderParts): StorageCredentialProvider {
  return VENDORS[parts.config.provider](parts);
}
