import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { oneLine, StackError } from './errors';
import { adopt, type Launched, launch } from './launch';
import { type PostgresPlace, placePostgres } from './postgres-place';
import { commandLine, identify, isRunning, type ProcessIdentity, terminate } from './process-identity';

export interface PostgresOptions {
  /** The folder that holds data (`<home>/<name>`) and logs (`<home>/logs/<name>.log`). */
  home: string;
  name: string;
  port: number;
  superuser: string;
  password: string;
  maxConnections: number;
  /** Lines of pg_hba.conf, written at every start: what may connect is decided here and nowhere else. */
  hba: string[];
  /** Tests may turn it off; a server that keeps data may not. */
  fsync?: boolean;
  /** Whether extensions may be put beside the data, in `extensionFolderOf`; at any time, and found without a restart. */
  extensions?: boolean;
  /** Told when data or binaries had to be put outside the home. */
  onMoved?: (folder: string) => void;
  /** Told as soon as the process exists, long before it answers. */
  onLaunched?: (identity: ProcessIdentity) => void;
  /** Ends initdb when the start is given up. */
  signal?: AbortSignal;
}

export interface RunningServer {
  launched: Launched;
  adopted: boolean;
  stop: (graceMs?: number) => Promise<void>;
}

// Nothing of our environment goes in: a tenant's session can read its server's settings, and ours holds the platform's keys.
const CLEAN_ENV = { PATH: '/usr/local/bin:/usr/bin:/bin', LC_ALL: 'C.UTF-8', TZ: 'UTC' };

/** Makes the cluster on the first call, starts the server and waits until it answers. A server that still runs from before is adopted. */
export async function startPostgres(options: PostgresOptions): Promise<RunningServer> {
  const place = placePostgres(options);
  if (place.movedTo) options.onMoved?.(place.movedTo);
  await createCluster(options, place);
  writeFileSync(join(place.dataDir, 'pg_hba.conf'), `${options.hba.join('\n')}\n`, { mode: 0o600 });
  if (place.user) chownSync(join(place.dataDir, 'pg_hba.conf'), place.user.uid, place.user.gid);

  const logFile = join(options.home, 'logs', `${options.name}.log`);
  const command = join(place.binFolder, 'postgres');
  const args = serverArguments(options, place);
  const leftover = findLeftover(place.dataDir);
  const same = leftover !== undefined && commandLine(leftover.pid) === [command, ...args].join(' ');
  if (leftover && !same) await stopPostgres(leftover);
  const launched = leftover && same ? adopt(leftover, logFile) : await launch({ command, args, logFile, env: CLEAN_ENV, ...place.user });
  options.onLaunched?.(launched.identity);
  const stop = (graceMs?: number) => stopPostgres(launched.identity, graceMs);
  try {
    await waitForPostgres(options, launched);
  } catch (error) {
    await stop();
    throw error;
  }
  return { launched, adopted: same, stop };
}

/** Fast shutdown (sessions are cut, a checkpoint is written); immediate when that takes too long; recovery mends what a kill leaves. */
export function stopPostgres(identity: ProcessIdentity, graceMs = 10_000): Promise<void> {
  return terminate(identity, [
    { signal: 'SIGINT', waitMs: graceMs },
    { signal: 'SIGQUIT', waitMs: 1_000 },
    { signal: 'SIGKILL', waitMs: 2_000 },
  ]);
}

export function postgresUrl(options: { user: string; password?: string; port: number; database: string }): string {
  const password = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}`;
  return `postgres://${options.user}${password}@127.0.0.1:${options.port}/${options.database}`;
}

