// One IAM user for each credential version, named as the version's login; its one policy says what the version may do now.
import {
  CreateAccessKeyCommand,
  CreateUserCommand,
  DeleteAccessKeyCommand,
  DeleteUserCommand,
  DeleteUserPolicyCommand,
  GetUserPolicyCommand,
  type IAMClient,
  ListAccessKeysCommand,
  ListUserPoliciesCommand,
  ListUsersCommand,
  PutUserPolicyCommand,
  UpdateAccessKeyCommand,
} from '@aws-sdk/client-iam';
import { GetFederationTokenCommand, STSClient } from '@aws-sdk/client-sts';
import { loginName, parseLoginName } from '../resourcetype';
import { abort, clientOptions, sessionKey } from './clients';
import { accessOfUserPolicy, type PolicyWords, sessionPolicy, userPolicy } from './policies';
import { absentOr, isStoreError, KeyLost, onceKnown } from './storeerrors';
import type { AccessState, CallOptions, IssuedKey, IssueRequest, RevokeAllOptions, StorageKey, StoragePlace } from './types';

const POLICY = 'access';
/** What STS takes as a session's name. */
const LONGEST_SESSION_NAME = 32;
const KNOWN_WITHIN_MS = 6_000;
/** What an STS answers while a user's key or rights are on their way. */
const NOT_YET = ['AccessDenied', 'InvalidAccessKeyId', 'InvalidClientTokenId'];

export interface IamUsersOptions {
  iam: IAMClient;
  endpoint: string;
  region: string;
  sessionSeconds: number;
  /** Of its STS, where that is another than the store's. */
  stsEndpoint?: string;
  /** Under which the users are made and looked for, with a slash at either end. */
  path?: string;
  words?: PolicyWords;
  /** How long STS may take to know a new user and its key. */
  knownWithinMs?: number;
  /** Waits until the store knows a key that may do something; for stores that acknowledge before they do. */
  untilKnown?: (key: IssuedKey, place: StoragePlace, options: CallOptions) => Promise<void>;
}

type Named = Pick<StoragePlace, 'objectName' | 'knownVersions'>;

export class IamUsers {
  readonly #options: IamUsersOptions;

  readonly #iam: IAMClient;

  constructor(options: IamUsersOptions) {
    this.#options = options;
    this.#iam = options.iam;
  }

  /** A list may miss a user that is seconds old, so those that are known of are taken besides; whoever is not there is passed over later. */
  async versions({ objectName, knownVersions = [] }: Named, { signal }: CallOptions = {}): Promise<number[]> {
    const users = await this.#users({ signal });
    const listed = users.filter((user) => user.objectName === objectName).map((user) => user.version);
    return [...new Set([...listed, ...knownVersions])].sort((a, b) => a - b);
  }

