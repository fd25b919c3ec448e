// MinIO: a user for each credential version, with a policy of the same name that says what the version may do now; sessions by its STS.
import { randomBytes } from 'node:crypto';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { loginName, parseLoginName } from '../resourcetype';
import { clientOptions, sessionKey } from './clients';
import { MinioAdmin } from './minioadmin';
import { AWS_WORDS, accessOfUserPolicy, markStatement, objectStatements, type PolicyDocument, sessionPolicy } from './policies';
import { KeyLost } from './storeerrors';
import type {
  AccessState,
  CallOptions,
  IssuedKey,
  IssueRequest,
  ProviderParts,
  StorageCredentialProvider,
  StorageKey,
  StoragePlace,
  VendorCapabilities,
} from './types';

const CAPABILITIES: VendorCapabilities = {
  bucketPerTenant: true,
  bucketScopedKeys: true,
  prefixScopedKeys: true,
  temporaryCredentials: true,
};

/** The server wants one and looks at none: who calls it is whose session it becomes. */
const ANY_ROLE = 'arn:aws:iam::000000000000:role/leasehold';

export function createMinioProvider({ config }: ProviderParts): StorageCredentialProvider {
  const { endpoint, region, admin: key, sessionSeconds, shared } = config;
  // Its bucket policies are for strangers alone: a Deny in one does not hold for a key that is known.
  if (shared !== null) throw new Error('MinIO cannot take a prefix away from a shared key: leave out shared_key_env');
  const users = new MinioUsers({ admin: new MinioAdmin({ endpoint, region, key }), endpoint, region, sessionSeconds });
  return {
    name: 'minio',
    capabilities: { ...CAPABILITIES, sharedKey: false },
    proof: 'server',
    check: async (options) => {
      await users.list('', options);
    },
    versions: ({ objectName }, options) => users.versions(objectName, options),
    access: ({ objectName }, options) => users.access(objectName, options),
    issue: (request, options) => users.issue(request, options),
    setAccess: (place, access, options) => users.setAccess(place, access, options),
    revoke: ({ objectName }, version, options) => users.revoke(objectName, version, options),
    revokeAll: (objectName, options) => users.revokeAll(objectName, options),
    // Tenants have nothing in common here.
    forget: async () => {},
    list: (prefix, options) => users.list(prefix, options),
    close: () => {},
  };
}

interface MinioUsersOptions {
  admin: MinioAdmin;
  endpoint: string;
  region: string;
  sessionSeconds: number;
}

/** A policy is made before its user and removed after it, so that the list of policies is the list of users. */
class MinioUsers {
  readonly #options: MinioUsersOptions;
  readonly #admin: MinioAdmin;

  constructor(options: MinioUsersOptions) {
    this.#options = options;
    this.#admin = options.admin;
  }

