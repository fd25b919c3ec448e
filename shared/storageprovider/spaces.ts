// DigitalOcean Spaces: a key for each credential version, good for one bucket, made by DigitalOcean's API; without a token the platform signs.
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { abort, clientOptions } from './clients';
import { bucketNameOf } from './place';
import { assertSignedByPlatform, PLATFORM_ACCESS, PLATFORM_SIGNED_SECONDS } from './platformkey';
import { SpacesKeys } from './spaceskeys';
import { absentOr } from './storeerrors';
import type { CallOptions, ProviderParts, StorageCredentialProvider, StoragePlace } from './types';
import { VendorApi } from './vendorapi';

const API = 'https://api.digitalocean.com';
const NEEDS_TOKEN = 'name the token of DigitalOcean in api_token_env';

export function createSpacesProvider({ config }: ProviderParts): StorageCredentialProvider {
  const { apiToken, vendor, endpoint, region, admin: key } = config;
  const api = typeof vendor.api_endpoint === 'string' ? vendor.api_endpoint : API;
  const keys = apiToken === null ? null : new SpacesKeys(new VendorApi({ vendor: 'DigitalOcean', endpoint: api, token: apiToken }));
  const s3 = new S3Client({ ...clientOptions({ endpoint, region, key }), forcePathStyle: true });
  /** Null for what the platform signs: a token that came later changes nothing for what was made without one. */
  const keysFor = (place: StoragePlace): SpacesKeys | null => {
    if (place.signedByPlatform === true) return null;
    if (keys === null) assertSignedByPlatform(place, NEEDS_TOKEN);
    return keys;
  };
  return {
    name: 'spaces',
    proof: 'double',
    // A grant names a bucket and nothing smaller.
    capabilities: {
      bucketPerTenant: true,
      bucketScopedKeys: keys !== null,
      prefixScopedKeys: false,
      temporaryCredentials: false,
      sharedKey: false,
    },
    // Of what is made from now on.
    ...(keys === null ? { signedUrlSeconds: PLATFORM_SIGNED_SECONDS } : {}),
    check: async (options) => await keys?.check(options),
    versions: async (place, options) => (await keysFor(place)?.versions(place.objectName, options)) ?? [],
    access: async (place, options) => keysFor(place)?.access(place.objectName, options) ?? PLATFORM_ACCESS,
    issue: async (request, options) => await keysFor(request.place)?.issue(request, options),
    setAccess: async (place, access, options) => await keysFor(place)?.setAccess(place, access, options),
    revoke: async (place, version, options) => await keysFor(place)?.revoke(place.objectName, version, options),
    revokeAll: async (objectName, options = {}) => {
      if (keys !== null) return await keys.revokeAll(objectName, options);
      // Who has a bucket has a key: with the bucket gone nobody would look for it again.
      if (await hasBucket(s3, bucketNameOf(objectName), options))
        throw new Error(`${objectName} has a bucket and a key of its own: ${NEEDS_TOKEN}`);
      return false;
    },
    forget: async () => {},
    list: async (prefix, options) => (await keys?.list(prefix, options)) ?? [],
    close: () => s3.destroy(),
  };
}

async function hasBucket(s3: S3Client, bucket: string, options: CallOptions): Promise<boolean> {
  const command = new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 });
  return (await absentOr(() => s3.send(command, abort(options)), 'NoSuchBucket')) !== undefined;
}
