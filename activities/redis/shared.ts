// A server that tenants share, reached by url: an ACL user for each credential version, and a prefix that all its keys begin with.
import type { Redis } from 'ioredis';
import { randomBase32 } from '../../shared/crypto';
import type {
  BackendRef,
  KindBackend,
  KindDependencies,
  MeasuredObject,
  ProvisionRequest,
  ReadOnlyRequest,
  RetireRequest,
  RotateRequest,
} from '../backend';
import { Fenced, ObjectMissing, ProviderMisconfigured } from '../errors';
import { loginName, loginVersion, objectNameOf, readOwnCredential } from '../names';
import { lockedVerbs, mapped } from '../verbs';
import { type Access, NO_ACCESS, retired, rotated, userRules, withLogin } from './access';
import { parseAdminUrl, withAdmin } from './admin';
import { parseVersion, type ServerVersion, SHARED_REFUSED, sharedServerRules } from './rules';

export interface SharedServersOptions {
  dependencies: Pick<KindDependencies, 'readCredential' | 'fence' | 'nameLock' | 'connections' | 'logger'>;
  prefix: string;
  adminUrlOf: (backendName: string) => string;
}

interface Name {
  backendName: string;
  objectName: string;
}

const MINIMUM_MAJOR = 7;
const SCAN_COUNT = 1_000;
/** Between the parts of a key: part of the prefix, so that no object's prefix is another's beginning. */
const SEPARATOR = ':';

export function keyPrefix(objectName: string): string {
  return `${objectName}${SEPARATOR}`;
}

export function createSharedServers(options: SharedServersOptions): KindBackend {
  const { prefix, dependencies } = options;
  const prepared = new Map<string, Promise<ServerVersion>>();
  const onServer = <T>(backendName: string, work: (redis: Redis) => Promise<T>): Promise<T> =>
    withAdmin(parseAdminUrl(options.adminUrlOf(backendName), backendName), work);
  const prepare = async (backendName: string): Promise<ServerVersion> => {
    const check = prepared.get(backendName) ?? onServer(backendName, (redis) => checkServer(redis, prefix));
    prepared.set(backendName, check);
    try {
      return await check;
    } catch (error) {
      prepared.delete(backendName);
      throw error;
    }
  };
  const locked = lockedVerbs({ prefix, nameLock: dependencies.nameLock });
  const verb = <Request extends Name>(work: (object: SharedObject, request: Request) => Promise<void>) =>
    locked(async (request: Request, signal) => {
      const version = await prepare(request.backendName);
      signal.throwIfAborted();
      await onServer(request.backendName, (redis) => work(new SharedObject(redis, request.objectName, version), request));
    });
  const credential = (ref: BackendRef, version: number) => readOwnCredential(dependencies.readCredential, ref, version);
  const provision = verb(async (object, request: ProvisionRequest) => {
    if (!(await dependencies.fence(request))) throw new Fenced(`${request.objectName} is not to be made any more`);
    await dependencies.connections.record({ resourceId: request.resourceId, details: { key_prefix: keyPrefix(request.objectName) } });
    const login = await credential(request, request.credentialVersion);
    await object.apply(withLogin({ ...(await object.read()), cut: false }, login));
  });
  const changing = <Request extends BackendRef>(change: (access: Access, request: Request) => Access | Promise<Access>) =>
    verb(async (object, request: Request) => {
      const access = await object.read();
      if (access.logins.length === 0) throw new ObjectMissing(`${request.objectName} is not there`);
      await object.apply(await change(access, request));
    });
  const onlyIfThere = <Request extends BackendRef>(change: (access: Access, request: Request) => Access) =>
    verb(async (object, request: Request) => {
      const access = await object.read();
      if (access.logins.length > 0) await object.apply(change(access, request));
    });

  return {
    provision,
    claimWarm: provision,
    deprovision: verb((object) => object.remove()),
    destroyOrphan: verb(async (object, { onlyIf }: Parameters<KindBackend['destroyOrphan']>[0]) => {
      if (onlyIf && !(await onlyIf())) return;
      await object.remove();
    }),
    cut: onlyIfThere((access) => ({ ...access, cut: true })),
    restore: changing((access) => ({ ...access, cut: false })),
    rotate: changing(async (access, request: RotateRequest) =>
      rotated(access, { ...(await credential(request, request.credentialVersion)), previousVersion: request.previousVersion }),
    ),
    retireCredential: onlyIfThere((access, { retireVersion }: RetireRequest) => retired(access, retireVersion)),
    setReadOnly: changing((access, { readOnly }: ReadOnlyRequest) => ({ ...access, readOnly })),
    // A shared server caps nothing for one user: memory is measured, and acted upon by the meter.
    applyLimits: changing((access) => access),
    list: (backendName) => mapped(async () => [...(await onServer(backendName, (redis) => namesOn(redis, prefix)))].sort()),
    measureAll: (backendName) => mapped(() => onServer(backendName, (redis) => measureAll(redis, prefix))),
    prepareServer: (backendName) =>
      mapped(async () => {
        await prepare(backendName);
        await onServer(backendName, (redis) => redis.ping());
      }),
    serverVersion: async (backendName) => (await prepare(backendName)).text,
    close: async () => undefined,
  };
}

