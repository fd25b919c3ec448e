// What a NATS account says of its tenant. The signed account is the only state there is: every verb reads it, changes it, signs it anew.
import { createHash } from 'node:crypto';
import type { Account, SigningKey, UserPermissionsLimits } from '@nats-io/jwt';
import { encodePublicNkey } from './nkey';
import type { QueueLimits } from './types';

/** One version's place in the account. Its users are signed with a key of their own, so taking the key away ends them all. */
export interface NatsCredentialState {
  version: number;
  signingKey: string;
  user: string;
}

export interface NatsAccountState {
  limits: QueueLimits;
  isCut: boolean;
  isReadOnly: boolean;
  credentials: NatsCredentialState[];
  /** The highest version ever issued: nothing below it comes back, but what is still in `credentials`. */
  newestVersion: number;
  /** Users of versions that ended, for good. */
  revokedUsers: string[];
}

const ACCOUNT_ID_DOMAIN = 'leasehold/nats/account/';
const SUBSCRIPTIONS = 1_000;
const MAX_ACK_PENDING = 10_000;
/** Beyond the end of any token that will be signed: a user is revoked whenever its token was. */
const FOR_GOOD = 253_402_300_799;

/**
 * The account of an object: a hash where the key would be. The operator signs accounts, so an account needs no private key, and to this
 * public key nobody has one: no user can be signed with it, whoever knows what.
 */
export function natsAccountId(objectName: string): string {
  return encodePublicNkey('account', createHash('sha256').update(`${ACCOUNT_ID_DOMAIN}${objectName}`).digest());
}

export function newNatsAccount(limits: QueueLimits): NatsAccountState {
  return { limits, isCut: false, isReadOnly: false, credentials: [], newestVersion: 0, revokedUsers: [] };
}

/** At most the two versions named stay; all others are revoked. */
export function withCredential(state: NatsAccountState, credential: NatsCredentialState, previousVersion: number | null): NatsAccountState {
  const others = state.credentials.filter((known) => known.version !== credential.version);
  const kept = others.filter((known) => known.version === previousVersion);
  const ended = others.filter((known) => known.version !== previousVersion);
  return {
    ...state,
    credentials: [...kept, credential].sort((a, b) => a.version - b.version),
    newestVersion: Math.max(state.newestVersion, credential.version),
    revokedUsers: withUsers(state.revokedUsers, ended),
  };
}

export function withoutCredential(state: NatsAccountState, version: number): NatsAccountState {
  const ended = state.credentials.filter((known) => known.version === version);
  return {
    ...state,
    credentials: state.credentials.filter((known) => known.version !== version),
    revokedUsers: withUsers(state.revokedUsers, ended),
  };
}

function withUsers(revoked: string[], ended: NatsCredentialState[]): string[] {
  return [...new Set([...revoked, ...ended.map(({ user }) => user)])];
}

export function natsAccountClaims(state: NatsAccountState): Partial<Account> {
  const role = (version: number) => `credential-${version}`;
  const template = userTemplate(state.isReadOnly);
  return {
    limits: {
      ...accountLimits(state.limits),
      conn: state.isCut ? 0 : state.limits.connections,
    },
    signing_keys: state.credentials.map(({ version, signingKey, user }) => scope({ key: signingKey, role: role(version), user, template })),
    revocations: Object.fromEntries(state.revokedUsers.map((user) => [user, FOR_GOOD])),
    default_permissions: { pub: { deny: ['>'] }, sub: { deny: ['>'] } },
    tags: [
      `connections:${state.limits.connections}`,
      `newest-credential:${state.newestVersion}`,
      ...(state.isCut ? ['cut'] : []),
      ...(state.isReadOnly ? ['read-only'] : []),
    ],
  };
}