/** initdb into a folder beside, then one rename: a start that is killed half way leaves no half a cluster behind. */
async function createCluster(options: PostgresOptions, place: PostgresPlace): Promise<void> {
  removeAbandoned(place.dataDir);
  if (existsSync(join(place.dataDir, 'PG_VERSION'))) return;
  // A name of its own for each attempt: the initdb of a start that was killed may still be writing.
  const fresh = `${place.dataDir}.init-${randomBytes(6).toString('hex')}`;
  const passwordFile = `${fresh}.pw`;
  mkdirSync(fresh, { mode: 0o700 });
  try {
    writeFileSync(passwordFile, `${options.password}\n`, { mode: 0o600 });
    if (place.user) for (const path of [fresh, passwordFile]) chownSync(path, place.user.uid, place.user.gid);
    const args = [
      '-D',
      fresh,
      '-U',
      options.superuser,
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C.UTF-8',
    ];
    if (options.fsync === false) args.push('--no-sync');
    await run(join(place.binFolder, 'initdb'), args, { ...place.user, signal: options.signal });
    rmSync(place.dataDir, { recursive: true });
    renameSync(fresh, place.dataDir);
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(fresh, { recursive: true, force: true });
  }
}

function removeAbandoned(dataDir: string): void {
  const folder = dirname(dataDir);
  for (const entry of readdirSync(folder).filter((name) => name.startsWith(`${basename(dataDir)}.init-`))) {
    try {
      rmSync(join(folder, entry), { recursive: true, force: true });
    } catch {
      // Still being written to; the next first start removes it.
    }
  }
}

function run(command: string, args: string[], options: { uid?: number; gid?: number; signal?: AbortSignal }): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: '/', env: CLEAN_ENV, stdio: ['ignore', 'ignore', 'pipe'], ...options });
    let errors = '';
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    child.once('error', (error) => reject(new StackError(`cannot run ${command}: ${oneLine(error)}`)));
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new StackError(`initdb failed: ${oneLine(errors) || `exit code ${code}`}`)),
    );
  });
}

function serverArguments(options: PostgresOptions, { dataDir, extensionFolder }: PostgresPlace): string[] {
  const settings: Record<string, string | number> = {
    port: options.port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: options.maxConnections,
    password_encryption: 'scram-sha-256',
    // A failing `... PASSWORD '...'` would otherwise be written to the log with the password in it.
    log_min_error_statement: 'panic',
    log_line_prefix: '%m [%p] %q%u@%d ',
  };
  if (options.extensions) {
    Object.assign(settings, {
      extension_control_path: `$system:${extensionFolder}`,
      dynamic_library_path: `$libdir:${extensionFolder}`,
    });
  }
  if (options.fsync === false) Object.assign(settings, { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' });
  return ['-D', dataDir, ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])];
}

/** The server that an earlier start left on this data, found by Postgres' own pid file and the command line of that pid. */
function findLeftover(dataDir: string): ProcessIdentity | undefined {
  const pidFile = join(dataDir, 'postmaster.pid');
  if (!existsSync(pidFile)) return undefined;
  const identity = identify(Number(readFileSync(pidFile, 'utf8').split('\n')[0]));
  if (!identity) return undefined;
  if (commandLine(identity.pid).includes(`-D ${dataDir} `)) return identity;
  // After a reboot the pid may be somebody else's, and Postgres would refuse to start because of it.
  rmSync(pidFile, { force: true });
  return undefined;
}

async function waitForPostgres(options: PostgresOptions, launched: Launched): Promise<void> {
  const url = postgresUrl({ user: options.superuser, password: options.password, port: options.port, database: 'postgres' });
  const deadline = Date.now() + 60_000;
  for (;;) {
    if (!isRunning(launched.identity)) throw new StackError(`${options.name} did not start: ${launched.lastErrorLine() || 'see its log'}`);
    try {
      await withClient(url, (client) => client.query('SELECT 1'));
      return;
    } catch (error) {
      const code = (error as { code?: string }).code;
      if (code === '28P01')
        throw new StackError(`${options.name} refuses the password of secrets.json: restore that file, or npm run stack -- reset`);
      if (Date.now() > deadline) throw new StackError(`${options.name} does not answer after 60 s: ${oneLine(error)}`);
      await sleep(25);
    }
  }
}

export async function withClient<T>(connectionString: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 5_000, application_name: 'leasehold-stack' });
  client.on('error', () => {});
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
