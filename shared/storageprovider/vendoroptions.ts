// What the configuration of each vendor's store may hold besides what every store has, and what is usual there: a line for each vendor.

export const PROVIDER_NAMES = ['seaweedfs', 'minio', 'aws', 'r2', 'spaces'] as const;
export type ProviderName = (typeof PROVIDER_NAMES)[number];

type OptionKind = 'text' | 'url' | 'flag';

export interface VendorRules {
  /** Options of this vendor alone, by name. */
  options: Readonly<Record<string, OptionKind>>;
  /** Where the backend's options name none. @param host of the admin url */
  region: (host: string) => string;
  sessionHours: number;
  /** Whether its own API is spoken with a token, which `api_token_env` names. */
  apiToken: 'none' | 'optional' | 'needed';
  /** Needed to hand out a shared key whose principal is not named. */
  sharedPrincipal?: string;
}

const DEFAULT_REGION = 'us-east-1';
// The longest that STS gives to a user: more than most leases are.
const LONGEST_SESSION_HOURS = 36;
const plain = { options: {}, region: () => DEFAULT_REGION, sessionHours: LONGEST_SESSION_HOURS, apiToken: 'none' } as const;

export const VENDOR_RULES: Readonly<Record<ProviderName, VendorRules>> = {
  seaweedfs: { ...plain, sharedPrincipal: 'arn:aws:iam::000000000000:user/shared' },
  minio: plain,
  aws: { ...plain, options: { iam_endpoint: 'url', sts_endpoint: 'url', own_buckets: 'flag' }, region: awsRegionOf },
  // What it signs with a session cannot be ended before its time: so the sessions are short.
  r2: {
    options: { account_id: 'text', api_endpoint: 'url', late_cut: 'flag' },
    region: () => 'auto',
    sessionHours: 1,
    apiToken: 'optional',
  },
  // The region is in the host; what is signed names this one.
  spaces: { ...plain, options: { api_endpoint: 'url' }, apiToken: 'optional' },
};

export function isProviderName(name: string): name is ProviderName {
  return (PROVIDER_NAMES as readonly string[]).includes(name);
}

/** `s3.eu-west-1.amazonaws.com`, `s3.cn-north-1.amazonaws.com.cn`, `s3.dualstack.eu-west-1...`; the global host is us-east-1's. */
function awsRegionOf(host: string): string {
  return /^s3(?:-fips)?\.(?:dualstack\.)?([a-z]+(?:-[a-z]+)+-\d)\.amazonaws\.com/.exec(host)?.[1] ?? DEFAULT_REGION;
}

export type VendorOptions = Readonly<Record<string, string | boolean>>;

/** @throws Error with one line that names the option */
export function parseVendorOptions(
  given: Readonly<Record<string, string | number | boolean>>,
  { options }: Pick<VendorRules, 'options'>,
): VendorOptions {
  const parsed: Record<string, string | boolean> = {};
  for (const [name, kind] of Object.entries(options)) {
    const value = given[name];
    if (value === undefined) continue;
    parsed[name] = kind === 'flag' ? flag(name, value) : kind === 'url' ? url(name, value) : text(name, value);
  }
  return parsed;
}

export function text(name: string, value: string | number | boolean): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new Error(`storage option ${name} must be text`);
}

function flag(name: string, value: string | number | boolean): boolean {
  if (typeof value === 'boolean') return value;
  throw new Error(`storage option ${name} must be true or false`);
}

/** Without a slash at its end. */
function url(name: string, value: string | number | boolean): string {
  if (typeof value === 'string' && URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return value.replace(/\/+$/, '');
  throw new Error(`storage option ${name} must be a url that begins with http:// or https://`);
}
