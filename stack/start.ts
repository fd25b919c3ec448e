import { accessSync, constants, existsSync, mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { unknownVariables } from '../shared/config';
import { migrate } from '../shared/db';
import { environmentNames, loadBackends, loadPlans } from '../shared/plans';
import { openControl } from './control';
import { oneLine, StackError } from './errors';
import { endTenantsProcesses, localHosts } from './hosts';
import { externalEnvironment, kindPorts, startKindServers } from './kind-servers';
import { makeHome } from './paths';
import { isPortFree } from './ports';
import { postgresUrl } from './postgres';
import { APP_ROLE, DATABASE, OWNER_ROLE, PLATFORM, TENANTS } from './postgres-servers';
import { loadSecrets, type Secrets } from './secrets';
import type { ServiceDefinition } from './service';
import {
  apiDefinition,
  assignPorts,
  hostDefinition,
  platformDefinition,
  receiverDefinition,
  relayDefinition,
  type ServiceContext,
  temporalDefinition,
  temporalUiUrl,
  tenantsDefinition,
  workerDefinition,
} from './services';
import type { Settings } from './settings';
import { acquireLock, readState, updateState } from './state';
import { API, RECEIVER, WORKER } from './stop-order';
import { Supervisor, stopLeftovers } from './supervisor';
import { TEMPORAL } from './temporal';
import { findTemporal } from './temporal-fetch';
import { ensureNamespace } from './temporal-namespace';

const MINIMUM_NODE = [20, 19] as const;

const say = (line: string) => process.stdout.write(`${line}\n`);

/** Runs the stack in the foreground until it is told to stop; the returned number is the exit code. */
export async function runStack(settings: Settings): Promise<number> {
  const started = Date.now();
  checkConfiguration(settings);
  for (const line of unknownVariables(settings.environment, environmentNames(loadBackends(settings.backends)))) say(line);
  prepareHome(settings.home);
  const lock = acquireLock(settings.home);
  const supervisor = new Supervisor({
    home: settings.home,
    say,
    onWorkersStopped: async () => {
      await endTenantsProcesses(settings.home);
    },
  });
  const stopping = new AbortController();
  const askedToStop = new Promise<void>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => stopping.abort());

  let closeControl = () => {};
  let starting: Promise<unknown> = Promise.resolve();
  try {
    const begun = startEverything({
      settings,
      supervisor,
      signal: stopping.signal,
      onControl: (close) => (closeControl = close),
      stop: () => stopping.abort(),
    });
    begun.catch(() => {});
    starting = begun;
    const context = await Promise.race([begun, askedToStop]);
    if (context) announce(context, started);
    await askedToStop;
    return 0;
  } catch (error) {
    process.stderr.write(`leasehold: ${oneLine(error)}\n`);
    return 1;
  } finally {
    const began = Date.now();
    stopping.abort();
    await supervisor.stopAll();
    // A start that was interrupted ends first; what an earlier, killed supervisor left is not to stay behind either.
    await Promise.race([Promise.allSettled([starting]), sleep(3_000, undefined, { ref: false })]);
    await stopLeftovers(settings.home, { servers: true });
    closeControl();
    updateState(settings.home, (state) => {
      delete state.control;
    });
    lock.release();
    say(`stopped in ${((Date.now() - began) / 1000).toFixed(1)} s; data is kept in ${settings.home}`);
  }
}

interface StartContext {
  settings: Settings;
  supervisor: Supervisor;
  signal: AbortSignal;
  onControl: (close: () => void) => void;
  stop: () => void;
}

async function startEverything(start: StartContext): Promise<ServiceContext> {
  const { settings, supervisor, signal } = start;
  for (const name of await stopLeftovers(settings.home, { servers: false }))
    say(`${name} was left over from a supervisor that was killed: stopped`);
  signal.throwIfAborted();
  if (!(await isPortFree(settings.port, settings.host))) {
    throw new StackError(`port ${settings.port} on ${settings.host} is taken by another program: stop it, or set PORT`);
  }
  const secrets = loadSecrets(settings.home, settings.environment);
  const receiver = settings.kinds.has('webhook') ? [{ name: RECEIVER, inUrls: true }] : [];
  const ports = await assignPorts(settings, [...kindPorts(settings), ...receiver]);
  const kindEnvironment = externalEnvironment(settings, supervisor);
  const context: ServiceContext = {
    settings,
    secrets,
    ports,
    signal,
    onMoved: rememberMoved(settings.home),
    kindEnvironment,
    eventsEnvironment: {},
  };

  const control = await openControl({
    status: () => supervisor.status(),
    start: (names) => supervisor.startNamed(names),
    stop: async (names) => (names.length === 0 ? start.stop() : supervisor.stopNamed(names)),
  });
  start.onControl(control.close);
  updateState(settings.home, (state) => {
    state.control = { port: control.port, token: control.token };
  });

  await allOf([
    startPlatform(context, supervisor),
    startTenants(context, supervisor),
    startWorkflowServer(context, supervisor),
    startKindServers({ context, supervisor, say }),
  ]);
  signal.throwIfAborted();
  await allOf([
    supervisor.start(workerDefinition(context)),
    supervisor.start(apiDefinition(context)),
    orGoOn(supervisor, relayDefinition(context), 'events wait in the outbox'),
    ...localHosts(settings).map((host) => orGoOn(supervisor, hostDefinition(context, host))),
    ...(settings.kinds.has('webhook') ? [orGoOn(supervisor, receiverDefinition(context))] : []),
  ]);
  signal.throwIfAborted();
  return context;
}

