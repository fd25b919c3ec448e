// Reads where a store is and how it is used, out of the admin url and the backend's options.
import { isStorageMode, type StorageMode } from './modes';
import type { StorageKey } from './types';
import {
  isProviderName,
  PROVIDER_NAMES,
  type ProviderName,
  parseVendorOptions,
  text,
  VENDOR_RULES,
  type VendorOptions,
} from './vendoroptions';

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
  /** For the vendor's own API, where it has one beside S3. */
  apiToken: string | null;
  /** What only this vendor's stores have. */
  vendor: VendorOptions;
}

const COMMON_OPTIONS = ['provider', 'region', 'mode', 'session_hours', 'shared_key_env', 'shared_principal'];

export type StoreOptions = Readonly<Record<string, string | number | boolean>>;

export interface StoreSecrets {
  /** `<access key>:<secret>` */
  shared?: string;
  apiToken?: string;
}

/**
 * @param adminUrl `http(s)://<access key>:<secret>@<host>[:<port>]`
 * @throws Error with one line that names the option
 */
export function parseStoreConfig(
  adminUrl: string,
  options: StoreOptions,
  given: StoreSecrets & { weakIsolation?: boolean } = {},
): StoreConfig {
  const provider = optionalText(options, 'provider') ?? 'seaweedfs';
  if (!isProviderName(provider)) throw new Error(`storage option provider must be one of ${PROVIDER_NAMES.join(', ')}`);
  const rules = VENDOR_RULES[provider];
  const known = [...COMMON_OPTIONS, ...(rules.apiToken === 'none' ? [] : ['api_token_env']), ...Object.keys(rules.options)];
  for (const name of Object.keys(options))
    if (!known.includes(name)) throw new Error(`storage option ${name} is not known to ${provider}: use ${known.join(', ')}`);
  if (rules.apiToken === 'needed' && given.apiToken === undefined)
    throw new Error(`${provider} is managed by an API of its own: name the variable with its token in the option api_token_env`);
  const url = parseAdminUrl(adminUrl);
  const mode = optionalText(options, 'mode');
  if (mode !== undefined && !isStorageMode(mode)) throw new Error(`storage option mode ${mode} is not known`);
  return {
    provider,
    endpoint: url.origin,
    region: optionalText(options, 'region') ?? rules.region(url.hostname),
    admin: adminKeyOf(url),
    ...(mode === undefined ? {} : { mode }),
    weakIsolationAllowed: given.weakIsolation === true,
    shared: given.shared === undefined ? null : sharedKey(given.shared, optionalText(options, 'shared_principal') ?? rules.sharedPrincipal),
    sessionSeconds: Math.round(hours(options.session_hours, rules.sessionHours) * 3600),
    apiToken: given.apiToken ?? null,
    vendor: parseVendorOptions(options, rules),
  };
}

export function adminKeyOf({ username, password }: URL): StorageKey {
  return { accessKeyId: decodeURIComponent(username), secretAccessKey: decodeURIComponent(password) };
}

function parseAdminUrl(adminUrl: string): URL {
  if (!URL.canParse(adminUrl))
    throw new Error('the admin url of the object store is not a url: write http://<access key>:<secret>@<host>:<port>');
  const url = new URL(adminUrl);
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new Error('the admin url of the object store must begin with http:// or https://');
  if (url.username === '' || url.password === '')
    throw new Error('the admin url of the object store holds no key: write http://<access key>:<secret>@<host>:<port>');
  return url;
}

function optionalText(options: StoreOptions, name: string): string | undefined {
  const value = options[name];
  return value === undefined ? undefined : text(name, value);
}

function hours(value: string | number | boolean | undefined, usual: number): number {
  if (value === undefined) return usual;
  if (typeof value === 'number' && value >= 0.25 && value <= 36) return value;
  throw new Error('storage option session_hours must be a number from 0.25 to 36');
}

function sharedKey(pair: string, principal: string | undefined): StoreConfig['shared'] {
  const [accessKeyId, secretAccessKey, ...rest] = pair.split(':');
  if (!accessKeyId || !secretAccessKey || rest.length > 0)
    throw new Error('the shared key of the object store must be <access key>:<secret>');
  if (principal === undefined) throw new Error('a shared key needs the option shared_principal: the ARN of the user that it belongs to');
  return { key: { accessKeyId, secretAccessKey }, principal };
}
