// A MongoDB server that tenants share: one database each, with users that reach nothing else. Needs a server with authorization on.
import { type Document, MongoClient, MongoServerError } from 'mongodb';
import type { ConnectionDetails, KindBackend, KindDependencies, MeasuredObject, ProvisionRequest, RotateRequest } from '../../backend';
import { Fenced, ObjectMissing, ProviderMisconfigured, ProviderUnavailable } from '../../errors';
import { installationPrefix, loginVersion, readOwnCredential } from '../../names';
import { lockedVerbs, mapped } from '../../verbs';
import { adminClient, isCommandMissing, isUserMissing, isUserThere } from '../client';
import type { UserMarks, UserState } from './commands';
import * as commands from './commands';

export interface MongodDependencies extends KindDependencies {
  /** The admin's url, with the password. The admin needs the roles userAdminAnyDatabase, readWriteAnyDatabase, dbAdminAnyDatabase and clusterManager + clusterMonitor, or root. */
  adminUrlOf: (backendName: string) => string;
}

const OLDEST_MAJOR = 5;

interface Call<Request> {
  request: Request;
  admin: MongoClient;
  users: UserState[];
  signal: AbortSignal;
}

export function createMongodBackend(dependencies: MongodDependencies): KindBackend {
  const prefix = installationPrefix(dependencies.installationId);
  const clients = new Map<string, { url: string; client: MongoClient }>();
  const { nameLock, readCredential, fence, connections } = dependencies;

  const adminOf = (backendName: string): MongoClient => {
    const url = dependencies.adminUrlOf(backendName);
    const known = clients.get(backendName);
    if (known?.url === url) return known.client;
    void known?.client.close();
    const client = adminClient(url);
    clients.set(backendName, { url, client });
    return client;
  };

  const locked = lockedVerbs({ prefix, nameLock });
  const verb = <Request extends { backendName: string; objectName: string }>(run: (call: Call<Request>) => Promise<void>) =>
    locked(async (request: Request, signal) => {
      const admin = adminOf(request.backendName);
      const users = await readUsers(admin, request.objectName);
      signal.throwIfAborted();
      await run({ request, admin, users, signal });
    });

  const passwordOf = async (request: ProvisionRequest, version: number): Promise<string> =>
    (await readOwnCredential(readCredential, request, version)).password;

  const provision = verb(async ({ request, admin }: Call<ProvisionRequest>) => {
    if (!(await fence(request))) throw new Fenced(`${request.objectName} is not to be made any more`);
    const version = request.credentialVersion;
    await putUser(admin, request.objectName, version, await passwordOf(request, version), { cut: false, readOnly: false });
    await connections.record({ resourceId: request.resourceId, details: connectionDetails(dependencies.adminUrlOf(request.backendName)) });
  });

  const destroy = verb(
    async ({ request, admin, users }: Call<{ backendName: string; objectName: string; onlyIf?: () => Promise<boolean> }>) => {
      if (request.onlyIf && !(await request.onlyIf())) return;
      await remove(admin, request.objectName, users);
    },
  );

  return {
    provision,
    claimWarm: provision,
    deprovision: destroy,
    destroyOrphan: destroy,
    cut: verb(async ({ request, admin, users }) => {
      for (const user of users) await setMarks(admin, request.objectName, user, { ...user, cut: true });
      await endSessions(admin, request.objectName, users);
    }),
    restore: verb(async ({ request, admin, users }) => {
      mustExist(request.objectName, users);
      for (const user of users) await setMarks(admin, request.objectName, user, { ...user, cut: false });
    }),
    rotate: verb(async ({ request, admin, users }: Call<RotateRequest>) => {
      await rotate({ request, admin, users, password: await passwordOf(request, request.credentialVersion) });
    }),
    retireCredential: verb(async ({ request, admin, users }) => {
      await endUsers(
        admin,
        request.objectName,
        users.filter(({ version }) => version === request.retireVersion),
      );
    }),
    setReadOnly: verb(async ({ request, admin, users }) => {
      mustExist(request.objectName, users);
      for (const user of users) await setMarks(admin, request.objectName, user, { ...user, readOnly: request.readOnly });
    }),
    // Connections and bytes are not limited by the server: see docs/kinds/mongodb.md.
    applyLimits: verb(async ({ request, users }) => mustExist(request.objectName, users)),
    list: (backendName) => mapped(() => list(adminOf(backendName), prefix)),
    measureAll: (backendName) => mapped(() => measureAll(adminOf(backendName), prefix)),
    prepareServer: (backendName) => mapped(() => prepare(adminOf(backendName), dependencies.adminUrlOf(backendName), backendName)),
    serverVersion: (backendName) => mapped(async () => `MongoDB ${await versionOf(adminOf(backendName))}`),
    close: async () => {
      await Promise.all([...clients.values()].map(({ client }) => client.close()));
      clients.clear();
    },
  };
}

async function readUsers(admin: MongoClient, objectName: string): Promise<UserState[]> {
  const { users } = await admin.db(objectName).command(commands.usersOfDatabase());
  return (users as Document[])
    .flatMap((user) => {
      const version = loginVersion(String(user.user), objectName);
      return version === null ? [] : [{ version, ...commands.marksOf(user) }];
    })
    .sort((a, b) => a.version - b.version);
}

async function putUser(admin: MongoClient, objectName: string, version: number, password: string, marks: UserMarks): Promise<void> {
  const database = admin.db(objectName);
  try {
    await database.command(commands.createUser(objectName, version, password, marks));
  } catch (error) {
    if (!isUserThere(error)) throw error;
    await database.command(commands.updateUser(objectName, version, password, marks));
  }
}