/** What only some kinds need stops nobody else. */
async function orGoOn(supervisor: Supervisor, definition: ServiceDefinition, without = 'what needs it answers 503'): Promise<void> {
  try {
    await supervisor.start(definition);
  } catch (error) {
    say(`${definition.name} does not start, ${without}: ${oneLine(error)}`);
  }
}

async function startPlatform(context: ServiceContext, supervisor: Supervisor): Promise<void> {
  const { external } = context.settings;
  if (external.database) supervisor.addExternal(PLATFORM, external.database.appUrl);
  else await supervisor.start(platformDefinition(context));
  context.signal.throwIfAborted();
  const embedded = (secrets: Secrets) =>
    postgresUrl({ user: OWNER_ROLE, password: secrets.postgresPlatformOwner, port: context.ports[PLATFORM] ?? 0, database: DATABASE });
  const ownerUrl = external.database?.ownerUrl ?? embedded(context.secrets);
  try {
    const { applied, version } = await migrate({ ownerUrl, appRole: external.database ? userOf(external.database.appUrl) : APP_ROLE });
    if (applied.length > 0) say(`database migrated to ${version} (${applied.length} applied)`);
  } catch (error) {
    throw new StackError(`the platform's database cannot be migrated: ${oneLine(error)}`);
  }
}

async function startTenants(context: ServiceContext, supervisor: Supervisor): Promise<void> {
  const { tenantsAdminUrl } = context.settings.external;
  if (tenantsAdminUrl) supervisor.addExternal(TENANTS, tenantsAdminUrl);
  else await supervisor.start(tenantsDefinition(context));
}

async function startWorkflowServer(context: ServiceContext, supervisor: Supervisor): Promise<void> {
  const { external, cacheDir, temporalBinary, temporalNamespace } = context.settings;
  if (external.temporalAddress) {
    await ensureNamespace({ address: external.temporalAddress, namespace: temporalNamespace });
    supervisor.addExternal(TEMPORAL, temporalUiUrl(context) ?? external.temporalAddress);
    return;
  }
  const binary = await findTemporal({
    cacheDir,
    binary: temporalBinary,
    signal: context.signal,
    onFetch: (version) => say(`fetching temporal ${version} once, with pip`),
  });
  if (binary.fetchedSeconds !== undefined) say(`fetched temporal ${binary.version} in ${binary.fetchedSeconds.toFixed(1)} s`);
  context.signal.throwIfAborted();
  await supervisor.start(temporalDefinition(context, binary.path));
}

function checkConfiguration(settings: Settings): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor < MINIMUM_NODE[1])) {
    throw new StackError(`Node ${process.versions.node} is too old: install ${MINIMUM_NODE.join('.')} or newer`);
  }
  for (const [variable, path] of [
    ['LEASEHOLD_PLANS', settings.plans],
    ['LEASEHOLD_BACKENDS', settings.backends],
  ] as const) {
    if (!existsSync(path)) throw new StackError(`${path} is missing: restore it, or point ${variable} at yours`);
  }
  loadPlans(settings.plans);
  loadBackends(settings.backends);
  for (const name of [API, WORKER]) {
    const script = `${settings.root}/dist/stack/processes/${name}.js`;
    if (!existsSync(script)) throw new StackError(`${script} is missing: run npm run build -- --force`);
  }
}

function prepareHome(home: string): void {
  try {
    makeHome(home);
    mkdirSync(`${home}/logs`, { recursive: true, mode: 0o700 });
    accessSync(home, constants.W_OK);
  } catch (error) {
    throw new StackError(`${home} cannot be written (${oneLine(error)}): mend its rights, or set LEASEHOLD_HOME`);
  }
}

function rememberMoved(home: string): (folder: string) => void {
  let told = false;
  return (folder) => {
    if (!told) say(`the user that Postgres runs as cannot reach ${home} or its binaries: keeping them in ${folder}`);
    told = true;
    updateState(home, (state) => {
      state.movedTo = folder;
    });
  };
}

function announce(context: ServiceContext, started: number): void {
  const { settings, secrets } = context;
  const ui = temporalUiUrl(context);
  if (!readState(settings.home).keysShown) {
    say('keys of this installation, shown this once (kept in secrets.json):');
    say(`  api key       ${secrets.bootstrapApiKey}`);
    say(`  operator key  ${secrets.operatorKey}`);
    updateState(settings.home, (state) => {
      state.keysShown = true;
    });
  }
  say(`leasehold ready on ${settings.localUrl}`);
  say(ui ? `Temporal UI on ${ui}/namespaces/${settings.temporalNamespace}/workflows` : `Temporal at ${settings.external.temporalAddress}`);
  say(`curl -s -X POST ${settings.localUrl}/db/new -H 'content-type: application/json' -d '{"name":"a"}'`);
  say(`ready after ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

function userOf(url: string): string {
  return decodeURIComponent(new URL(url).username);
}

/** Like Promise.all, but waits for the others before it fails: nothing may start after the stop has begun. */
async function allOf(work: Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  const failed = results.filter((result) => result.status === 'rejected');
  const told = failed.find((result) => result.reason instanceof StackError) ?? failed[0];
  if (told) throw told.reason;
}
