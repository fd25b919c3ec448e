import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join, sep } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { processEnvironment } from '../shared/config';
import { callControl } from './control';
import { oneLine, StackError } from './errors';
import { packageRoot } from './paths';
import { removePostgresData, systemFolderOf } from './postgres-place';
import { PLATFORM, TENANTS } from './postgres-servers';
import { waitUntilGone } from './process-identity';
import type { ServiceStatus } from './service';
import { readSettings, type Settings } from './settings';
import { acquireLock, findSupervisor, readState } from './state';
import { stopLeftovers } from './supervisor';

/** Runs one command; the returned number is the exit code. Every failure is one line on standard error. */
export async function runCli(argv: string[]): Promise<number> {
  let code = 0;
  const withSettings =
    (work: (settings: Settings, ...args: never[]) => Promise<number>) =>
    async (...args: unknown[]) => {
      code = await work(readSettings(processEnvironment(), packageRoot()), ...(args as never[]));
    };
  const program = new Command('leasehold').description('The embedded stack: servers, api and worker under one supervisor.').exitOverride();
  program
    .command('start')
    .argument('[process...]', 'start these again in a stack that runs')
    .description('start everything in the foreground; or, with names, what was stopped before')
    .action(withSettings(start));
  program
    .command('stop')
    .argument('[process...]', 'only these, by the names that status shows')
    .description('stop everything and wait for it; with names, stop those and keep them stopped')
    .action(withSettings(stop));
  program.command('status').option('--json', 'as JSON').description('what runs, where, since when').action(withSettings(status));
  program
    .command('trace')
    .argument('<request id>', 'what X-Request-ID of an answer said')
    .option('--json', 'as JSON')
    .description('find one request in logs, trace, workflow, outbox, stream of events and audit; exit code 1 when a part has nothing of it')
    .action(withSettings(trace));
  program
    .command('queue')
    .description('what is done to queues')
    .command('isolate')
    .argument('<resource id>', 'a queue of auth_mode legacy_open')
    .description('move a queue from a server without credentials to an account of its own, with its streams; writes are refused meanwhile')
    .action(withSettings(isolate));
  program
    .command('fetch')
    .argument('[program...]', 'only these; servers of other queues and stores are fetched only when named: rabbitmq, kafka, minio')
    .description('bring the programs that start would fetch or build into the cache, and start nothing')
    .action(withSettings(fetchNamed));
  program
    .command('reset')
    .option('--yes', 'do not ask')
    .description('stop everything and delete all data of this installation (what was downloaded stays)')
    .action(withSettings(reset));
  try {
    await program.parseAsync(argv);
  } catch (error) {
    const commander = error as { exitCode?: number; code?: string };
    if (commander.code?.startsWith('commander.')) return commander.exitCode ?? 1;
    process.stderr.write(`leasehold: ${oneLine(error)}\n`);
    return 1;
  }
  return code;
}

async function start(settings: Settings, names: string[]): Promise<number> {
  if (names.length === 0) {
    // Loaded only here: the other commands answer faster without the database and Temporal clients.
    const { runStack } = await import('./start.js');
    return runStack(settings);
  }
  printTable((await callControl(runningControl(settings), 'POST /start', names)).processes);
  return 0;
}

async function trace(settings: Settings, requestId: string, options: { json?: boolean }): Promise<number> {
  const { isComplete, traceRequest, traceTable } = await import('./trace/index.js');
  const traced = await traceRequest(settings, requestId);
  process.stdout.write(options.json ? `${JSON.stringify({ request_id: requestId, traced })}\n` : traceTable(requestId, traced));
  return isComplete(traced) ? 0 : 1;
}

async function isolate(settings: Settings, resourceId: string): Promise<number> {
  const { isolateQueue } = await import('./isolate.js');
  process.stdout.write(`${await isolateQueue(settings, resourceId)}\n`);
  return 0;
}

