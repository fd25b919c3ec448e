// Which provider a configured store gets: a line for each vendor that is implemented.

import { createAwsProvider } from './aws';
import { createMinioProvider } from './minio';
import { createR2Provider } from './r2';
import { createSeaweedfsProvider } from './seaweedfs';
import { createSpacesProvider } from './spaces';
import type { ProviderParts, StorageCredentialProvider } from './types';
import type { ProviderName } from './vendoroptions';

const VENDORS: Readonly<Record<ProviderName, (parts: ProviderParts) => StorageCredentialProvider>> = {
  seaweedfs: createSeaweedfsProvider,
  minio: createMinioProvider,
  aws: createAwsProvider,
  r2: createR2Provider,
  spaces: createSpacesProvider,
};

export function createStorageProvider(parts: ProviderParts): StorageCredentialProvider {
  return VENDORS[parts.config.provider](parts);
}
