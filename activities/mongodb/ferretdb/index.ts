// MongoDB by FerretDB: a process of its own for each resource, on a host. Its tenant can do everything inside it, and nothing outside.

import type { ResourceLimits } from '../../../shared/resourcetype';
import type {
  KindBackend,
  KindDependencies,
  MeasuredObject,
  ProvisionRequest,
  ReadOnlyRequest,
  RetireRequest,
  RotateRequest,
  WarmItem,
} from '../../backend';
import { Fenced, ObjectMissing } from '../../errors';
import type { ProcessHost } from '../../host/types';
import { installationPrefix } from '../../names';
import { limitsOfTemplate } from '../../templates';
import { lockedVerbs } from '../../verbs';
import { prepareBinary } from './binary';
import type { DocumentStorage } from './postgres-storage';
import { type ProcessObject, type ProcessParts, publicAddress, putVersions, resetUsers, runPublic, settle } from './process';
import { chooseEngine, postgresConnections } from './spec';
import { type FerretdbState, readState, writeState } from './state';

export { createPostgresStorage, type DocumentStorage } from './postgres-storage';
export { storagePassword } from './process';

export interface FerretdbBackendConfig {
  host: ProcessHost;
  /** Absolute path of the program; null = this machine has none. */
  binary: string | null;
  storage: DocumentStorage | null;
  /** Plans of up to so much storage live in SQLite. */
  sqliteMaxMb: number;
}

export interface FerretdbDependencies extends KindDependencies {
  configOf: (backendName: string) => FerretdbBackendConfig;
}

/** No credential is read for an item of the warm pool. */
const UNCLAIMED = 'unclaimed';

interface Call<Request> {
  request: Request;
  object: ProcessObject;
  parts: ProcessParts;
  config: FerretdbBackendConfig;
  state: FerretdbState | null;
}

export function createFerretdbBackend(dependencies: FerretdbDependencies): KindBackend {
  const prefix = installationPrefix(dependencies.installationId);
  const { configOf, nameLock } = dependencies;
  const locked = lockedVerbs({ prefix, nameLock });

  /** What an interruption left half done is done first. */
  const healed =
    <Request extends ProvisionRequest>(run: (call: Call<Request>) => Promise<void>) =>
    async (call: Call<Request>): Promise<void> => {
      const { parts, object, state } = call;
      await run(state?.rebuilding ? { ...call, state: await resetUsers(parts, object, state, state.versions) } : call);
    };

  const placeOf = async (
    { backendName, objectName, resourceId }: { backendName: string; objectName: string; resourceId: string },
    signal: AbortSignal,
  ): Promise<Omit<Call<unknown>, 'request'>> => {
    const config = configOf(backendName);
    const { host, storage, binary } = config;
    const parts = { host, storage, findBinary: () => prepareBinary(binary), readCredential: dependencies.readCredential };
    return { config, parts, object: { resourceId, objectName, signal }, state: await readState(host, objectName) };
  };

  const verb = <Request extends ProvisionRequest>(run: (call: Call<Request>) => Promise<void>) =>
    locked(async (request: Request, signal) => await run({ request, ...(await placeOf(request, signal)) }));

  const destroy = locked(
    async (ref: { backendName: string; objectName: string; onlyIf?: () => Promise<boolean> }, signal): Promise<void> => {
      if (ref.onlyIf && !(await ref.onlyIf())) return;
      const { host, storage } = configOf(ref.backendName);
      const state = await readState(host, ref.objectName);
      // The folder goes last: by it the object is listed. One without a state may have come as far as Postgres.
      if (state?.engine !== 'sqlite') await storage?.drop(ref.objectName, { signal });
      await host.remove(ref.objectName);
    },
  );

  const createWarmItem = locked(async (item: WarmItem, signal) => {
    if (item.onlyIf && !(await item.onlyIf())) return;
    const { backendName, objectName } = item;
    const place = await placeOf({ backendName, objectName, resourceId: UNCLAIMED }, signal);
    if (place.state !== null && place.state.versions.length > 0) return;
    await begin(place, limitsOfTemplate(item.template));
  });

  const provisionVerb = verb(healed((call: Call<ProvisionRequest>) => provision(dependencies, call)));
  return {
    provision: provisionVerb,
    claimWarm: provisionVerb,
    createWarmItem,
    deprovision: destroy,
    destroyOrphan: destroy,
    cut: verb(cut),
    restore: verb(healed(restore)),
    rotate: verb(healed(rotate)),
    retireCredential: verb(healed(retireCredential)),
    setReadOnly: verb(healed(setReadOnly)),
    applyLimits: verb(healed(applyLimits)),
    list: async (backendName) => {
      const names = await configOf(backendName).host.list('mongodb');
      return names.filter((name) => name.startsWith(prefix)).sort();
    },
    measureAll: (backendName) => measureAll(configOf(backendName), prefix),
    prepareServer: async (backendName) => {
      const { binary, storage } = configOf(backendName);
      await prepareBinary(binary);
      await storage?.prepare();
    },
    serverVersion: async (backendName) => {
      const { host, storage } = configOf(backendName);
      const { ownUsers, sandbox, memory } = host.confinement;
      const engines = storage === null ? 'SQLite' : 'SQLite and Postgres';
      return `FerretDB 1.24 on ${engines}; ${ownUsers ? 'own users' : 'one user'}, sandbox ${sandbox}, memory by ${memory}`;
    },
    close: async () => undefined,
  };
}