/** What cannot be had disables its kind alone, and without Temporal there is no start; what was named is wanted. */
async function fetchNamed(settings: Settings, names: string[]): Promise<number> {
  const { fetchPrograms } = await import('./fetch/all.js');
  const missing = await fetchPrograms(settings, names, (line) => process.stdout.write(`${line}\n`));
  return missing.includes('temporal') || (names.length > 0 && missing.length > 0) ? 1 : 0;
}

async function stop(settings: Settings, names: string[]): Promise<number> {
  if (names.length > 0) {
    printTable((await callControl(runningControl(settings), 'POST /stop', names)).processes);
    return 0;
  }
  const stopped = await stopEverything(settings);
  process.stdout.write(stopped ? 'stopped; data is kept\n' : 'nothing was running\n');
  return 0;
}

async function status(settings: Settings, options: { json?: boolean }): Promise<number> {
  const supervisor = findSupervisor(settings.home);
  const { control } = readState(settings.home);
  const { processes } = supervisor && control ? await callControl(control, 'GET /status') : { processes: [] };
  if (options.json) process.stdout.write(`${JSON.stringify({ processes })}\n`);
  else if (supervisor) printTable(processes);
  else process.stdout.write('not running: start it with npm start\n');
  return supervisor ? 0 : 1;
}

async function reset(settings: Settings, options: { yes?: boolean }): Promise<number> {
  const { home, cacheDir } = settings;
  if (!existsSync(home)) {
    process.stdout.write(`nothing to delete: ${home} does not exist\n`);
    return 0;
  }
  const entries = readdirSync(home);
  if (entries.length > 0 && !entries.includes('state') && !entries.includes('cache')) {
    throw new StackError(`${home} does not look like a home of leasehold: nothing was deleted`);
  }
  if (!options.yes && !(await confirmed(`Delete all data in ${home}, tenants' databases included? Type yes: `))) {
    process.stdout.write('nothing was deleted\n');
    return 1;
  }
  await stopEverything(settings);
  const lock = acquireLock(home);
  try {
    for (const name of [PLATFORM, TENANTS]) removePostgresData(home, name);
    rmSync(systemFolderOf(home), { recursive: true, force: true });
    for (const entry of readdirSync(home)) {
      const path = join(home, entry);
      if (path !== cacheDir && !cacheDir.startsWith(path + sep)) rmSync(path, { recursive: true, force: true });
    }
  } finally {
    lock.release();
  }
  process.stdout.write(`all data in ${home} is deleted; downloads are kept\n`);
  return 0;
}

/** Asks the supervisor, or, when that was killed, ends what it left. True when there was something to stop. */
async function stopEverything(settings: Settings): Promise<boolean> {
  const supervisor = findSupervisor(settings.home);
  if (!supervisor) return (await stopLeftovers(settings.home, { servers: true })).length > 0;
  const { control } = readState(settings.home);
  if (control) await callControl(control, 'POST /stop').catch(() => {});
  else process.kill(supervisor.pid, 'SIGTERM');
  if (!(await waitUntilGone(supervisor, 30_000)))
    throw new StackError(`the supervisor (pid ${supervisor.pid}) did not end within 30 s: see its output`);
  return true;
}

function runningControl(settings: Settings): { port: number; token: string } {
  const { control } = readState(settings.home);
  if (!control || !findSupervisor(settings.home)) throw new StackError('not running: start it with npm start');
  return control;
}

async function confirmed(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new StackError('reset deletes data: give --yes when no one can be asked');
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await prompt.question(question);
  prompt.close();
  return answer.trim().toLowerCase() === 'yes';
}

function printTable(processes: ServiceStatus[]): void {
  for (const { name, pid, url, uptime_s, restarts, external } of processes) {
    const what = pid ? `pid ${pid}, up ${uptime_s ?? 0} s, ${restarts} restarts` : external ? 'external' : 'stopped';
    process.stdout.write(`${name.padEnd(18)} ${what.padEnd(36)} ${url ?? ''}\n`);
  }
}
