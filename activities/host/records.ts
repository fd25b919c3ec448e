// What a host keeps on disk: what should run, and the folders of each object.
import { randomBytes } from 'node:crypto';
import { chmod, chown, mkdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { RESOURCE_KINDS } from '../../shared/resourcetype';
import { ProviderMisconfigured } from '../errors';
import { namesIn, readIfThere, syncPath, writeWhole } from './files';
import type { HostProcessSpec, ObjectFiles } from './types';

const specSchema = z.object({
  kind: z.enum(RESOURCE_KINDS),
  objectName: z.string(),
  command: z.string(),
  args: z.array(z.string()),
  environment: z.record(z.string(), z.string()),
  port: z.number(),
  memoryLimitBytes: z.number(),
  maxProcesses: z.number(),
  maxOpenFiles: z.number(),
  maxFileBytes: z.number().optional(),
  stopGraceMs: z.number().optional(),
  readOnlyPaths: z.array(z.string()).readonly().optional(),
}) satisfies z.ZodType<HostProcessSpec>;

const recordSchema = z.object({
  objectName: z.string(),
  /** Null = not root, so as we are. */
  uid: z.number().nullable(),
  /** `removing` is gone on with after a restart. */
  desired: z.enum(['running', 'stopped', 'removing']),
  spec: specSchema.nullable(),
});

/** What should be; what is can be seen in the process table. */
export type HostRecord = z.infer<typeof recordSchema>;

const OBJECT_NAME = /^[a-z0-9][a-z0-9_]{0,62}$/;
const FILE_NAME = /^[a-z0-9][a-z0-9.-]{0,62}$/;
/** Ours alone, or passed through on the way to a folder of an object. */
const PRIVATE = 0o700;
const PASSAGE = 0o711;

export class HostRecords {
  readonly #root: string;
  /** Root hands files over to other users; nobody else can. */
  readonly #isRoot = process.getuid?.() === 0;

  constructor(root: string) {
    this.#root = root;
  }

  async prepare(): Promise<void> {
    const folders = { '': PASSAGE, objects: PASSAGE, config: PASSAGE, state: PRIVATE, private: PRIVATE, run: PRIVATE, logs: PRIVATE };
    for (const [name, mode] of Object.entries(folders)) {
      const path = join(this.#root, name);
      await mkdir(path, { recursive: true });
      await chmod(path, this.#isRoot ? mode : PRIVATE);
    }
    // Of a writer that was killed.
    for (const name of await namesIn(join(this.#root, 'state'))) if (name.endsWith('.tmp')) await rm(join(this.#root, 'state', name));
  }

  /** Made once; every object's own secrets follow from it. */
  async hostSecret(): Promise<Buffer> {
    const path = join(this.#root, 'secret');
    const stored = await readIfThere(path);
    if (stored !== null && /^[0-9a-f]{64}$/.test(stored)) return Buffer.from(stored, 'hex');
    const made = randomBytes(32);
    await writeWhole(path, made.toString('hex'), { mode: 0o600, durable: true });
    return made;
  }

  pathsOf(objectName: string) {
    assertName(objectName);
    const at = (folder: string, name = objectName) => join(this.#root, folder, name);
    return {
      directory: at('objects'),
      configDirectory: at('config'),
      privateDirectory: at('private'),
      lockFile: at('run', `${objectName}.lock`),
      processFile: at('run', `${objectName}.process`),
      logFile: at('logs', `${objectName}.log`),
      stateFile: at('state', `${objectName}.json`),
    };
  }

  async readAll(): Promise<HostRecord[]> {
    const names = (await namesIn(join(this.#root, 'state'))).filter((name) => name.endsWith('.json'));
    return await Promise.all(names.map((name) => this.#read(name)));
  }

  async #read(fileName: string): Promise<HostRecord> {
    const path = join(this.#root, 'state', fileName);
    const parsed = recordSchema.safeParse(JSON.parse((await readIfThere(path)) ?? 'null'));
    if (parsed.success) return parsed.data;
    throw new ProviderMisconfigured(`${path} cannot be read: ${parsed.error.issues[0]?.message ?? 'it is not a record'}`);
  }

  /** Durable unless it is only there to be found by the next start of this machine's host worker. */
  async write(record: HostRecord, options = { durable: true }): Promise<void> {
    await writeWhole(this.pathsOf(record.objectName).stateFile, JSON.stringify(record), { mode: 0o600, ...options });
  }

  async makeFolders(objectName: string, uid: number | null): Promise<void> {
    const { directory, configDirectory } = this.pathsOf(objectName);
    await mkdir(directory, { recursive: true, mode: 0o700 });
    await mkdir(configDirectory, { recursive: true, mode: 0o750 });
    if (uid === null) return;
    await chown(directory, uid, uid);
    await chown(configDirectory, 0, uid);
  }

  configPathOf(objectName: string, fileName: string): string {
    return join(this.pathsOf(objectName).configDirectory, assertFileName(fileName));
  }

  async writeConfig(record: HostRecord, fileName: string, content: string, options = { durable: true }): Promise<string> {
    const path = this.configPathOf(record.objectName, fileName);
    await writeWhole(path, content, { mode: 0o640, ...options, ...(record.uid === null ? {} : { groupId: record.uid }) });
    return path;
  }

  /** What is called for while the disk works must not depend on it: a loss of power may take the files and leave what was done. */
  async writeFiles(record: HostRecord, files: ObjectFiles, whileSyncing: () => Promise<void>): Promise<void> {
    const config = Object.entries(files.config).map(([name, text]) => this.writeConfig(record, name, text, { durable: false }));
    const secret = Object.entries(files.private).map(([name, text]) => this.writePrivate(record.objectName, name, text));
    const paths = await Promise.all([...config, ...secret]);
    await Promise.all([whileSyncing(), syncAll(paths)]);
  }

  async writePrivate(objectName: string, fileName: string, content: string): Promise<string> {
    const folder = this.pathsOf(objectName).privateDirectory;
    await mkdir(folder, { recursive: true, mode: PRIVATE });
    const path = join(folder, assertFileName(fileName));
    await writeWhole(path, content, { mode: 0o600 });
    return path;
  }

  async readConfig(objectName: string, fileName: string): Promise<string | null> {
    const { configDirectory, privateDirectory } = this.pathsOf(objectName);
    const name = assertFileName(fileName);
    return (await readIfThere(join(privateDirectory, name))) ?? (await readIfThere(join(configDirectory, name)));
  }

  /** All but the state file. */
  async removeFolders(objectName: string): Promise<void> {
    const { stateFile: _, ...paths } = this.pathsOf(objectName);
    for (const path of [...Object.values(paths), `${paths.logFile}.1`]) await rm(path, { recursive: true, force: true });
  }

  async removeRecord(objectName: string): Promise<void> {
    await rm(this.pathsOf(objectName).stateFile, { force: true });
  }

  /** Names of which any folder is there, with a record or without. */
  async namesOnDisk(): Promise<string[]> {
    const folders = await Promise.all(['objects', 'config', 'private'].map((folder) => namesIn(join(this.#root, folder))));
    return [...new Set(folders.flat())].filter((name) => OBJECT_NAME.test(name));
  }

  /** Whose the object's folder is; null when there is none. */
  async ownerOf(objectName: string): Promise<number | null> {
    return (await stat(this.pathsOf(objectName).directory).catch(() => null))?.uid ?? null;
  }
}

async function syncAll(paths: string[]): Promise<void> {
  await Promise.all(paths.map(syncPath));
  await Promise.all([...new Set(paths.map(dirname))].map(syncPath));
}

/** Names become parts of paths. */
function assertName(objectName: string): void {
  if (!OBJECT_NAME.test(objectName)) throw new ProviderMisconfigured(`not an object name: ${JSON.stringify(objectName)}`);
}

function assertFileName(fileName: string): string {
  if (!FILE_NAME.test(fileName)) throw new ProviderMisconfigured(`not a file name: ${JSON.stringify(fileName)}`);
  return fileName;
}
