// One tenant's server: what it should be, in a file of its host, and the running process made so. Callers keep the calls for one apart.
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type {
  BackendRef,
  KindDependencies,
  MeasuredObject,
  ProvisionRequest,
  ReadOnlyRequest,
  RetireRequest,
  RotateRequest,
  WarmItem,
} from '../backend';
import { Fenced, ObjectMissing, ProviderMisconfigured, ProviderUnavailable } from '../errors';
import type { ObjectFiles, ProcessHost } from '../host/types';
import { loginName, readOwnCredential } from '../names';
import { limitsOfTemplate } from '../templates';
import {
  type Access,
  accessSchema,
  aclFile,
  mustHaveLogin,
  NO_ACCESS,
  PLATFORM_USER,
  retired,
  rotated,
  userRules,
  withLogin,
} from './access';
import { listens, withAdmin, wordsOf } from './admin';
import { configFile, MAX_OPEN_FILES, MAX_PROCESSES, maxFileBytes, maxMemoryBytes, memoryLimitBytes } from './config';
import { countedCalls, parseTally, tallied } from './counting';
import { infoField } from './info';
import { ownServerRules, type ServerVersion } from './rules';

export interface OwnServerOptions {
  dependencies: Pick<KindDependencies, 'readCredential' | 'fence' | 'connections' | 'logger'>;
  host: ProcessHost;
  /** The server's program. Rejects with the remedy. */
  program: () => Promise<{ path: string; version: ServerVersion }>;
  now?: () => number;
}

const stateSchema = z.object({ port: z.number(), memoryMb: z.number().nullable(), access: accessSchema });
type State = z.infer<typeof stateSchema>;

const STATE_FILE = 'redis.json';
const TALLY_FILE = 'commands.json';
const ACL_FILE = 'users.acl';
const CONFIG_FILE = 'redis.conf';
const READY_WITHIN_MS = 20_000;
/** What it acknowledged is on disk; only a script without end takes longer. */
const STOP_GRACE_MS = 2_000;
/** A refused connection costs next to nothing. */
const LONGEST_WAIT_MS = 8;
/** Looks in a row at which a server did not let the platform in. */
const UNREACHABLE_LOOKS = 5;

const ping = (redis: Redis): Promise<unknown> => redis.ping();

export class OwnServer {
  readonly #options: OwnServerOptions;
  readonly #unreachable = new Map<string, number>();

  constructor(options: OwnServerOptions) {
    this.#options = options;
  }

