// A whole product in a folder of its own: started, asked and stopped as a user does it, by its command line and its addresses.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type QueryResultRow } from 'pg';
import { parseDocument } from 'yaml';
import { inventory } from '../../bench/inventory';
import { backendsWithOwnPorts, environmentOf } from '../../bench/stack';
import { findFreePort } from '../../stack/ports';
import { isRunning, type ProcessIdentity } from '../../stack/process-identity';
import type { Secrets } from '../../stack/secrets';
import { findTemporal } from '../../stack/temporal-fetch';
import { type Answer, type CallOptions, call } from './http';

export const ROOT = join(__dirname, '../..');
const SCRIPT = join(ROOT, 'dist/stack/processes/stack.js');
const CACHE = process.env.LEASEHOLD_CACHE ?? join(ROOT, '.leasehold/cache');
const READY = /^ready after /m;

export interface CommandResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A folder that the stack's servers can reach, also when they run as another user. */
export function makeTemporaryHome(): string {
  const home = mkdtempSync(join(tmpdir(), 'leasehold-system-'));
  chmodSync(home, 0o755);
  return home;
}

/** The repository's plans with an anonymous plan whose warnings come in seconds. */
export function writeSecondsPlans(file: string, rungs: readonly string[] = ['30s', '20s', '10s']): void {
  const plans = parseDocument(readFileSync(join(ROOT, 'plans.yaml'), 'utf8'));
  plans.setIn(['minimum_ttl'], '10s');
  plans.setIn(['plans', 'anonymous', 'rungs'], rungs);
  plans.setIn(['plans', 'anonymous', 'grace'], '0s');
  writeFileSync(file, plans.toString());
}

export function run(command: string, args: string[], options: { env?: NodeJS.ProcessEnv; cwd?: string; timeoutMs?: number } = {}) {
  return new Promise<CommandResult>((resolve, reject) => {
    const { env = process.env, cwd = ROOT, timeoutMs = 120_000 } = options;
    const child = spawn(command, args, { env, cwd, stdio: ['ignore', 'pipe', 'pipe'], timeout: timeoutMs });
    const output = collect(child);
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...output }));
  });
}

function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (chunk: Buffer) => {
    output.stdout += chunk.toString('utf8');
  });
  child.stderr?.on('data', (chunk: Buffer) => {
    output.stderr += chunk.toString('utf8');
  });
  return output;
}

/** Repeats `look` until it gives something other than false, null or undefined. */
export async function until<T>(
  what: string,
  look: () => Promise<T | false | null | undefined>,
  { timeoutMs = 60_000, everyMs = 50 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const seen = await look();
    if (seen !== false && seen !== null && seen !== undefined) return seen;
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await sleep(everyMs);
  }
}

/** What the start of a process takes at most on a machine that does nothing else. */
const START_MS = 100;

/** Of three starts of a process that does nothing, the middle one: the mean load says neither how slow a machine is nor what it does now. */
function startMs(): number {
  const times = [1, 2, 3].map(() => {
    const began = performance.now();
    spawnSync(process.execPath, ['-e', '0']);
    return performance.now() - began;
  });
  return times.sort((a, b) => a - b)[1] ?? 0;
}

/** The product's time limits are for a machine that does nothing else: a slow one and foreign load stretch them, up to four times. */
export function stretched(ms: number): number {
  const busy = (loadavg()[0] ?? 0) / availableParallelism();
  return ms * Math.min(4, Math.max(1, busy / 2, startMs() / START_MS));
}

/** Processes that have the folder in their command line, their environment or as their working directory. */
export function processesOf(folder: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      const traces = [command, readFileSync(`/proc/${pid}/environ`, 'utf8'), readlinkSync(`/proc/${pid}/cwd`)];
      if (command !== '' && traces.some((trace) => trace.includes(folder))) found.push(`${pid} ${command.slice(0, 120)}`);
    } catch {
      // Ended while it was looked at.
    }
  }
  return found;
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Ended since it was looked at.
  }
}

export class Stack {
  readonly home = makeTemporaryHome();
  port = 0;
  /** Secrets that answers have held so far: none of them may turn up where secrets do not belong. */
  readonly told = new Set<string>();
  /** Of the last start, until it said that it was ready. */
  startMs = 0;
  #supervisor: ChildProcess | undefined;
  #output = { stdout: '', stderr: '' };

