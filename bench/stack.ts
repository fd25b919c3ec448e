// A throw-away installation: the product's own stack in a folder of its own, fsync on, stopped and removed at the end.
import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { packageRoot } from '../stack/paths';
import { findFreePort } from '../stack/ports';
import { postgresUrl } from '../stack/postgres';
import { APP_ROLE, DATABASE, PLATFORM, TENANTS, TENANTS_SUPERUSER } from '../stack/postgres-servers';
import { loadSecrets } from '../stack/secrets';
import { readState } from '../stack/state';
import { WORKER } from '../stack/stop-order';
import { TEMPORAL } from '../stack/temporal';

const STACK_SCRIPT = join(packageRoot(), 'dist', 'stack', 'processes', 'stack.js');
const READY_LINE = /^ready after /m;
/** With every server that can be had, on a machine that does other things besides. */
const READY_MS = 300_000;
const STOP_MS = 30_000;

export interface BenchStack {
  dir: string;
  home: string;
  backendsFile: string;
  installationId: string;
  apiKey: string;
  operatorKey: string;
  /** What the supervisor has printed so far. */
  said: () => string;
  /** The admin url of a backend, by the variable that backends.yaml names; undefined while it has none. */
  adminUrl: (variable: string) => string | undefined;
  apiUrl: string;
  temporalAddress: string;
  namespace: string;
  platformUrl: string;
  tenantsAdminUrl: string;
  supervisorPid: number;
  /** The stack's processes by name. */
  pids: Map<string, number>;
  stop: () => Promise<void>;
}

/** `plans` and `backends` are the texts of these files; the pools' refill is off until somebody says otherwise. */
export async function startBenchStack(options: { plans: string; backends?: string; env?: NodeJS.ProcessEnv }): Promise<BenchStack> {
  const dir = mkdtempSync(join(tmpdir(), 'leasehold-bench-'));
  // Postgres runs as a user of its own when we are root; that user must reach its data.
  chmodSync(dir, 0o755);
  const plansFile = join(dir, 'plans.yaml');
  writeFileSync(plansFile, options.plans);
  const backendsFile = join(dir, 'backends.yaml');
  writeFileSync(backendsFile, options.backends ?? backendsWithOwnPorts());
  const home = join(dir, 'home');
  const port = await findFreePort();
  const namespace = 'leasehold';
  const env: NodeJS.ProcessEnv = {
    ...withoutOurs(process.env),
    LEASEHOLD_HOME: home,
    LEASEHOLD_CACHE: process.env.LEASEHOLD_CACHE ?? join(packageRoot(), '.leasehold', 'cache'),
    LEASEHOLD_PLANS: plansFile,
    LEASEHOLD_BACKENDS: backendsFile,
    LEASEHOLD_TEMPORAL_NAMESPACE: namespace,
    LEASEHOLD_POOL_REFILL: 'off',
    PORT: String(port),
    ...options.env,
  };
  const child = spawn(process.execPath, [STACK_SCRIPT, 'start'], {
    env,
    cwd: packageRoot(),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const stop = async () => {
    await ended(child);
    // Also what had to be put outside the folder.
    if (existsSync(home)) await run([STACK_SCRIPT, 'reset', '--yes'], env);
    rmSync(dir, { recursive: true, force: true });
  };
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
    });
  }
  try {
    await becameReady(child, () => said);
  } catch (error) {
    await stop();
    throw error;
  }
  const secrets = loadSecrets(home, {});
  const { ports, processes } = readState(home);
  const portOf = (name: string): number => ports[name] ?? 0;
  const worker = processes[WORKER]?.pid;
  return {
    dir,
    home,
    backendsFile,
    installationId: secrets.installationId,
    apiKey: secrets.bootstrapApiKey,
    operatorKey: secrets.operatorKey,
    said: () => said,
    adminUrl: (variable) => (worker === undefined ? undefined : environmentOf(worker).get(variable)),
    apiUrl: `http://127.0.0.1:${port}`,
    temporalAddress: `127.0.0.1:${portOf(TEMPORAL)}`,
    namespace,
    platformUrl: postgresUrl({ user: APP_ROLE, password: secrets.postgresPlatformApp, port: portOf(PLATFORM), database: DATABASE }),
    tenantsAdminUrl: postgresUrl({
      user: TENANTS_SUPERUSER,
      password: secrets.postgresTenantsAdmin,
      port: portOf(TENANTS),
      database: 'postgres',
    }),
    supervisorPid: child.pid ?? 0,
    pids: new Map(Object.entries(processes).map(([name, { pid }]) => [name, pid])),
    stop,
  };
}

export function productPlans(): string {
  return readFileSync(join(packageRoot(), 'plans.yaml'), 'utf8');
}

const OWN_PORTS = 1_000;

/**
 * The product's backends, on hosts whose ports hardly meet those of another stack on this machine, and never the stack's own.
 * `secondHost`: what runs on the first host can be placed on another one too.
 */
export function backendsWithOwnPorts(options: { secondHost?: string } = {}): string {
  const file = parse(readFileSync(join(packageRoot(), 'backends.yaml'), 'utf8')) as BackendsYaml;
  const first = randomInt(10_000, 16_000);
  const [host] = file.hosts;
  if (host !== undefined && options.secondHost !== undefined) {
    file.hosts.push({ ...host, name: options.secondHost });
    const there = file.backends.filter((backend) => backend.host === host.name);
    file.backends.push(
      ...there.map((backend) => ({ ...backend, name: `${backend.name}-${options.secondHost}`, host: options.secondHost })),
    );
  }
  for (const [index, { name }] of file.hosts.entries()) {
    const lowest = first + index * OWN_PORTS;
    file.hosts[index] = { ...file.hosts[index], name, ports: `${lowest}-${lowest + OWN_PORTS - 1}` };
  }
  return stringify(file);
}

interface BackendsYaml {
  hosts: { name: string; ports?: string }[];
  backends: { name: string; host?: string }[];
}

const SERVERS_OF_THE_CALLER = /^LEASEHOLD_(TEMPORAL_BIN|REDIS_SERVER|\w+_BIN)$/;

/** No server, key or file of the caller's own installation must be used by accident. */
function withoutOurs(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('LEASEHOLD_') || SERVERS_OF_THE_CALLER.test(name)));
}

/** Linux only; elsewhere it is empty. */
export function environmentOf(pid: number): Map<string, string> {
  try {
    const pairs = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0').filter(Boolean);
    return new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
  } catch {
    return new Map();
  }
}

function becameReady(child: ChildProcess, said: () => string): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`the stack is not ready after ${READY_MS / 1000} s: ${said().trim()}`)), READY_MS);
    const look = setInterval(() => {
      if (READY_LINE.test(said())) settle(resolve);
    }, 20);
    const settle = (end: () => void) => {
      clearTimeout(late);
      clearInterval(look);
      end();
    };
    child.once('error', (error) => settle(() => reject(error)));
    child.once('exit', (code) =>
      settle(() => reject(new Error(`the stack ended at its start (code ${code ?? 'none'}): ${said().trim().split('\n').at(-1) ?? ''}`))),
    );
  });
}

/** SIGTERM, and the time that the stack's own orderly stop takes. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await gone;
  clearTimeout(late);
}

function run(args: string[], env: NodeJS.ProcessEnv): Promise<void> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { env, cwd: packageRoot(), stdio: 'ignore' });
    child.once('error', () => resolve());
    child.once('exit', () => resolve());
  });
}
