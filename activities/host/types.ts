// A machine that runs processes for tenants: what a kind asks of it, and what it asks of the platform.
import type { ResourceKind } from '../../shared/resourcetype';

export interface HostProcessSpec {
  kind: ResourceKind;
  objectName: string;
  /** Absolute path of the binary. */
  command: string;
  /** Never a secret: every user of the machine can read them. */
  args: string[];
  /** The process's whole environment. May hold secrets: it is kept in a file that only the host worker's user can read. */
  environment: Readonly<Record<string, string>>;
  /** Where it listens, on the host's bind address; from `portFor`. */
  port: number;
  /** The hard cap. What goes over it is killed and started again. */
  memoryLimitBytes: number;
  /** Processes and threads. */
  maxProcesses: number;
  maxOpenFiles: number;
  /** No file of the process grows beyond it; absent = as large as it likes. */
  maxFileBytes?: number;
  /** How long it has after SIGTERM; default 5 s. For programs that lose nothing by SIGKILL and make their clients wait. */
  stopGraceMs?: number;
  /** Files and folders outside the system's own that the process must be able to read, besides the folder of `command`. */
  readOnlyPaths?: readonly string[];
}

/** By name. */
export interface ObjectFiles {
  /** As by `writeConfig`. */
  config: Readonly<Record<string, string>>;
  /** As by `writePrivate`. */
  private: Readonly<Record<string, string>>;
}

export interface ProcessState {
  state: 'running' | 'stopped' | 'absent';
  pid: number | null;
  /** Since this host worker took the object on; the starts that were asked for do not count. */
  restarts: number;
  /** What is resident now, shared pages by their share; 0 when it does not run. */
  memoryBytes: number;
  /** Of the object's own folder. */
  diskBytes: number;
}

export interface ProcessHost {
  readonly hostName: string;
  /** Where the processes listen. */
  readonly bindAddress: string;
  /** Which limits hold on this machine and by what means; for the log and for `serverVersion`. */
  readonly confinement: Confinement;
  /** The object's own folder (0700, its own uid): data and state of the process. Made when absent. Never follow what lies in it as root. */
  directoryOf(objectName: string): Promise<string>;
  /** Writes a file, whole or not at all, that the process can read but neither change nor replace. Answers its path. */
  writeConfig(objectName: string, fileName: string, content: string): Promise<string>;
  /** Several of either sort in one go, and on disk when it answers; `whileSyncing` runs once they are there to be read. */
  writeFiles(objectName: string, files: ObjectFiles, whileSyncing?: () => Promise<void>): Promise<void>;
  /** Where `writeConfig` puts that file. */
  configPathOf(objectName: string, fileName: string): string;
  /** As it was written; null when there is none. */
  readConfig(objectName: string, fileName: string): Promise<string | null>;
  /** As `writeConfig`, for the host worker's eyes only. */
  writePrivate(objectName: string, fileName: string, content: string): Promise<string>;
  /** As `writePrivate`, but only if the object is still there: for what is written on the side. */
  updatePrivate(objectName: string, fileName: string, content: string): Promise<void>;
  /** A secret of this host for one object: the same each time, and nobody else can know it. 43 characters of base64url. */
  secretFor(objectName: string, purpose: string): string;
  /** Hands out a port of the range for this object, the same one each time it asks. */
  portFor(objectName: string): Promise<number>;
  /**
   * Desired state = running with this spec. Idempotent; restarts it when the spec changed. Resolves when the process was launched
   * (the kind waits for its own protocol).
   */
  run(spec: HostProcessSpec): Promise<void>;
  /** Desired state = stopped; data kept. SIGTERM, 5 s later SIGKILL. */
  stop(objectName: string): Promise<void>;
  /** Nothing left: process group, cgroup, folder, port, desired state. Absent is success. */
  remove(objectName: string): Promise<void>;
  /** Objects of this kind and those that no kind has run yet; of all kinds when none is named. */
  list(kind?: ResourceKind): Promise<string[]>;
  inspect(objectName: string): Promise<ProcessState>;
  /** Leaves every process running. */
  close(): Promise<void>;
}

export interface Confinement {
  /** Each object under its own user; false = not root, so all run as we do. */
  ownUsers: boolean;
  sandbox: 'bubblewrap' | 'none';
  /** By what memory is capped: the kernel's groups, or a look every few seconds (and `ulimit -v` where the program bears it). */
  memory: 'cgroup-v2' | 'cgroup-v1' | 'watchdog';
}

/** Ports of one host, handed out by the platform: never one to two objects, the longest free first. */
export interface HostPorts {
  /** The same one each time for the same object. */
  claim(objectName: string): Promise<number>;
  release(objectName: string): Promise<void>;
}

export interface HostLogger {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export interface HostOptions {
  hostName: string;
  /** Of this host alone; a second host worker on it is refused. */
  directory: string;
  bindAddress: string;
  /** One for each object; two hosts on one machine need two ranges. Not used when not root. */
  uidRange: { first: number; last: number };
  ports: HostPorts;
  logger: HostLogger;
  /** Default auto: bubblewrap where it is there and works. */
  sandbox?: 'auto' | 'bubblewrap' | 'none';
}
