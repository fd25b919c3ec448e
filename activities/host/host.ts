// The host: what should run, what does run, and the one made equal to the other.
import { createHmac } from 'node:crypto';
import type { ResourceKind } from '../../shared/resourcetype';
import { ProviderMisconfigured, ProviderUnavailable } from '../errors';
import { Turns } from '../turns';
import { countFailures, restartDelayMs } from './backoff';
import { type Groups, killUser } from './confine';
import { diskBytes } from './files';
import { addressSpaceBytes, specDigest } from './launch';
import { canListen } from './listen';
import type { DirectoryLock } from './lock';
import { rotateLog } from './logs';
import type { HostRecord, HostRecords } from './records';
import { type Ended, Supervised } from './supervised';
import type { Confinement, HostOptions, HostProcessSpec, ObjectFiles, ProcessHost, ProcessState } from './types';
import type { UserIds } from './users';

export interface HostParts {
  options: HostOptions;
  records: HostRecords;
  groups: Groups | null;
  confinement: Confinement;
  users: UserIds;
  secret: Buffer;
  lock: DirectoryLock;
  /** Changes the address-space limit of a running process. */
  setAddressSpace: (pid: number, bytes: number) => Promise<void>;
}

interface Entry {
  record: HostRecord;
  process: Supervised | null;
  failures: number;
  restarts: number;
  timer: NodeJS.Timeout | null;
}

const LOOK_INTERVAL_MS = 3_000;
const LOGS_EVERY_LOOKS = 10;
const STARTS_AT_ONCE = 8;
const MOST_FOREIGN_PORTS = 8;

