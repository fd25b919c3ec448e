// Reads where a store is and how it is used, out of the admin url and the backend's options.
import { isStorageMode, type StorageMode } from './modes';
import type { StorageKey } from './types';

export const PROVIDER_NAMES = ['seaweedfs'] as const;
export type ProviderName = (typeof PROVIDER_NAMES)[number];

export interface StoreConfig {
  provider: ProviderName;
  /** Without a slash at its end. */
  endpoint: string;
  region: string;
  admin: StorageKey;
  /** Absent = the first mode that the store can. */
  mode?: StorageMode;
  weakIsolationAllowed: boolean;
  /** The key of mode shared-master-key, with the ARN that the bucket's policy knows its user by. */
  shared: { key: StorageKey; principal: string } | null;
  sessionSeconds: number;
}

export const DEFAULT_REGION = 'us-east-1';
// The longest that STS gives to a user: more than most leases are.
const DEFAULT_SESSION_HOURS = 36;
const SEAWEEDFS_SHARED_PRINCIPAL = 'arn:aws:iam::000000000000:user/shared';

export type StoreOptions = Readonly<Record<string, string | number | boolean>>;

/**
 * @param adminUrl `http(s)://<access key>:<secret>@<host>[:<port>]`
 * @param shared `<access key>:<secret>`
 * @throws Error with one line that names the option
 */
export function parseStoreConfig(
  adminUrl: string,
  options: StoreOptions,
  given: { shared?: string; weakIsolation?: boolean } = {},
): StoreConfig {
  const known = ['provider', 'region', 'mode', 'session_hours', 'shared_key_env', 'shared_principal'];
  for (const name of Object.keys(options))
    if (!known.includes(name)) throw new Error(`storage option ${name} is not known: use ${known.join(', ')}`);
  if (!URL.canParse(adminUrl))
    throw new Error('the admin url of the object store is not a url: write http://<access key>:<secret>@<host>:<port>');
  const url = new URL(adminUrl);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Error('the admin url of the object store must begin with http:// or https://');
  if (url.username === '' || url.password === '')
    throw new Error('the admin url of the object store holds no key: write http://<access key>:<secret>@<host>:<port>');
  const provider = text(options, 'provider') ?? 'seaweedfs';
  const mode = text(options, 'mode');
  if (!isProviderName(provider)) throw new Error(`storage option provider must be one of ${PROVIDER_NAMES.join(', ')}`);
  if (mode !== undefined && !isStorageMode(mode)) throw new Error(`storage option mode ${mode} is not known`);
  return {
    provider,
    endpoint: url.origin,
    region: text(options, 'region') ?? DEFAULT_REGION,
    admin: { accessKeyId: decodeURIComponent(url.username), secretAccessKey: decodeURIComponent(url.password) },
    ...(mode === undefined ? {} : { mode }),
    weakIsolationAllowed: given.weakIsolation === true,
    shared: given.shared === undefined ? null : sharedKey(given.shared, text(options, 'shared_principal') ?? SEAWEEDFS_SHARED_PRINCIPAL),
    sessionSeconds: Math.round(hours(options.session_hours) * 3600),
  };
}

function isProviderName(name: string): name is ProviderName {
  return (PROVIDER_NAMES as readonly string[]).includes(name);
}

function text(options: StoreOptions, name: string): string | undefined {
  const value = options[name];
  if (value === undefined) return undefined;
  if (typeof value === 'string' && value !== '') return value;
  throw new Error(`storage option ${name} must be text`);
}

function hours(value: string | number | boolean | undefined): number {
  if (value === undefined) return DEFAULT_SESSION_HOURS;
  if (typeof value === 'number' && value >= 0.25 && value <= 36) return value;
  throw new Error('storage option session_hours must be a number from 0.25 to 36');
}

function sharedKey(pair: string, principal: string): StoreConfig['shared'] {
  const [accessKeyId, secretAccessKey, ...rest] = pair.split(':');
  if (!accessKeyId || !secretAccessKey || rest.length > 0)
    throw new Error('the shared key of the object store must be <access key>:<secret>');
  return { key: { accessKeyId, secretAccessKey }, principal };
}