  /** Running, and nobody can log in. One that somebody can log in to is left alone. */
  async prepare({ objectName, template }: Pick<WarmItem, 'objectName' | 'template'>, signal?: AbortSignal): Promise<void> {
    const before = await this.#read(objectName);
    if (before !== null && before.access.logins.length > 0) return;
    const memoryMb = limitsOfTemplate(template).memoryMb ?? null;
    const port = before?.port ?? (await this.#options.host.portFor(objectName));
    const state = { port, memoryMb, access: NO_ACCESS };
    await this.#write(objectName, state, async () => {
      await this.#launch(objectName, state);
      await this.#ready(objectName, port, { signal });
    });
  }

  async provision(request: ProvisionRequest, signal?: AbortSignal): Promise<void> {
    const { host, dependencies } = this.#options;
    const { objectName, resourceId } = request;
    const [open, login] = await Promise.all([
      dependencies.fence(request),
      readOwnCredential(dependencies.readCredential, request, request.credentialVersion),
    ]);
    if (!open) throw new Fenced(`${objectName} is not to be made any more`);
    const before = await this.#read(objectName);
    const [port] = await Promise.all([before?.port ?? host.portFor(objectName), host.directoryOf(objectName)]);
    const access = withLogin({ ...(before?.access ?? NO_ACCESS), cut: false }, login);
    const recorded = dependencies.connections.record({ resourceId, details: { port } });
    recorded.catch(() => undefined);
    const state = { port, memoryMb: request.limits.memoryMb ?? null, access };
    await this.#write(objectName, state, async () => {
      await this.#launch(objectName, state);
      // It may have run before, with another list.
      const open = before === null ? ping : (redis: Redis) => this.#setAccess(redis, objectName, access);
      await this.#ready(objectName, port, { signal, open });
    });
    if ((await recorded).port !== port) throw new ProviderMisconfigured(`${objectName} was promised another port than ${port}`);
  }

  async remove(objectName: string): Promise<void> {
    this.#unreachable.delete(objectName);
    await this.#options.host.remove(objectName);
  }

  /** Absent is success: nobody can come in. */
  async cut(objectName: string): Promise<void> {
    const state = await this.#read(objectName);
    if (state === null) return;
    await this.#changeAccess(objectName, state, { ...state.access, cut: true });
  }

  async restore({ objectName }: BackendRef): Promise<void> {
    const state = await this.#mustRead(objectName);
    await this.#changeAccess(objectName, state, { ...state.access, cut: false });
  }

  async rotate(request: RotateRequest): Promise<void> {
    const state = await this.#mustRead(request.objectName);
    const login = await readOwnCredential(this.#options.dependencies.readCredential, request, request.credentialVersion);
    await this.#changeAccess(request.objectName, state, rotated(state.access, { ...login, previousVersion: request.previousVersion }));
  }

  async retire({ objectName, retireVersion }: RetireRequest): Promise<void> {
    const state = await this.#read(objectName);
    if (state !== null) await this.#changeAccess(objectName, state, retired(state.access, retireVersion));
  }

  async setReadOnly({ objectName, readOnly }: ReadOnlyRequest): Promise<void> {
    const state = await this.#mustRead(objectName);
    await this.#changeAccess(objectName, state, { ...state.access, readOnly });
  }

  async applyLimits({ objectName, limits }: ProvisionRequest): Promise<void> {
    const state = { ...(await this.#mustRead(objectName)), memoryMb: limits.memoryMb ?? null };
    await this.#write(objectName, state);
    await this.#launch(objectName, state);
    await this.#onServer(objectName, state, async (redis) => {
      await redis.config('SET', 'maxmemory', String(maxMemoryBytes(limits.memoryMb ?? null)));
    });
  }

  /** Null for one that does not answer now. */
  async measure(objectName: string): Promise<MeasuredObject | null> {
    const { host, dependencies, now = Date.now } = this.#options;
    const state = await this.#read(objectName);
    if (state === null) return null;
    try {
      const info = await this.#asPlatform(objectName, state.port, (redis) => redis.info('all'));
      this.#unreachable.delete(objectName);
      const before = parseTally(await host.readConfig(objectName, TALLY_FILE));
      const look = { runId: infoField(info, 'run_id') ?? '', calls: countedCalls(info), atMs: now() };
      const tally = tallied(before, look);
      const changed = before === null || before.calls !== tally.calls || before.day !== tally.day || before.runId !== tally.runId;
      if (changed) await host.updatePrivate(objectName, TALLY_FILE, JSON.stringify(tally));
      return { objectName, bytes: Number(infoField(info, 'used_memory') ?? 0), commandsToday: tally.today };
    } catch (error) {
      const looks = (this.#unreachable.get(objectName) ?? 0) + 1;
      this.#unreachable.set(objectName, looks);
      dependencies.logger.warn('a redis does not answer the meter', { objectName, looks, error: wordsOf(error) });
      return null;
    }
  }

  /** Holding all connections, or a script without end, must not be a way around being measured. */
  async recover(objectName: string): Promise<void> {
    if ((this.#unreachable.get(objectName) ?? 0) < UNREACHABLE_LOOKS) return;
    const state = await this.#read(objectName);
    if (state === null) return;
    this.#unreachable.delete(objectName);
    await this.#restart(objectName, state);
  }

  async #read(objectName: string): Promise<State | null> {
    const text = await this.#options.host.readConfig(objectName, STATE_FILE);
    return text === null ? null : stateSchema.parse(JSON.parse(text));
  }

  async #mustRead(objectName: string): Promise<State> {
    const state = await this.#read(objectName);
    if (state === null) throw new ObjectMissing(`${objectName} is not there`);
    mustHaveLogin(state.access);
    return state;
  }

  /** The state and the files that follow from it: a server that starts now starts as it should be. */
  async #write(objectName: string, state: State, whileSyncing?: () => Promise<void>): Promise<void> {
    const { host, program } = this.#options;
    const { version } = await program();
    const rules = ownServerRules(version, state.access);
    const platformPassword = this.#platformPassword(objectName);
    const settings = {
      bindAddress: host.bindAddress,
      port: state.port,
      directory: await host.directoryOf(objectName),
      aclFile: host.configPathOf(objectName, ACL_FILE),
      maxMemoryBytes: maxMemoryBytes(state.memoryMb),
    };
    const files: ObjectFiles = {
      private: { [STATE_FILE]: JSON.stringify(state) },
      config: {
        [ACL_FILE]: aclFile({ objectName, access: state.access, rules, platformPassword }),
        [CONFIG_FILE]: configFile(settings, version),
      },
    };
    await host.writeFiles(objectName, files, whileSyncing);
  }

  async #changeAccess(objectName: string, state: State, access: Access): Promise<void> {
    const changed = { ...state, access };
    await this.#write(objectName, changed);
    await this.#apply(objectName, changed);
  }

  /** Makes the running server's list the stored one. Who is cut or retired is thrown out in the same step in which the door closes. */
  async #apply(objectName: string, state: State): Promise<void> {
    await this.#onServer(objectName, state, (redis) => this.#setAccess(redis, objectName, state.access));
  }

  async #setAccess(redis: Redis, objectName: string, access: Access): Promise<void> {
    const { version } = await this.#options.program();
    const rules = ownServerRules(version, access);
    const wanted = access.logins.map((login) => loginName(objectName, login.version));
    const known = ((await redis.acl('USERS')) as string[]).filter((name) => name.startsWith(`${objectName}_`));
    const change = redis.multi();
    for (const login of access.logins) change.acl('SETUSER', loginName(objectName, login.version), ...userRules(access, login, rules));
    // This ends their connections too.
    for (const name of known) if (!wanted.includes(name)) change.acl('DELUSER', name);
    if (access.cut) for (const name of wanted) change.client('KILL', 'USER', name);
    const failed = (await change.exec())?.find(([error]) => error !== null)?.[0];
    if (failed) throw failed;
  }

  /** A server that lets the platform not in, or does not answer, is started anew: the files say already what is asked for. */
  async #onServer(objectName: string, state: State, work: (redis: Redis) => Promise<void>): Promise<void> {
    const tell = () => this.#asPlatform(objectName, state.port, work);
    try {
      // Twice, since it may only have been slow: starting it anew closes its tenant's connections.
      await tell().catch(tell);
    } catch (error) {
      this.#options.dependencies.logger.warn('a redis is started anew, since it does not do as it is told', {
        objectName,
        error: wordsOf(error),
      });
      await this.#restart(objectName, state);
    }
  }

  async #restart(objectName: string, state: State): Promise<void> {
    await this.#options.host.stop(objectName);
    await this.#launch(objectName, state);
    await this.#ready(objectName, state.port);
  }

  async #launch(objectName: string, { port, memoryMb }: State): Promise<void> {
    const { host, program } = this.#options;
    const { path } = await program();
    await host.run({
      kind: 'redis',
      objectName,
      command: path,
      args: [host.configPathOf(objectName, CONFIG_FILE)],
      environment: {},
      port,
      memoryLimitBytes: memoryLimitBytes(maxMemoryBytes(memoryMb)),
      maxProcesses: MAX_PROCESSES,
      maxOpenFiles: MAX_OPEN_FILES,
      stopGraceMs: STOP_GRACE_MS,
      maxFileBytes: maxFileBytes(maxMemoryBytes(memoryMb)),
    });
  }

  /** Until it answers the platform, which it does once its data is loaded. */
  async #ready(
    objectName: string,
    port: number,
    { signal, open = ping }: { signal?: AbortSignal; open?: (redis: Redis) => Promise<unknown> } = {},
  ): Promise<void> {
    const deadline = Date.now() + READY_WITHIN_MS;
    for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      signal?.throwIfAborted();
      try {
        await listens(this.#options.host.bindAddress, port);
        await this.#asPlatform(objectName, port, open);
        return;
      } catch (error) {
        if (Date.now() > deadline) throw new ProviderUnavailable(`${objectName} does not answer: ${wordsOf(error)}`);
      }
      await sleep(waitMs);
    }
  }

  #asPlatform<T>(objectName: string, port: number, work: (redis: Redis) => Promise<T>): Promise<T> {
    const address = { host: this.#options.host.bindAddress, port, username: PLATFORM_USER, password: this.#platformPassword(objectName) };
    return withAdmin(address, work);
  }

  #platformPassword(objectName: string): string {
    return this.#options.host.secretFor(objectName, 'redis-platform');
  }
}