  async list(prefix: string, { signal }: CallOptions = {}): Promise<string[]> {
    const names = (await this.#users({ signal })).map((user) => user.objectName).filter((name) => name.startsWith(prefix));
    return [...new Set(names)];
  }

  /** What holds for one holds for all; where an interruption left them apart, the stricter one does. */
  async access(place: Named, options: CallOptions = {}): Promise<AccessState | null> {
    const states: AccessState[] = [];
    for (const version of await this.versions(place, options)) {
      const state = await this.#accessOf(loginName(place.objectName, version), options);
      if (state !== null) states.push(state);
    }
    if (states.length === 0) return null;
    return { cut: states.some(({ cut }) => cut), readOnly: states.some(({ readOnly }) => readOnly) };
  }

  async issue(request: IssueRequest, options: CallOptions = {}): Promise<void> {
    const { place, version, access } = request;
    const userName = loginName(place.objectName, version);
    const made = await absentOr(
      () => this.#iam.send(new CreateUserCommand({ UserName: userName, Path: this.#options.path }), abort(options)),
      'EntityAlreadyExists',
    );
    const known = made === undefined ? await this.#accessOf(userName, options) : null;
    // Before there is a key: at no moment can it do more than it may.
    if (known?.cut !== access.cut || known.readOnly !== access.readOnly) await this.#putPolicy(userName, place, access, options);
    const key =
      place.mode === 'prefix-scoped-temporary'
        ? await this.#issueSession(userName, request, options)
        : await this.#issueKey(userName, request, options);
    if (!access.cut) await this.#options.untilKnown?.(key, place, options);
  }

  async setAccess(place: StoragePlace, access: AccessState, options: CallOptions = {}): Promise<void> {
    for (const version of await this.versions(place, options)) {
      const userName = loginName(place.objectName, version);
      // Either is enough. The key first when cutting and last when restoring, so that a half-done change errs to the strict side.
      if (access.cut) await this.#setKeys(userName, 'Inactive', options);
      await absentOr(() => this.#putPolicy(userName, place, access, options), 'NoSuchEntity');
      if (!access.cut) await this.#setKeys(userName, 'Active', options);
    }
  }

  /** Keys and session tokens end with the user. False = there was none. */
  async revoke(objectName: string, version: number, options: CallOptions = {}): Promise<boolean> {
    const userName = loginName(objectName, version);
    const deleteUser = () => this.#iam.send(new DeleteUserCommand({ UserName: userName }), abort(options));
    try {
      // Each change costs a small store the reading of all its users: one call where it takes what hangs on the user with it.
      return (await absentOr(deleteUser, 'NoSuchEntity')) !== undefined;
    } catch (error) {
      if (!isStoreError(error, 'DeleteConflict')) throw error;
    }
    await this.#deleteKeys(userName, () => true, options);
    const policies = await absentOr(
      () => this.#iam.send(new ListUserPoliciesCommand({ UserName: userName }), abort(options)),
      'NoSuchEntity',
    );
    for (const name of policies?.PolicyNames ?? []) {
      const command = new DeleteUserPolicyCommand({ UserName: userName, PolicyName: name });
      await absentOr(() => this.#iam.send(command, abort(options)), 'NoSuchEntity');
    }
    await absentOr(deleteUser, 'NoSuchEntity');
    return true;
  }

  /** What is gone may be listed for a while: only what was removed was there. */
  async revokeAll(objectName: string, { knownVersions, ...options }: RevokeAllOptions = {}): Promise<boolean> {
    let removed = false;
    for (const version of await this.versions({ objectName, knownVersions }, options))
      if (await this.revoke(objectName, version, options)) removed = true;
    return removed;
  }

  async #issueKey(userName: string, request: IssueRequest, options: CallOptions): Promise<IssuedKey> {
    let { stored } = request;
    // A key that was made and not stored is known to nobody.
    const kept = await this.#deleteKeys(userName, (id) => id !== stored?.accessKeyId, options);
    if (stored === null) {
      const made = await this.#createKey(userName, options);
      if (request.access.cut) await this.#setKeys(userName, 'Inactive', options);
      stored = await request.store(made);
      if (stored.accessKeyId === made.accessKeyId) return stored;
      await this.#deleteKeys(userName, (id) => id !== stored?.accessKeyId, options);
    }
    if (!kept.includes(stored.accessKeyId)) throw new KeyLost(`the store has lost the key of ${userName}: rotate the credentials`);
    await this.#setKeys(userName, request.access.cut ? 'Inactive' : 'Active', options);
    return stored;
  }

  /** The user's own key lives for one call; what stays is the session, which can do what the user may at that moment. */
  async #issueSession(userName: string, { place, stored, store, access }: IssueRequest, options: CallOptions): Promise<IssuedKey> {
    await this.#deleteKeys(userName, () => true, options);
    if (stored !== null) return stored;
    const key = await this.#createKey(userName, options);
    let session: IssuedKey;
    try {
      session = await store(await this.#federate(userName, key, place, options));
    } finally {
      await this.#deleteKeys(userName, () => true, options);
    }
    if (access.cut) await this.#putPolicy(userName, place, access, options);
    return session;
  }

  async #federate(userName: string, key: StorageKey, place: StoragePlace, { signal }: CallOptions): Promise<IssuedKey> {
    const { stsEndpoint, endpoint, region } = this.#options;
    const sts = new STSClient(clientOptions({ endpoint: stsEndpoint ?? endpoint, region, key }));
    try {
      const command = new GetFederationTokenCommand({
        Name: userName.slice(-LONGEST_SESSION_NAME),
        DurationSeconds: this.#options.sessionSeconds,
        Policy: JSON.stringify(sessionPolicy(place, this.#options.words)),
      });
      const { Credentials } = await onceKnown(() => sts.send(command, { abortSignal: signal }), {
        notYet: NOT_YET,
        withinMs: this.#options.knownWithinMs ?? KNOWN_WITHIN_MS,
        signal,
      });
      return sessionKey(Credentials);
    } finally {
      sts.destroy();
    }
  }

  async #createKey(userName: string, options: CallOptions): Promise<StorageKey> {
    const answer = await this.#iam.send(new CreateAccessKeyCommand({ UserName: userName }), abort(options));
    const { AccessKey, $metadata } = answer;
    if (!AccessKey?.AccessKeyId || !AccessKey.SecretAccessKey) throw new Error('the store issued no key');
    // The client asked again because no answer came: what was made for the first time is known to nobody.
    if (($metadata.attempts ?? 1) > 1) await this.#deleteKeys(userName, (id) => id !== AccessKey.AccessKeyId, options);
    return { accessKeyId: AccessKey.AccessKeyId, secretAccessKey: AccessKey.SecretAccessKey };
  }

  /** Answers what is left. */
  async #deleteKeys(userName: string, which: (accessKeyId: string) => boolean, options: CallOptions): Promise<string[]> {
    const kept: string[] = [];
    for (const { id } of await this.#keys(userName, options)) {
      if (!which(id)) kept.push(id);
      else {
        const command = new DeleteAccessKeyCommand({ UserName: userName, AccessKeyId: id });
        await absentOr(() => this.#iam.send(command, abort(options)), 'NoSuchEntity');
      }
    }
    return kept;
  }

  async #setKeys(userName: string, status: 'Active' | 'Inactive', options: CallOptions): Promise<void> {
    for (const { id, isActive } of await this.#keys(userName, options))
      if (isActive !== (status === 'Active'))
        await this.#iam.send(new UpdateAccessKeyCommand({ UserName: userName, AccessKeyId: id, Status: status }), abort(options));
  }

  async #keys(userName: string, options: CallOptions): Promise<{ id: string; isActive: boolean }[]> {
    const answer = await absentOr(() => this.#iam.send(new ListAccessKeysCommand({ UserName: userName }), abort(options)), 'NoSuchEntity');
    const keys: { id: string; isActive: boolean }[] = [];
    for (const { AccessKeyId: id, Status } of answer?.AccessKeyMetadata ?? [])
      if (id !== undefined) keys.push({ id, isActive: Status !== 'Inactive' });
    return keys;
  }

  async #putPolicy(userName: string, place: StoragePlace, access: AccessState, options: CallOptions): Promise<void> {
    const document = JSON.stringify(userPolicy(place, access, this.#options.words));
    await this.#iam.send(new PutUserPolicyCommand({ UserName: userName, PolicyName: POLICY, PolicyDocument: document }), abort(options));
  }

  async #accessOf(userName: string, options: CallOptions): Promise<AccessState | null> {
    const command = new GetUserPolicyCommand({ UserName: userName, PolicyName: POLICY });
    const answer = await absentOr(() => this.#iam.send(command, abort(options)), 'NoSuchEntity');
    return answer?.PolicyDocument === undefined ? null : accessOfUserPolicy(answer.PolicyDocument);
  }

  async #users(options: CallOptions): Promise<{ objectName: string; version: number }[]> {
    const users: { objectName: string; version: number }[] = [];
    const { path } = this.#options;
    let marker: string | undefined;
    do {
      const page = await this.#iam.send(new ListUsersCommand({ Marker: marker, MaxItems: 1000, PathPrefix: path }), abort(options));
      for (const { UserName } of page.Users ?? []) {
        const parsed = parseLoginName(UserName ?? '');
        if (parsed !== null) users.push(parsed);
      }
      marker = page.IsTruncated ? page.Marker : undefined;
    } while (marker !== undefined);
    return users.sort((a, b) => a.version - b.version);
  }
}