export class Host implements ProcessHost {
  readonly #parts: HostParts;
  readonly #entries = new Map<string, Entry>();
  readonly #turns = new Turns();
  #looks = 0;
  #lookTimer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(parts: HostParts) {
    this.#parts = parts;
  }

  get hostName(): string {
    return this.#parts.options.hostName;
  }

  get bindAddress(): string {
    return this.#parts.options.bindAddress;
  }

  get confinement(): Confinement {
    return this.#parts.confinement;
  }

  /** Takes on what is on disk: adopts what runs, starts what should, goes on removing. */
  async begin(stored: HostRecord[]): Promise<void> {
    for (const record of stored) this.#entries.set(record.objectName, newEntry(record));
    const waiting = [...this.#entries.values()];
    const next = async (): Promise<void> => {
      for (let entry = waiting.shift(); entry !== undefined; entry = waiting.shift()) await this.#takeOn(entry);
    };
    await Promise.all(Array.from({ length: STARTS_AT_ONCE }, next));
    this.#lookTimer = setInterval(() => this.#look(), LOOK_INTERVAL_MS);
    this.#lookTimer.unref();
  }

  async directoryOf(objectName: string): Promise<string> {
    const entry = await this.#turns.take(objectName, () => this.#ensure(objectName));
    return this.#parts.records.pathsOf(entry.record.objectName).directory;
  }

  async writeConfig(objectName: string, fileName: string, content: string): Promise<string> {
    return await this.#turns.take(objectName, async () => {
      const { record } = await this.#ensure(objectName);
      return await this.#parts.records.writeConfig(record, fileName, content);
    });
  }

  async writeFiles(objectName: string, files: ObjectFiles, whileSyncing: () => Promise<void> = async () => undefined): Promise<void> {
    const { records } = this.#parts;
    const { record } = await this.#turns.take(objectName, () => this.#ensure(objectName));
    await records.writeFiles(record, files, whileSyncing);
  }

  configPathOf(objectName: string, fileName: string): string {
    return this.#parts.records.configPathOf(objectName, fileName);
  }

  async writePrivate(objectName: string, fileName: string, content: string): Promise<string> {
    return await this.#turns.take(objectName, async () => {
      await this.#ensure(objectName);
      return await this.#parts.records.writePrivate(objectName, fileName, content);
    });
  }

  async updatePrivate(objectName: string, fileName: string, content: string): Promise<void> {
    await this.#turns.take(objectName, async () => {
      const desired = this.#entries.get(objectName)?.record.desired;
      if (desired !== undefined && desired !== 'removing') await this.#parts.records.writePrivate(objectName, fileName, content);
    });
  }

  async readConfig(objectName: string, fileName: string): Promise<string | null> {
    return await this.#parts.records.readConfig(objectName, fileName);
  }

  secretFor(objectName: string, purpose: string): string {
    return createHmac('sha256', this.#parts.secret).update(`${objectName}/${purpose}`).digest('base64url');
  }

  async portFor(objectName: string): Promise<number> {
    const { ports, bindAddress } = this.#parts.options;
    for (let attempt = 0; attempt < MOST_FOREIGN_PORTS; attempt += 1) {
      const port = await ports.claim(objectName);
      // What it ran on before is its own, whoever sits on it now.
      if (this.#entries.get(objectName)?.record.spec || (await canListen(bindAddress, port))) return port;
      this.#parts.options.logger.warn('a port of the range is in use by something else', { port, host: this.hostName });
      await ports.release(objectName);
    }
    throw new ProviderUnavailable(`the ports of host ${this.hostName} are in use by something else`);
  }

  async run(spec: HostProcessSpec): Promise<void> {
    await this.#turns.take(spec.objectName, async () => {
      const entry = await this.#ensure(spec.objectName);
      const { record } = entry;
      const unchanged = JSON.stringify(record.spec) === JSON.stringify(spec) && record.desired === 'running';
      // From here on it is what should run; a start that dies before that is on disk was never promised to anybody.
      if (!unchanged) entry.record = { ...record, desired: 'running', spec };
      const saved = unchanged ? Promise.resolve() : this.#parts.records.write(entry.record);
      await Promise.all([saved, this.#runAs(entry, spec)]);
    });
  }

  async #runAs(entry: Entry, spec: HostProcessSpec): Promise<void> {
    if (entry.process?.isRunning && entry.process.record.specDigest === specDigest(spec)) return await this.#capMemory(entry, spec);
    await this.#end(entry);
    await this.#start(entry);
  }

  async stop(objectName: string): Promise<void> {
    await this.#turns.take(objectName, async () => {
      const entry = this.#entries.get(objectName);
      if (entry === undefined || entry.record.desired === 'removing') return;
      if (entry.record.desired !== 'stopped') await this.#save(entry, { desired: 'stopped' });
      await this.#end(entry);
    });
  }

  async remove(objectName: string): Promise<void> {
    await this.#turns.take(objectName, async () => {
      const entry = this.#entries.get(objectName);
      if (entry === undefined) await this.#removeRemains(objectName);
      else await this.#remove(entry);
    });
  }

  async list(kind?: ResourceKind): Promise<string[]> {
    const known = [...this.#entries.values()].filter(({ record }) => {
      return kind === undefined || record.spec === null || record.spec.kind === kind;
    });
    const remains = (await this.#parts.records.namesOnDisk()).filter((name) => !this.#entries.has(name));
    return [...known.map((entry) => entry.record.objectName), ...remains].sort();
  }

  async inspect(objectName: string): Promise<ProcessState> {
    const entry = this.#entries.get(objectName);
    if (entry === undefined) return { state: 'absent', pid: null, restarts: 0, memoryBytes: 0, diskBytes: 0 };
    const { process, restarts } = entry;
    const running = process?.isRunning === true;
    return {
      state: running ? 'running' : 'stopped',
      pid: running ? process.mainPid : null,
      restarts,
      memoryBytes: running ? process.proportionalBytes : 0,
      diskBytes: await diskBytes(this.#parts.records.pathsOf(objectName).directory),
    };
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#lookTimer) clearInterval(this.#lookTimer);
    await this.#turns.quiet();
    for (const entry of this.#entries.values()) {
      entry.process?.onEnd(() => undefined);
      if (entry.timer) clearTimeout(entry.timer);
    }
    this.#parts.groups?.removeIfEmpty();
    await this.#parts.lock.release();
  }

  async #takeOn(entry: Entry): Promise<void> {
    const { objectName, desired, spec } = entry.record;
    const { logger, hostName } = this.#parts.options;
    await this.#turns.take(objectName, async () => {
      try {
        const { processFile } = this.#parts.records.pathsOf(objectName);
        entry.process = Supervised.adopt(processFile, { sandboxed: this.#parts.confinement.sandbox === 'bubblewrap' });
        entry.process?.onEnd((ended) => this.#onEnd(entry, ended));
        if (desired === 'removing') return await this.#remove(entry);
        const asWanted = desired === 'running' && spec !== null && entry.process?.record.specDigest === specDigest(spec);
        if (asWanted) return;
        await this.#end(entry);
        if (desired === 'running' && spec !== null) await this.#start(entry);
      } catch (error) {
        logger.error('an object could not be taken on', { host: hostName, objectName, desired, error });
        if (desired === 'running') this.#startLater(entry);
      }
    });
  }

  async #ensure(objectName: string): Promise<Entry> {
    if (this.#closed) throw new ProviderUnavailable('this host worker is ending');
    const known = this.#entries.get(objectName);
    if (known?.record.desired === 'removing') throw new ProviderUnavailable(`${objectName} is being removed`);
    const { records, confinement, users } = this.#parts;
    records.pathsOf(objectName);
    const uid = known === undefined ? (confinement.ownUsers ? users.take() : null) : known.record.uid;
    const entry = known ?? newEntry({ objectName, uid, desired: 'stopped', spec: null });
    if (known === undefined) {
      // The record is first: whatever is made after it will be found.
      this.#entries.set(objectName, entry);
      await records.write(entry.record, { durable: false });
    }
    await records.makeFolders(objectName, uid);
    return entry;
  }

  async #save(entry: Entry, change: Partial<HostRecord>): Promise<void> {
    const record = { ...entry.record, ...change };
    await this.#parts.records.write(record);
    entry.record = record;
  }

  async #start(entry: Entry): Promise<void> {
    const { spec, objectName, uid } = entry.record;
    if (spec === null) throw new ProviderMisconfigured(`${objectName} has nothing to run`);
    this.#forgetTimer(entry);
    const { records, groups, confinement } = this.#parts;
    const paths = records.pathsOf(objectName);
    const limits = { memoryBytes: spec.memoryLimitBytes, processes: spec.maxProcesses };
    const place = {
      ...paths,
      uid,
      groupFiles: groups?.prepare(objectName, limits) ?? [],
      sandboxed: confinement.sandbox === 'bubblewrap',
      capAddressSpace: this.#capsAddressSpace(spec),
    };
    try {
      entry.process = await Supervised.launch(spec, place, (ended) => this.#onEnd(entry, ended));
    } catch (error) {
      this.#startLater(entry);
      throw error;
    }
  }

  /** Ends the process and all that it left behind; what comes after may take its lock. */
  async #end(entry: Entry): Promise<void> {
    this.#forgetTimer(entry);
    await entry.process?.terminate(entry.record.spec?.stopGraceMs);
    entry.process = null;
    await this.#killRemains(entry);
  }

  async #killRemains({ record: { objectName, uid } }: Entry): Promise<void> {
    const { groups, records, confinement } = this.#parts;
    // One that announced itself too late to be believed.
    const { processFile } = records.pathsOf(objectName);
    await Supervised.adopt(processFile, { sandboxed: confinement.sandbox === 'bubblewrap' })?.kill();
    if (groups !== null) await groups.kill(objectName);
    else if (uid !== null) await killUser(uid);
  }

  async #remove(entry: Entry): Promise<void> {
    const { objectName, uid } = entry.record;
    if (entry.record.desired !== 'removing') await this.#save(entry, { desired: 'removing' });
    // Nothing of it is kept, so it need not end in order; nor is it an end by itself.
    entry.process?.onEnd(() => undefined);
    await entry.process?.kill();
    await this.#end(entry);
    // Also where there are groups: a process that is no member of them cannot be ours, but one of this user would be.
    if (uid !== null) await killUser(uid);
    await this.#removeRemains(objectName);
    await this.#parts.records.removeRecord(objectName);
    this.#entries.delete(objectName);
    if (uid !== null) this.#parts.users.free(uid);
  }

  async #removeRemains(objectName: string): Promise<void> {
    const { records, groups, options } = this.#parts;
    if (groups !== null) await groups.kill(objectName);
    groups?.remove(objectName);
    await records.removeFolders(objectName);
    await options.ports.release(objectName);
  }

  #onEnd(entry: Entry, ended: Ended): void {
    if (this.#closed) return;
    entry.process = null;
    entry.restarts += 1;
    entry.failures = countFailures(entry.failures, ended.ranMs) - 1;
    const { logger, hostName } = this.#parts.options;
    logger.warn('a process ended by itself', { host: hostName, objectName: entry.record.objectName, how: ended.how, ranMs: ended.ranMs });
    this.#startLater(entry);
  }

  #startLater(entry: Entry): void {
    entry.failures += 1;
    this.#forgetTimer(entry);
    entry.timer = setTimeout(() => void this.#startAgain(entry), restartDelayMs(entry.failures));
    entry.timer.unref();
  }

  async #startAgain(entry: Entry): Promise<void> {
    const { objectName } = entry.record;
    const { logger, hostName } = this.#parts.options;
    await this.#turns.take(objectName, async () => {
      const wanted = !this.#closed && this.#entries.get(objectName) === entry && entry.record.desired === 'running';
      if (!wanted || entry.process?.isRunning) return;
      try {
        await this.#killRemains(entry);
        await this.#start(entry);
      } catch (error) {
        logger.error('a process could not be started again', { host: hostName, objectName, failures: entry.failures, error });
        if (entry.timer === null) this.#startLater(entry);
      }
    });
  }

  #forgetTimer(entry: Entry): void {
    if (entry.timer) clearTimeout(entry.timer);
    entry.timer = null;
  }

  async #capMemory(entry: Entry, spec: HostProcessSpec): Promise<void> {
    this.#parts.groups?.setMemory(spec.objectName, spec.memoryLimitBytes);
    if (entry.process === null || !this.#capsAddressSpace(spec)) return;
    try {
      await this.#parts.setAddressSpace(entry.process.mainPid, addressSpaceBytes(spec.memoryLimitBytes));
    } catch (error) {
      // Not every root may: then it holds from the next start on.
      this.#parts.options.logger.warn('a memory limit could not be changed while running', { objectName: spec.objectName, error });
    }
  }

  /** Go programs reserve address space that they never use. */
  #capsAddressSpace(spec: HostProcessSpec): boolean {
    return this.#parts.groups === null && spec.kind === 'redis';
  }

  /** Everything that has no event: the end of adopted processes, memory where no group caps it, logs. */
  #look(): void {
    this.#looks += 1;
    const withLogs = this.#looks % LOGS_EVERY_LOOKS === 0;
    for (const entry of this.#entries.values()) {
      const { process, record } = entry;
      if (process?.adopted) process.look();
      if (this.#parts.groups === null && process && record.spec && process.residentBytes > record.spec.memoryLimitBytes) {
        this.#parts.options.logger.warn('a process is over its memory', { objectName: record.objectName });
        process.kill().catch(() => undefined);
      }
      if (withLogs) rotateLog(this.#parts.records.pathsOf(record.objectName).logFile).catch(() => undefined);
    }
  }
}

function newEntry(record: HostRecord): Entry {
  return { record, process: null, failures: 0, restarts: 0, timer: null };
}