async function provision({ fence, connections }: FerretdbDependencies, call: Call<ProvisionRequest>): Promise<void> {
  const { request, parts, object, config } = call;
  const { host } = config;
  const { objectName } = object;
  // After the lock: whoever held it before may have been the delete.
  if (!(await fence(request))) throw new Fenced(`${objectName} is not to be made any more`);
  const version = request.credentialVersion;
  let made: FerretdbState | null = null;
  const { state, port } = await begin(call, request.limits, async (begun) => {
    if (begun.state.versions.includes(version)) return;
    made = { ...begun.state, versions: [version] };
    await firstUser(parts, object, made, begun.port);
  });
  const details = { port, engine: 'ferretdb', storage: state.engine };
  await Promise.all([made !== null && writeState(host, objectName, made), connections.record({ resourceId: request.resourceId, details })]);
}

interface Begun {
  state: FerretdbState;
  port: number;
}

/** Its process runs with these limits. `whileSyncing` may rely on that, but for a loss of power. */
async function begin(
  { state: known, config, parts, object }: Omit<Call<unknown>, 'request'>,
  limits: ResourceLimits,
  whileSyncing?: (begun: Begun) => Promise<void>,
): Promise<Begun> {
  const { host, storage, sqliteMaxMb } = config;
  const { objectName, signal } = object;
  const engine = known?.engine ?? chooseEngine(limits, { sqliteMaxMb, hasPostgres: storage !== null });
  // The folder comes first: by it an object that was left half made is found again.
  await host.directoryOf(objectName);
  if (engine === 'postgres') await storage?.ensure(objectName, { connections: postgresConnections(limits) + 2, signal });
  const before: Omit<FerretdbState, 'limits' | 'cut'> = known ?? { engine, versions: [], readOnly: false, rebuilding: false };
  const state = { ...before, limits, cut: false };
  const port = await host.portFor(objectName);
  await writeState(host, objectName, state, async () => {
    await runPublic(parts, object, state);
    await whileSyncing?.({ state, port });
  });
  return { state, port };
}

async function firstUser(parts: ProcessParts, object: ProcessObject, state: FerretdbState, port: number): Promise<void> {
  try {
    await putVersions(parts, object, publicAddress(parts.host, port), state.versions);
  } catch {
    object.signal?.throwIfAborted();
    // A first start that was killed between the users' database and its first user.
    await resetUsers(parts, object, state, state.versions);
  }
}