/** Of this installation, by their logins. */
async function namesOn(redis: Redis, prefix: string): Promise<Set<string>> {
  const names = ((await redis.acl('USERS')) as string[]).map(objectNameOf);
  return new Set(names.filter((name) => name !== null).filter((name) => name.startsWith(prefix)));
}

/** One object under its name's lock. Nothing but the server's own list of users is asked what there is. */
class SharedObject {
  readonly #redis: Redis;
  readonly #name: string;
  readonly #version: ServerVersion;

  constructor(redis: Redis, name: string, version: ServerVersion) {
    this.#redis = redis;
    this.#name = name;
    this.#version = version;
  }

  async read(): Promise<Access> {
    const users = await this.#logins();
    const described = await Promise.all(
      users.map(async ({ user, version }) => ({ version, ...describeUser((await this.#redis.acl('GETUSER', user)) as unknown[]) })),
    );
    const logins = described.flatMap(({ version, sha256 }) => (sha256 === null ? [] : [{ version, sha256 }]));
    if (logins.length === 0) return NO_ACCESS;
    // What is made while it is cut is made without a way in, so one that is off says it of all.
    return { logins, cut: described.some(({ on }) => !on), readOnly: described.some(({ writes }) => !writes) };
  }

  /** Who is cut or retired is thrown out in the same step in which the door closes. */
  async apply(access: Access): Promise<void> {
    const rules = sharedServerRules(this.#version, { prefix: keyPrefix(this.#name), readOnly: access.readOnly });
    const wanted = access.logins.map((login) => loginName(this.#name, login.version));
    const change = this.#redis.multi();
    for (const login of access.logins) change.acl('SETUSER', loginName(this.#name, login.version), ...userRules(access, login, rules));
    for (const { user } of await this.#logins()) if (!wanted.includes(user)) change.acl('DELUSER', user);
    if (access.cut) for (const user of wanted) change.client('KILL', 'USER', user);
    await execute(change);
    await persist(this.#redis);
  }

  /** No way in first, then the keys until none is found, then the users: a name stays listed until nothing is left of it. */
  async remove(): Promise<void> {
    const access = await this.read();
    if (access.logins.length > 0) await this.apply({ ...access, cut: true });
    while ((await this.#unlinkAll()) > 0);
    const users = await this.#logins();
    if (users.length === 0) return;
    await this.#redis.acl('DELUSER', ...users.map(({ user }) => user));
    await persist(this.#redis);
  }

  async #unlinkAll(): Promise<number> {
    let unlinked = 0;
    let cursor = '0';
    do {
      const [next, keys] = await this.#redis.scan(cursor, 'MATCH', `${keyPrefix(this.#name)}*`, 'COUNT', SCAN_COUNT);
      if (keys.length > 0) unlinked += await this.#redis.unlink(...keys);
      cursor = next;
    } while (cursor !== '0');
    return unlinked;
  }

  async #logins(): Promise<{ user: string; version: number }[]> {
    const users = (await this.#redis.acl('USERS')) as string[];
    const ours = users.flatMap((user) => {
      const version = loginVersion(user, this.#name);
      return version === null ? [] : [{ user, version }];
    });
    return ours.sort((a, b) => a.version - b.version);
  }
}

/** `ACL GETUSER` answers names and values in turn. */
function describeUser(answer: unknown[]): { on: boolean; sha256: string | null; writes: boolean } {
  const field = (name: string): unknown => answer[answer.indexOf(name) + 1];
  const flags = field('flags') as string[];
  const [hash] = field('passwords') as string[];
  // The rules as the server has them; read-only takes a whole category away at their end.
  return { on: flags.includes('on'), sha256: hash ?? null, writes: !String(field('commands')).includes('-@write') };
}

async function execute(change: ReturnType<Redis['multi']>): Promise<void> {
  const failed = (await change.exec())?.find(([error]) => error !== null)?.[0];
  if (failed) throw failed;
}

/** Users outlive a restart of the server only where it writes them down. */
async function persist(redis: Redis): Promise<void> {
  const [, aclFile] = (await redis.config('GET', 'aclfile')) as string[];
  if (aclFile) await redis.acl('SAVE');
  else await redis.config('REWRITE');
}

/** @throws ProviderMisconfigured with the remedy */
async function checkServer(redis: Redis, prefix: string): Promise<ServerVersion> {
  const version = parseVersion(await redis.info('server'));
  if (version === null || version.major < MINIMUM_MAJOR)
    throw new ProviderMisconfigured(`a shared redis must be version ${MINIMUM_MAJOR} or newer, this is ${version?.text ?? 'unknown'}`);
  try {
    await persist(redis);
  } catch {
    throw new ProviderMisconfigured(
      'this redis forgets its users when it restarts: start it with an aclfile, or with a configuration file',
    );
  }
  // A name of its own, as another process may be at it too; one that is left behind is an orphan like any other.
  await probe(redis, version, `${prefix}${randomBase32(24)}`);
  return version;
}

/** A throw-away tenant, of whom the server itself says what it would be let do. */
async function probe(redis: Redis, version: ServerVersion, objectName: string): Promise<void> {
  const user = loginName(objectName, 1);
  const rules = sharedServerRules(version, { prefix: keyPrefix(objectName), readOnly: false });
  try {
    await redis.acl('SETUSER', user, 'reset', 'off', ...rules);
    for (const command of SHARED_REFUSED) {
      const answer = await redis.acl('DRYRUN', user, ...(command as [string, ...string[]])).catch((error: unknown) => String(error));
      if (answer === 'OK') throw new ProviderMisconfigured(`a tenant of this redis could ${command.join(' ')}: it cannot be shared`);
    }
    const own = await redis.acl('DRYRUN', user, 'SET', `${keyPrefix(objectName)}key`, 'value');
    if (own !== 'OK') throw new ProviderMisconfigured(`a tenant of this redis could not write its own keys: ${String(own)}`);
  } finally {
    await redis.acl('DELUSER', user);
  }
}

const NAME_LENGTH = 'lh'.length + 8 + 1 + 24;

/** One walk over all keys for all tenants: what each holds. */
async function measureAll(redis: Redis, prefix: string): Promise<MeasuredObject[]> {
  const bytes = new Map([...(await namesOn(redis, prefix))].map((name) => [name, 0]));
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', `${prefix}*`, 'COUNT', SCAN_COUNT);
    const sizes = await redis.pipeline(keys.map((key) => ['memory', 'usage', key])).exec();
    for (const [index, key] of keys.entries()) {
      const name = key.slice(0, NAME_LENGTH);
      const size = sizes?.[index]?.[1];
      if (bytes.has(name) && typeof size === 'number') bytes.set(name, (bytes.get(name) ?? 0) + size);
    }
    cursor = next;
  } while (cursor !== '0');
  return [...bytes].map(([objectName, size]) => ({ objectName, bytes: size })).sort((a, b) => (a.objectName < b.objectName ? -1 : 1));
}