async function setMarks(admin: MongoClient, objectName: string, { version }: UserState, marks: UserMarks): Promise<void> {
  await admin.db(objectName).command(commands.setAccess(objectName, version, marks));
}

async function endSessions(admin: MongoClient, objectName: string, users: UserState[]): Promise<void> {
  const versions = users.map(({ version }) => version);
  // Of nobody would mean of everybody.
  if (versions.length > 0) await admin.db('admin').command(commands.killSessions(objectName, versions));
}

async function endUsers(admin: MongoClient, objectName: string, users: UserState[]): Promise<void> {
  for (const { version } of users) {
    await admin
      .db(objectName)
      .command(commands.dropUser(objectName, version))
      .catch((error: unknown) => {
        if (!isUserMissing(error)) throw error;
      });
  }
  await endSessions(admin, objectName, users);
}

/** The new version beside the one before; whatever is older ends first, so there are never more than two. */
async function rotate(call: { request: RotateRequest; admin: MongoClient; users: UserState[]; password: string }): Promise<void> {
  const { request, admin, users, password } = call;
  const { objectName, credentialVersion, previousVersion } = request;
  mustExist(objectName, users);
  if (users.some(({ version }) => version > credentialVersion))
    throw new Fenced(`${objectName} has a newer credential than version ${credentialVersion}`);
  const kept = [credentialVersion, previousVersion];
  await endUsers(
    admin,
    objectName,
    users.filter(({ version }) => !kept.includes(version)),
  );
  const marks = { cut: users.some(({ cut }) => cut), readOnly: users.some(({ readOnly }) => readOnly) };
  await putUser(admin, objectName, credentialVersion, password, marks);
}

/** Users first: once they are gone nobody writes, and the database stays dropped. */
async function remove(admin: MongoClient, objectName: string, users: UserState[]): Promise<void> {
  await endUsers(admin, objectName, users);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    await admin.db(objectName).command({ dropAllUsersFromDatabase: 1 });
    await admin.db(objectName).dropDatabase();
    const { databases } = await admin.db('admin').command(commands.databasesOfInstallation(objectName));
    if ((databases as Document[]).length === 0) return;
  }
  throw new ProviderUnavailable(`${objectName} is written to while it is dropped`);
}

function mustExist(objectName: string, users: UserState[]): void {
  if (users.length === 0) throw new ObjectMissing(`${objectName} has no user on this server`);
}

/** By databases and by users: an object that holds nothing yet has no database. */
async function list(admin: MongoClient, prefix: string): Promise<string[]> {
  const { databases } = await admin.db('admin').command(commands.databasesOfInstallation(prefix));
  const { users } = await admin.db('admin').command(commands.usersOfInstallation(prefix));
  const names = [...(databases as Document[]).map(({ name }) => String(name)), ...(users as Document[]).map(({ db }) => String(db))];
  return [...new Set(names)].sort();
}

async function measureAll(admin: MongoClient, prefix: string): Promise<MeasuredObject[]> {
  const measured: MeasuredObject[] = [];
  for (const objectName of await list(admin, prefix)) {
    const stats = await admin.db(objectName).command({ dbStats: 1, scale: 1 });
    measured.push({ objectName, bytes: Number(stats.storageSize ?? 0) + Number(stats.indexSize ?? 0) });
  }
  return measured;
}

async function versionOf(admin: MongoClient): Promise<string> {
  const { version } = await admin.db('admin').command({ buildInfo: 1 });
  return String(version);
}

/** Old enough to lack what is used here, or open to anybody: then it takes no tenant. */
async function prepare(admin: MongoClient, url: string, backendName: string): Promise<void> {
  const version = await versionOf(admin);
  if (Number(version.split('.')[0]) < OLDEST_MAJOR)
    throw new ProviderMisconfigured(`${backendName}: MongoDB ${OLDEST_MAJOR} or newer is needed, and this is ${version}`);
  await admin.db('admin').command({ usersInfo: 1 });
  if (await hasNoRoles(admin))
    throw new ProviderMisconfigured(
      `${backendName}: the server has no roles (FerretDB has none), so it cannot keep tenants apart: give it a host: instead, or name a MongoDB server`,
    );
  if (await letsAnybodyIn(url))
    throw new ProviderMisconfigured(`${backendName}: the server obeys clients that are not logged in: start mongod with --auth`);
}

/** Only where the command is unknown: an admin who may not ask has a server that knows what a role is. */
async function hasNoRoles(admin: MongoClient): Promise<boolean> {
  try {
    await admin.db('admin').command({ rolesInfo: { role: 'readWrite', db: 'admin' } });
    return false;
  } catch (error) {
    return isCommandMissing(error);
  }
}

/** What tenants' urls need besides, as the admin's own says. */
function connectionDetails(adminUrl: string): ConnectionDetails {
  const options = new URL(adminUrl).searchParams;
  const tls = [options.get('tls'), options.get('ssl')].includes('true');
  return { engine: 'mongodb', tls, replica_set: options.get('replicaSet') };
}

async function letsAnybodyIn(url: string): Promise<boolean> {
  const stranger = new URL(url);
  stranger.username = '';
  stranger.password = '';
  for (const option of ['authSource', 'authMechanism', 'authMechanismProperties']) stranger.searchParams.delete(option);
  const client = new MongoClient(stranger.href, { serverSelectionTimeoutMS: 5_000, maxPoolSize: 1 });
  try {
    await client.db('admin').command({ listDatabases: 1 });
    return true;
  } catch (error) {
    if (error instanceof MongoServerError) return false;
    throw error;
  } finally {
    await client.close();
  }
}