  /** @param settings more of the environment, such as LEASEHOLD_KINDS */
  constructor(
    readonly settings: Record<string, string> = {},
    private readonly options: { secondHost?: string; rungs?: readonly string[]; backends?: () => string; readyMs?: number } = {},
  ) {}

  get baseUrl(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get output(): string {
    return this.#output.stdout;
  }

  get env(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      LEASEHOLD_HOME: this.home,
      LEASEHOLD_CACHE: CACHE,
      LEASEHOLD_PLANS: join(this.home, 'test-plans.yaml'),
      LEASEHOLD_BACKENDS: this.backendsFile,
      PORT: String(this.port),
      ...this.settings,
    };
  }

  get backendsFile(): string {
    return join(this.home, 'test-backends.yaml');
  }

  /** Of the servers behind it, as the worker is given them. */
  adminUrl(variable: string): string | undefined {
    const worker = this.#pidOf('worker');
    return worker === undefined ? undefined : environmentOf(worker).get(variable);
  }

  /** What is left on its servers of this installation, by server. */
  inventory(): Promise<Map<string, string[]>> {
    const password = encodeURIComponent(this.secrets.postgresTenantsAdmin);
    return inventory({
      home: this.home,
      backendsFile: this.backendsFile,
      installationId: this.secrets.installationId,
      tenantsAdminUrl: `postgres://leasehold_admin:${password}@127.0.0.1:${this.ports['postgres-tenants']}/postgres`,
      adminUrl: (variable) => this.adminUrl(variable),
    });
  }

  get secrets(): Secrets {
    return JSON.parse(readFileSync(join(this.home, 'secrets.json'), 'utf8'));
  }

  get ports(): Record<string, number> {
    return JSON.parse(readFileSync(join(this.home, 'state/stack.json'), 'utf8')).ports;
  }

  get supervisorPid(): number {
    const pid = this.#supervisor?.pid;
    if (pid === undefined) throw new Error('the stack was not started');
    return pid;
  }

  async start(): Promise<void> {
    if (this.port === 0) {
      this.port = await findFreePort();
      writeSecondsPlans(join(this.home, 'test-plans.yaml'), this.options.rungs);
      const { secondHost, backends = () => backendsWithOwnPorts({ secondHost }) } = this.options;
      writeFileSync(this.backendsFile, backends());
    }
    const began = Date.now();
    const child = spawn(process.execPath, [SCRIPT, 'start'], { cwd: ROOT, env: this.env, stdio: ['ignore', 'pipe', 'pipe'] });
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    this.#supervisor = child;
    this.#output = collect(child);
    const output = this.#output;
    await Promise.race([
      until('the stack is ready', async () => READY.test(output.stdout), { timeoutMs: this.options.readyMs ?? 170_000, everyMs: 10 }),
      ended.then(() => {
        throw new Error(`the stack ended at start: ${output.stdout}${output.stderr}`);
      }),
    ]);
    this.startMs = Date.now() - began;
  }

  /** The stack's own command line. */
  cli(...args: string[]): Promise<CommandResult> {
    return run(process.execPath, [SCRIPT, ...args], { env: this.env });
  }

