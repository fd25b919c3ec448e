// SeaweedFS: a user of its IAM for each credential version, sessions by its STS, and the bucket policy for a shared key.
import { IAMClient, ListUsersCommand } from '@aws-sdk/client-iam';
import { S3Client } from '@aws-sdk/client-s3';
import { abort, clientOptions } from './clients';
import { IamUsers } from './iamusers';
import { sharedBucketName } from './place';
import { SharedKey } from './sharedkey';
import type { ProviderParts, StorageCredentialProvider, StoragePlace, VendorCapabilities } from './types';

/** Besides a shared key, which is the operator's to give. */
const CAPABILITIES: VendorCapabilities = {
  bucketPerTenant: true,
  bucketScopedKeys: true,
  prefixScopedKeys: true,
  temporaryCredentials: true,
};

export function createSeaweedfsProvider({ config, installationId, sharedBucketLock }: ProviderParts): StorageCredentialProvider {
  const { endpoint, region, admin, shared, sessionSeconds } = config;
  const settings = clientOptions({ endpoint, region, key: admin });
  const iam = new IAMClient(settings);
  const s3 = new S3Client({ ...settings, forcePathStyle: true });
  const users = new IamUsers({ iam, endpoint, region, sessionSeconds });
  const sharedKey = shared && new SharedKey({ s3, bucket: sharedBucketName(installationId), ...shared, lock: sharedBucketLock });
  /** Null for modes in which each version has a user of its own. */
  const sharedFor = ({ mode }: StoragePlace): SharedKey | null => {
    if (mode !== 'shared-master-key') return null;
    if (sharedKey === null) throw new Error('resources of mode shared-master-key are here, and shared_key_env names no key');
    return sharedKey;
  };
  return {
    name: 'seaweedfs',
    proof: 'server',
    capabilities: { ...CAPABILITIES, sharedKey: shared !== null },
    check: async (options = {}) => {
      await iam.send(new ListUsersCommand({ MaxItems: 1 }), abort(options));
    },
    versions: async (place, options) => (sharedFor(place) ? [] : await users.versions(place.objectName, options)),
    access: (place, options) => sharedFor(place)?.access(place.objectName, options) ?? users.access(place.objectName, options),
    issue: (request, options) => sharedFor(request.place)?.issue(request, options) ?? users.issue(request, options),
    setAccess: (place, access, options) =>
      sharedFor(place)?.setAccess(place.objectName, access, options) ?? users.setAccess(place, access, options),
    revoke: async (place, version, options) => {
      // The shared key is every tenant's: one version of it cannot be ended.
      if (sharedFor(place) === null) await users.revoke(place.objectName, version, options);
    },
    revokeAll: (objectName, options) => users.revokeAll(objectName, options),
    forget: async (objectName, options) => {
      await sharedKey?.setAccess(objectName, { cut: false, readOnly: false }, options);
    },
    list: async (prefix, options) => {
      const names = [...(await users.list(prefix, options)), ...((await sharedKey?.list(prefix, options)) ?? [])];
      return [...new Set(names)];
    },
    close: () => {
      iam.destroy();
      s3.destroy();
    },
  };
}