/** Absent is success: nobody can come in. */
async function cut({ config, state, object }: Call<ProvisionRequest>): Promise<void> {
  if (state === null) return;
  await writeState(config.host, object.objectName, { ...state, cut: true });
  await config.host.stop(object.objectName);
}

async function restore(call: Call<ProvisionRequest>): Promise<void> {
  const { config, parts, object } = call;
  const state = await writeState(config.host, object.objectName, { ...existing(call), cut: false });
  await runPublic(parts, object, state);
}

/** The new version beside the one before; whatever is older ends first, so there are never more than two. */
async function rotate(call: Call<RotateRequest>): Promise<void> {
  const { request, config, parts, object } = call;
  const state = existing(call);
  const { credentialVersion: version, previousVersion } = request;
  if (state.versions.some((known) => known > version))
    throw new Fenced(`${object.objectName} has a newer credential than version ${version}`);
  const kept = [version, ...(previousVersion === null ? [] : [previousVersion])];
  const ends = state.versions.some((known) => !kept.includes(known));
  const live = [...state.versions.filter((known) => kept.includes(known) && known !== version), version];
  const writable = !state.cut && !state.readOnly;
  if (writable && !ends && (await put(call, live))) {
    await writeState(config.host, object.objectName, { ...state, versions: live });
    return;
  }
  await resetUsers(parts, object, state, live);
}

/**
 * All of them, since the tenant may have dropped or changed any. Disturbs nobody; false when the tenant has locked us out, or stands in
 * the way otherwise.
 */
async function put({ config, parts, object, state }: Call<RotateRequest>, versions: readonly number[]): Promise<boolean> {
  if (state === null) return false;
  await runPublic(parts, object, state);
  try {
    await putVersions(parts, object, publicAddress(config.host, await config.host.portFor(object.objectName)), versions);
    return true;
  } catch {
    object.signal?.throwIfAborted();
    return false;
  }
}

/** FerretDB does not end a dropped user's connections, and its tenant may have made users for later: so all users are made anew. */
async function retireCredential({ request, parts, object, state }: Call<RetireRequest>): Promise<void> {
  if (!state?.versions.includes(request.retireVersion)) return;
  const live = state.versions.filter((version) => version !== request.retireVersion);
  await resetUsers(parts, object, state, live);
}

async function setReadOnly(call: Call<ReadOnlyRequest>): Promise<void> {
  const { request, config, parts, object } = call;
  const state = await writeState(config.host, object.objectName, { ...existing(call), readOnly: request.readOnly });
  await settle(parts, object, state);
}

/** A cut object gets its new limits when it is started again. */
async function applyLimits(call: Call<ProvisionRequest>): Promise<void> {
  const { host, storage } = call.config;
  const { objectName, signal } = call.object;
  const { limits } = call.request;
  const state = await writeState(host, objectName, { ...existing(call), limits });
  if (state.engine === 'postgres') await storage?.ensure(objectName, { connections: postgresConnections(limits) + 2, signal });
  await settle(call.parts, call.object, state);
}

function existing({ state, object }: Pick<Call<ProvisionRequest>, 'state' | 'object'>): FerretdbState {
  if (state !== null) return state;
  throw new ObjectMissing(`${object.objectName} is not on this host`);
}

/** Files of SQLite that hold no documents: the users' database, and logs that are written over again. */
const ENGINE_OVERHEAD_BYTES = 1024 * 1024;

async function measureAll({ host, storage }: FerretdbBackendConfig, prefix: string): Promise<MeasuredObject[]> {
  const inPostgres = new Map((await storage?.measureAll())?.map(({ objectName, bytes }) => [objectName, bytes]));
  const measured: MeasuredObject[] = [];
  for (const objectName of await host.list('mongodb')) {
    if (!objectName.startsWith(prefix)) continue;
    const { diskBytes } = await host.inspect(objectName);
    measured.push({ objectName, bytes: Math.max(1, diskBytes - ENGINE_OVERHEAD_BYTES) + (inPostgres.get(objectName) ?? 0) });
  }
  return measured;
}