  /** As the supervisor has written it down; undefined while it does not run. */
  #pidOf(name: string): number | undefined {
    const { processes } = JSON.parse(readFileSync(join(this.home, 'state/stack.json'), 'utf8'));
    const identity: ProcessIdentity | undefined = processes[name];
    return identity && isRunning(identity) ? identity.pid : undefined;
  }

  runs(name: string): boolean {
    return this.#pidOf(name) !== undefined;
  }

  /** Resolves once the supervisor has said so often that the process is ready again. */
  async isBack(name: string, times: number): Promise<void> {
    const said = () => this.output.split('\n').filter((line) => line.startsWith(`${name} is back`)).length;
    await until(`${name} is back`, async () => said() >= times);
  }

  /** kill -9 */
  killHard(name: string): void {
    this.signal(name, 'SIGKILL');
  }

  signal(name: string, signal: NodeJS.Signals): void {
    const pid = this.#pidOf(name);
    if (pid === undefined) throw new Error(`${name} does not run`);
    process.kill(pid, signal);
  }

  /** Whatever a failed test left is ended by force; then the data goes, as `reset` does it. */
  async dispose(): Promise<void> {
    if (this.#supervisor) await this.cli('stop');
    await until('every process of the test is gone', async () => {
      const left = processesOf(this.home);
      for (const line of left) killQuietly(Number(line.split(' ')[0]));
      return left.length === 0;
    });
    if (existsSync(join(this.home, 'state'))) await this.cli('reset', '--yes');
    rmSync(this.home, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Resolves when the supervisor has ended; milliseconds from now, and its exit code. */
  async ended(): Promise<{ ms: number; code: number | null }> {
    const began = Date.now();
    const child = this.#supervisor;
    if (child && child.exitCode === null && child.signalCode === null) await new Promise((resolve) => child.once('exit', resolve));
    return { ms: Date.now() - began, code: child?.exitCode ?? null };
  }

  // --- Its addresses ------------------------------------------------------------------------------------------------

  async call(route: string, options: CallOptions = {}): Promise<Answer> {
    const answer = await call(this.baseUrl, route, options);
    this.remember(answer.body);
    return answer;
  }

  remember(body: Answer['body']): void {
    const { connection_url: url, token, upgrade_jwt: jwt } = body;
    if (url) this.told.add(decodeURIComponent(new URL(url).password));
    if (token) this.told.add(token);
    if (jwt) this.told.add(jwt);
  }

  /** Rows of the platform's database. */
  platform<Row extends QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const password = encodeURIComponent(this.secrets.postgresPlatformRoot);
    return query(`postgres://leasehold_root:${password}@127.0.0.1:${this.ports['postgres-platform']}/leasehold`, text, values);
  }

  /** Rows of the tenants' server. */
  tenants<Row extends QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    const password = encodeURIComponent(this.secrets.postgresTenantsAdmin);
    return query(`postgres://leasehold_admin:${password}@127.0.0.1:${this.ports['postgres-tenants']}/postgres`, text, values);
  }

  async objectNameOf(resourceId: string): Promise<string> {
    const [row] = await this.platform<{ object_name: string }>('SELECT object_name FROM resources WHERE id = $1', [resourceId]);
    if (!row) throw new Error(`resource ${resourceId} has no row`);
    return row.object_name;
  }

  /** Databases and roles on the tenants' server whose name begins so. */
  async objectsNamed(prefix: string): Promise<string[]> {
    const rows = await this.tenants<{ name: string }>(
      `SELECT 'database ' || datname AS name FROM pg_database WHERE starts_with(datname, $1)
       UNION ALL SELECT 'role ' || rolname FROM pg_roles WHERE starts_with(rolname, $1) ORDER BY 1`,
      [prefix],
    );
    return rows.map((row) => row.name);
  }

  /** The `temporal` command, the fetched one, on this stack's server. */
  async temporal(...args: string[]): Promise<CommandResult> {
    const { path } = await findTemporal({ cacheDir: CACHE, binary: process.env.LEASEHOLD_TEMPORAL_BIN });
    return run(path, [...args, '--address', `127.0.0.1:${this.ports.temporal}`, '--namespace', 'leasehold']);
  }
}

async function query<Row extends QueryResultRow>(connectionString: string, text: string, values: unknown[]): Promise<Row[]> {
  const client = new Client({ connectionString, connectionTimeoutMillis: 20_000, application_name: 'leasehold-test' });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** Runs SQL on a url as it was handed out: with psql where there is one, else with pg. Rows as lines, columns with `|` between. */
export async function psql(url: string, sql: string): Promise<CommandResult> {
  const env = { ...process.env, PGCONNECT_TIMEOUT: '20' };
  try {
    const result = await run('psql', [url, '-X', '-A', '-t', '-q', '-v', 'ON_ERROR_STOP=1', '-c', sql], { env });
    return { ...result, stdout: result.stdout.trimEnd() };
  } catch (error) {
    if ((error as { code?: string }).code !== 'ENOENT') throw error;
  }
  try {
    const rows = await query<Record<string, unknown>>(url, sql, []);
    return { code: 0, stdout: rows.map((row) => Object.values(row).join('|')).join('\n'), stderr: '' };
  } catch (error) {
    return { code: 2, stdout: '', stderr: error instanceof Error ? error.message : String(error) };
  }
}
