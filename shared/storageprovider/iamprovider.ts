// A store with an IAM: a user for each credential version, and the bucket policy for a shared key.
import { type IAMClient, ListUsersCommand } from '@aws-sdk/client-iam';
import type { S3Client } from '@aws-sdk/client-s3';
import { abort } from './clients';
import type { IamUsers } from './iamusers';
import { sharedBucketName } from './place';
import { SharedKey } from './sharedkey';
import type { ProviderParts, StorageCredentialProvider, StoragePlace, VendorCapabilities } from './types';

export interface IamStore {
  name: string;
  proof: StorageCredentialProvider['proof'];
  /** Besides a shared key, which is the operator's to give. */
  capabilities: VendorCapabilities;
  iam: IAMClient;
  s3: S3Client;
  users: IamUsers;
}

export function createIamProvider(store: IamStore, { config, installationId, sharedBucketLock }: ProviderParts): StorageCredentialProvider {
  const { name, proof, capabilities, iam, s3, users } = store;
  const { shared } = config;
  const sharedKey = shared && new SharedKey({ s3, bucket: sharedBucketName(installationId), ...shared, lock: sharedBucketLock });
  /** Null for modes in which each version has a user of its own. */
  const sharedFor = ({ mode }: StoragePlace): SharedKey | null => {
    if (mode !== 'shared-master-key') return null;
    if (sharedKey === null) throw new Error('resources of mode shared-master-key are here, and shared_key_env names no key');
    return sharedKey;
  };
  return {
    name,
    proof,
    capabilities: { ...capabilities, sharedKey: shared !== null },
    check: async (options = {}) => {
      await iam.send(new ListUsersCommand({ MaxItems: 1 }), abort(options));
    },
    versions: async (place, options) => (sharedFor(place) ? [] : await users.versions(place, options)),
    access: (place, options) => sharedFor(place)?.access(place.objectName, options) ?? users.access(place, options),
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
