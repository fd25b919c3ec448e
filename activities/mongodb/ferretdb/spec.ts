// The FerretDB process of one resource, as the host is to run it. Pure.
import { isIP } from 'node:net';
import type { ResourceLimits } from '../../../shared/resourcetype';
import type { HostProcessSpec } from '../../host/types';
import type { FerretdbState, StorageEngine } from './state';

const MIB = 1024 * 1024;
const PAGES_PER_MIB = 256;
/** Below it FerretDB cannot make its own tables. */
const FEWEST_PAGES = 64;
/** What SQLite may leave of its log file; the log would else keep the size that it once had. */
const LOG_BYTES = 256 * 1024;

/** Where a process listens while its users are being changed: on the loopback alone, whatever the host's address is. */
export const PRIVATE_ADDRESS = '127.0.0.2';
export const PLATFORM_USER = 'leasehold';
/** The database that holds the users, and nothing that is a tenant's. */
export const USERS_DATABASE = 'admin';

interface EngineLimits {
  memoryBytes: number;
  /** Above it Go collects garbage more eagerly, below it nothing changes. */
  softMemoryMib: number;
  /** Every database of SQLite takes three: what a tenant can open is thereby bounded. */
  openFiles: number;
}

const ENGINE_LIMITS: Readonly<Record<StorageEngine, EngineLimits>> = {
  sqlite: { memoryBytes: 192 * MIB, softMemoryMib: 64, openFiles: 256 },
  postgres: { memoryBytes: 384 * MIB, softMemoryMib: 192, openFiles: 1_024 },
};
const THREADS = 256;
/** It ends in 10 ms when nobody is connected, and else waits 3 s for its clients. Both storages bear a SIGKILL. */
const STOP_GRACE_MS = 300;

export interface SpecInput {
  objectName: string;
  /** Absolute path of the program. */
  binary: string;
  /** The object's own folder. */
  directory: string;
  bindAddress: string;
  port: number;
  state: Pick<FerretdbState, 'engine' | 'readOnly' | 'limits'>;
  /** From `limitsFileOf`. */
  limitsFile: string;
  /** `private` = out of its tenant's reach, and writable whatever the state says. */
  mode: 'public' | 'private';
  platformPassword: string;
  /** With the role's password; needed for engine postgres. */
  postgresUrl: string | null;
}

/** Small plans get a file with a hard cap, the others a database of Postgres. */
export function chooseEngine(limits: ResourceLimits, options: { sqliteMaxMb: number; hasPostgres: boolean }): StorageEngine {
  const small = limits.storageMb !== undefined && limits.storageMb >= 0 && limits.storageMb <= options.sqliteMaxMb;
  return small || !options.hasPostgres ? 'sqlite' : 'postgres';
}

export function processSpec(input: SpecInput): HostProcessSpec {
  const { engine, limits } = input.state;
  const { memoryBytes, softMemoryMib, openFiles } = ENGINE_LIMITS[engine];
  const readOnly = input.state.readOnly && input.mode === 'public';
  const address = input.mode === 'public' ? input.bindAddress : PRIVATE_ADDRESS;
  return {
    kind: 'mongodb',
    objectName: input.objectName,
    command: input.binary,
    args: [
      `--handler=${engine === 'sqlite' ? 'sqlite' : 'postgresql'}`,
      ...(engine === 'sqlite' ? [`--sqlite-url=${sqliteUrl(input.directory, limits, readOnly)}`] : []),
      `--listen-addr=${address.includes(':') ? `[${address}]` : address}:${input.port}`,
      '--state-dir=-',
      '--debug-addr=-',
      '--telemetry=disable',
      '--log-level=error',
      '--test-enable-new-auth',
      '--test-capped-cleanup-interval=10m',
    ],
    environment: {
      GOMAXPROCS: '1',
      GOMEMLIMIT: `${softMemoryMib}MiB`,
      // Takes effect only where there is no users' database: a tenant that drops it locks itself out, never us.
      FERRETDB_SETUP_DATABASE: USERS_DATABASE,
      FERRETDB_SETUP_USERNAME: PLATFORM_USER,
      FERRETDB_SETUP_PASSWORD: input.platformPassword,
      // The platform's own logins do not count.
      ...(input.mode === 'public' ? { LEASEHOLD_LIMITS_FILE: input.limitsFile } : {}),
      ...(engine === 'postgres' ? { FERRETDB_POSTGRESQL_URL: processPostgresUrl(input, readOnly) } : {}),
    },
    port: input.port,
    memoryLimitBytes: memoryBytes,
    maxProcesses: THREADS,
    maxOpenFiles: openFiles,
    maxFileBytes: engine === 'sqlite' ? largestFile(limits) : undefined,
    stopGraceMs: STOP_GRACE_MS,
    ...(engine === 'postgres' && needsNames(input.postgresUrl) ? { readOnlyPaths: ['/etc/hosts', '/etc/resolv.conf'] } : {}),
  };
}

/** The page cap does not count SQLite's log, which grows as long as somebody reads an old state of the database. */
function largestFile({ storageMb }: ResourceLimits): number | undefined {
  return storageMb === undefined || storageMb < 0 ? undefined : (2 * storageMb + 16) * MIB;
}

/** `query_only` and the page cap hold on every connection that FerretDB opens, for every database of the process. */
function sqliteUrl(directory: string, limits: ResourceLimits, readOnly: boolean): string {
  const pages = limits.storageMb === undefined || limits.storageMb < 0 ? null : Math.max(FEWEST_PAGES, limits.storageMb * PAGES_PER_MIB);
  const pragmas = [
    ...(pages === null ? [] : [`max_page_count(${Math.floor(pages)})`]),
    // Space that was deleted is given back, so that what is measured is what there is.
    'auto_vacuum(full)',
    `journal_size_limit(${LOG_BYTES})`,
    `wal_autocheckpoint(${LOG_BYTES / 4096})`,
    ...(readOnly ? ['query_only(true)'] : []),
  ];
  return `file:${encodeURI(directory)}/?${pragmas.map((pragma) => `_pragma=${pragma}`).join('&')}`;
}

/** A sandbox has no files by which names of machines are found. */
function needsNames(url: string | null): boolean {
  return url !== null && isIP(new URL(url).hostname.replace(/^\[|\]$/g, '')) === 0;
}

/** Unfinished cursors hold a connection each, so there are more than most clients; idle ones are let go. Few steps: each is a restart. */
export function postgresConnections({ connections }: ResourceLimits): number {
  return connections === undefined || connections < 0 || connections > 20 ? 50 : 20;
}

/** An idle process lets its connections go; nothing that a tenant sends can set a setting, so read-only is hard here. */
function processPostgresUrl({ postgresUrl, state: { limits } }: SpecInput, readOnly: boolean): string {
  if (postgresUrl === null) throw new Error('engine postgres without a url');
  const url = new URL(postgresUrl);
  url.searchParams.set('pool_max_conns', String(postgresConnections(limits)));
  url.searchParams.set('pool_max_conn_idle_time', '1m');
  if (readOnly) url.searchParams.set('default_transaction_read_only', 'on');
  return url.href;
}
