// DigitalOcean Spaces: a key for each credential version, good for one bucket, made by DigitalOcean's API; without a token the platform signs.
import { PLATFORM_SIGNED_SECONDS, PlatformKey } from './platformkey';
import { SpacesKeys } from './spaceskeys';
import type { ProviderParts, StorageCredentialProvider } from './types';
import { VendorApi } from './vendorapi';

const API = 'https://api.digitalocean.com';

export function createSpacesProvider({ config }: ProviderParts): StorageCredentialProvider {
  const { apiToken, vendor, admin } = config;
  const endpoint = typeof vendor.api_endpoint === 'string' ? vendor.api_endpoint : API;
  if (apiToken === null) return signedByPlatform(new PlatformKey(admin));
  const keys = new SpacesKeys(new VendorApi({ vendor: 'DigitalOcean', endpoint, token: apiToken }));
  return {
    name: 'spaces',
    proof: 'double',
    // A grant names a bucket and nothing smaller.
    capabilities: {
      bucketPerTenant: true,
      bucketScopedKeys: true,
      prefixScopedKeys: false,
      temporaryCredentials: false,
      sharedKey: false,
    },
    check: (options) => keys.check(options),
    versions: (place, options) => keys.versions(place.objectName, options),
    access: (place, options) => keys.access(place.objectName, options),
    issue: (request, options) => keys.issue(request, options),
    setAccess: (place, access, options) => keys.setAccess(place, access, options),
    revoke: (place, version, options) => keys.revoke(place.objectName, version, options),
    revokeAll: (objectName, options) => keys.revokeAll(objectName, options),
    forget: async () => {},
    list: (prefix, options) => keys.list(prefix, options),
    close: () => {},
  };
}

function signedByPlatform(platform: PlatformKey): StorageCredentialProvider {
  return {
    name: 'spaces',
    proof: 'double',
    capabilities: {
      bucketPerTenant: true,
      bucketScopedKeys: false,
      prefixScopedKeys: false,
      temporaryCredentials: false,
      sharedKey: false,
    },
    signedUrlSeconds: PLATFORM_SIGNED_SECONDS,
    check: async () => {},
    versions: async () => [],
    access: async () => platform.access(),
    issue: (request) => platform.issue(request),
    setAccess: async () => {},
    revoke: async () => {},
    revokeAll: async () => false,
    forget: async () => {},
    list: async () => [],
    close: () => {},
  };
}