  async versions(objectName: string, options: CallOptions = {}): Promise<number[]> {
    return (await this.#users(options)).filter((user) => user.objectName === objectName).map(({ version }) => version);
  }

  async list(prefix: string, options: CallOptions = {}): Promise<string[]> {
    const names = (await this.#users(options)).map(({ objectName }) => objectName).filter((name) => name.startsWith(prefix));
    return [...new Set(names)];
  }

  /** What holds for one holds for all; where an interruption left them apart, the stricter one does. */
  async access(objectName: string, options: CallOptions = {}): Promise<AccessState | null> {
    const states = (await this.#users(options))
      .filter((user) => user.objectName === objectName)
      .flatMap(({ document }) => accessOfUserPolicy(document) ?? []);
    if (states.length === 0) return null;
    return { cut: states.some(({ cut }) => cut), readOnly: states.some(({ readOnly }) => readOnly) };
  }

  async issue(request: IssueRequest, options: CallOptions = {}): Promise<void> {
    const { place, version, access } = request;
    const userName = loginName(place.objectName, version);
    await this.#putPolicy(userName, place, access, options);
    if (place.mode === 'prefix-scoped-temporary') await this.#issueSession(userName, request, options);
    else await this.#issueKey(userName, request, options);
  }

  /** The policy alone decides: for the user's key, for its sessions and for whatever was signed with either. */
  async setAccess(place: StoragePlace, access: AccessState, options: CallOptions = {}): Promise<void> {
    for (const version of await this.versions(place.objectName, options))
      await this.#putPolicy(loginName(place.objectName, version), place, access, options);
  }

  async revoke(objectName: string, version: number, options: CallOptions = {}): Promise<void> {
    const userName = loginName(objectName, version);
    // They would be refused without their user, and be kept until they end.
    await this.#admin.endSessions(userName, options);
    await this.#admin.removeUser(userName, options);
    await this.#admin.removePolicy(userName, options);
  }

  async revokeAll(objectName: string, options: CallOptions = {}): Promise<boolean> {
    const versions = await this.versions(objectName, options);
    for (const version of versions) await this.revoke(objectName, version, options);
    return versions.length > 0;
  }

  /** The secret is ours to choose: it is kept first, and whichever the user had is replaced. */
  async #issueKey(userName: string, { stored, store }: IssueRequest, options: CallOptions): Promise<void> {
    const { secretAccessKey } = stored ?? (await store({ accessKeyId: userName, secretAccessKey: newSecret() }));
    await this.#putUser(userName, secretAccessKey, options);
  }

  /** The user's own secret is known to nobody after this call; what stays is the session, which can do what the user may at that moment. */
  async #issueSession(userName: string, { place, stored, store }: IssueRequest, options: CallOptions): Promise<void> {
    if (stored !== null) {
      if (await this.#admin.hasUser(userName, options)) return;
      throw new KeyLost(`the store has lost the user ${userName} of a session: rotate the credentials`);
    }
    const secretAccessKey = newSecret();
    await this.#putUser(userName, secretAccessKey, options);
    // One that was begun and not stored is known to nobody.
    await this.#admin.endSessions(userName, options);
    await store(await this.#beginSession({ accessKeyId: userName, secretAccessKey }, place, options));
  }

  async #beginSession(key: StorageKey, place: StoragePlace, { signal }: CallOptions): Promise<IssuedKey> {
    const { sessionSeconds } = this.#options;
    const sts = new STSClient(clientOptions({ ...this.#options, key }));
    try {
      const command = new AssumeRoleCommand({
        RoleArn: ANY_ROLE,
        RoleSessionName: 'leasehold',
        DurationSeconds: sessionSeconds,
        Policy: JSON.stringify(sessionPolicy(place, AWS_WORDS)),
      });
      const { Credentials } = await sts.send(command, { abortSignal: signal });
      return sessionKey(Credentials);
    } finally {
      sts.destroy();
    }
  }

  async #putUser(userName: string, secret: string, options: CallOptions): Promise<void> {
    await this.#admin.putUser(userName, secret, options);
    await this.#admin.attachPolicy(userName, userName, options);
  }

  async #putPolicy(userName: string, place: StoragePlace, access: AccessState, options: CallOptions): Promise<void> {
    await this.#admin.putPolicy(userName, JSON.stringify(minioPolicy(place, access)), options);
  }

  async #users(options: CallOptions): Promise<{ objectName: string; version: number; document: string }[]> {
    const users = [...(await this.#admin.policies(options))].flatMap(([name, document]) => {
      const parsed = parseLoginName(name);
      return parsed === null ? [] : [{ ...parsed, document }];
    });
    return users.sort((a, b) => a.version - b.version);
  }
}

export function minioPolicy(place: StoragePlace, access: AccessState): PolicyDocument {
  return {
    Version: '2012-10-17',
    Statement: [
      markStatement(access),
      // A user may change its own secret and make itself further keys unless this is denied.
      { Sid: 'nothingOfItsOwn', Effect: 'Deny', Action: ['admin:*'], Resource: ['arn:aws:s3:::*'] },
      ...(access.cut ? [] : objectStatements(place, access.readOnly, AWS_WORDS)),
    ],
  };
}

function newSecret(): string {
  return randomBytes(30).toString('base64url');
}
