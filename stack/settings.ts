import { join, resolve } from 'node:path';
import { StackError } from './errors';

/** What the operator decides, read from the environment once. docs/configuration.md describes each. */
export interface Settings {
  root: string;
  home: string;
  cacheDir: string;
  host: string;
  port: number;
  /** Where this machine reaches the api itself, whatever the base url says to the world. */
  localUrl: string;
  baseUrl: string;
  plans: string;
  backends: string;
  logLevel: string;
  temporalNamespace: string;
  temporalBinary?: string;
  temporalDynamicConfig: string[];
  workerMetricsPort?: number;
  external: { database?: { appUrl: string; ownerUrl: string }; tenantsAdminUrl?: string; temporalAddress?: string; temporalUiUrl?: string };
}

export function readSettings(env: NodeJS.ProcessEnv, root: string): Settings {
  const text = (name: string) => env[name]?.trim() || undefined;
  const path = (name: string, fallback: string) => resolve(root, text(name) ?? fallback);
  const home = path('LEASEHOLD_HOME', '.leasehold');
  const host = text('LEASEHOLD_HOST') ?? '127.0.0.1';
  const port = portOf(env, 'PORT') ?? 8080;
  const localHost = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  const localUrl = `http://${localHost}:${port}`;
  return {
    root,
    home,
    cacheDir: text('LEASEHOLD_CACHE') ? path('LEASEHOLD_CACHE', '') : join(home, 'cache'),
    host,
    port,
    localUrl,
    baseUrl: text('LEASEHOLD_BASE_URL')?.replace(/\/+$/, '') ?? localUrl,
    plans: path('LEASEHOLD_PLANS', 'plans.yaml'),
    backends: path('LEASEHOLD_BACKENDS', 'backends.yaml'),
    logLevel: text('LEASEHOLD_LOG') ?? 'info',
    temporalNamespace: text('LEASEHOLD_TEMPORAL_NAMESPACE') ?? 'leasehold',
    temporalBinary: text('LEASEHOLD_TEMPORAL_BIN'),
    temporalDynamicConfig: pairs(text('LEASEHOLD_TEMPORAL_DYNAMIC_CONFIG')),
    workerMetricsPort: portOf(env, 'LEASEHOLD_WORKER_METRICS_PORT'),
    external: {
      database: externalDatabase(text('LEASEHOLD_DATABASE_URL'), text('LEASEHOLD_DATABASE_OWNER_URL')),
      tenantsAdminUrl: text('LEASEHOLD_POSTGRES_TENANTS_ADMIN_URL'),
      temporalAddress: text('LEASEHOLD_TEMPORAL_ADDRESS'),
      temporalUiUrl: text('LEASEHOLD_TEMPORAL_UI_URL'),
    },
  };
}

function externalDatabase(appUrl?: string, ownerUrl?: string): Settings['external']['database'] {
  if (appUrl && ownerUrl) return { appUrl, ownerUrl };
  if (!appUrl && !ownerUrl) return undefined;
  throw new StackError(
    'LEASEHOLD_DATABASE_URL and LEASEHOLD_DATABASE_OWNER_URL go together: set both for an external database, or neither',
  );
}

function portOf(env: NodeJS.ProcessEnv, name: string): number | undefined {
  const value = env[name]?.trim();
  if (!value) return undefined;
  const port = Number(value);
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return port;
  throw new StackError(`${name}=${value} is not a port: give a number from 1 to 65535`);
}

function pairs(value: string | undefined): string[] {
  const list = (value ?? '').split(';').filter((pair) => pair.trim() !== '');
  for (const pair of list)
    if (!/^[^=]+=.+/.test(pair)) throw new StackError(`LEASEHOLD_TEMPORAL_DYNAMIC_CONFIG holds "${pair}": write key=value;key=value`);
  return list.map((pair) => pair.trim());
}