/** The account as it is while its streams are deleted: no tenant's key is left in it, one of the platform's is. */
export function natsRemovalClaims(state: NatsAccountState, platformKey: string): Partial<Account> {
  const claims = natsAccountClaims({ ...state, credentials: [], isCut: false });
  return {
    ...claims,
    limits: { ...claims.limits, conn: -1 },
    signing_keys: [scope({ key: platformKey, role: 'removal', user: '', template: userTemplate(false) })],
  };
}

/** The state that an account's claims hold; null when they are none of ours. */
export function readNatsAccount(account: Partial<Account>): NatsAccountState | null {
  const { limits = {}, tags = [], signing_keys: keys = [], revocations = {} } = account;
  const numberTag = (name: string): number | null => {
    const text = tags.find((tag) => tag.startsWith(`${name}:`))?.slice(name.length + 1);
    return text === undefined ? null : Number(text);
  };
  const connections = numberTag('connections');
  const newestVersion = numberTag('newest-credential');
  if (connections === null || newestVersion === null) return null;
  return {
    limits: {
      storageBytes: limits.disk_storage ?? -1,
      connections,
      streams: limits.streams ?? -1,
      consumersPerStream: limits.consumer ?? -1,
      messageBytes: limits.payload ?? -1,
    },
    isCut: tags.includes('cut'),
    isReadOnly: tags.includes('read-only'),
    credentials: keys.flatMap(toCredential),
    newestVersion,
    revokedUsers: Object.keys(revocations),
  };
}

type DescribedKey = SigningKey & { description: string };

function toCredential(key: SigningKey | string): NatsCredentialState[] {
  if (typeof key === 'string') return [];
  const version = /^credential-([1-9][0-9]*)$/.exec(key.role)?.[1];
  return version === undefined ? [] : [{ version: Number(version), signingKey: key.key, user: (key as DescribedKey).description }];
}

/** Users that such a key signs have what the account says here, and nothing that their own token says. */
function scope({ key, role, user, template }: { key: string; role: string; user: string; template: UserPermissionsLimits }): DescribedKey {
  return { kind: 'user_scope', key, role, description: user, template };
}

const SYSTEM = '$SYS.>';

/** What reads and what frees space; publishing to a stream's own subjects is not among it. */
const READ_ONLY_SUBJECTS = [
  '$JS.API.INFO',
  '$JS.API.STREAM.NAMES',
  '$JS.API.STREAM.LIST',
  '$JS.API.STREAM.INFO.>',
  '$JS.API.STREAM.MSG.GET.>',
  '$JS.API.STREAM.MSG.DELETE.>',
  '$JS.API.STREAM.PURGE.>',
  '$JS.API.STREAM.DELETE.>',
  '$JS.API.DIRECT.GET.>',
  '$JS.API.CONSUMER.>',
  '$JS.ACK.>',
  '$JS.FC.>',
];

function userTemplate(isReadOnly: boolean): UserPermissionsLimits {
  return {
    pub: isReadOnly ? { allow: READ_ONLY_SUBJECTS, deny: [SYSTEM] } : { deny: [SYSTEM] },
    sub: { deny: [SYSTEM] },
    subs: -1,
    data: -1,
    payload: -1,
    bearer_token: false,
    allowed_connection_types: ['STANDARD'],
  };
}

/** Every limit is named: what a claim leaves out is zero to the server. */
function accountLimits(limits: QueueLimits): NonNullable<Account['limits']> {
  return {
    subs: SUBSCRIPTIONS,
    payload: limits.messageBytes,
    data: -1,
    imports: 0,
    exports: 0,
    wildcards: true,
    leaf: 0,
    disallow_bearer: true,
    // Memory is the server's, and shared: streams are files.
    mem_storage: 0,
    mem_max_stream_bytes: 0,
    disk_storage: limits.storageBytes,
    disk_max_stream_bytes: limits.storageBytes,
    streams: limits.streams,
    consumer: limits.consumersPerStream,
    max_bytes_required: true,
    max_ack_pending: MAX_ACK_PENDING,
  };
}
