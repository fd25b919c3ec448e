// An embedded MinIO: S3, STS and its admin API on one loopback port, of one folder.
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writePrivateFile } from '../paths';
import { userBelow } from '../postgres-place';
import type { ProcessIdentity } from '../process-identity';
import type { ServiceDefinition } from '../service';
import { serverDefinition } from './supervised';

export const MINIO = 'minio';

interface MinioKeys {
  accessKey: string;
  secretKey: string;
}

export interface MinioOptions {
  home: string;
  binary: string;
  port: number;
  leftover?: ProcessIdentity;
}

export function minioDefinition({ home, binary, port, leftover }: MinioOptions): ServiceDefinition {
  const folder = folderOf(home);
  const url = `http://127.0.0.1:${port}`;
  return serverDefinition({
    name: MINIO,
    port,
    url,
    logFile: join(home, 'logs', `${MINIO}.log`),
    leftover,
    probe: () => probe(url),
    graceMs: 8_000,
    async prepare() {
      minioKeys(home);
      const paths = makeFolders(folder);
      const user = userBelow(home);
      if (user) for (const path of paths) chownSync(path, user.uid, user.gid);
      return { command: binary, args: serverArguments(folder, port), env: serverEnvironment(folder), cwd: folder, ...user };
    },
  });
}

/** For LEASEHOLD_MINIO_ADMIN_URL. */
export function minioAdminUrl({ home, port }: Pick<MinioOptions, 'home' | 'port'>): string {
  const { accessKey, secretKey } = minioKeys(home);
  return `http://${accessKey}:${secretKey}@127.0.0.1:${port}`;
}

function folderOf(home: string): string {
  return join(home, MINIO);
}

const rootUserFile = (folder: string) => join(folder, 'root-user');
const rootPasswordFile = (folder: string) => join(folder, 'root-password');
const dataFolder = (folder: string) => join(folder, 'data');

/** Made at the first start, kept beside the data: sessions are signed with the secret. */
function minioKeys(home: string): MinioKeys {
  const folder = folderOf(home);
  const read = (file: string) => readFileSync(file, 'utf8').trim();
  if (existsSync(rootPasswordFile(folder))) return { accessKey: read(rootUserFile(folder)), secretKey: read(rootPasswordFile(folder)) };
  const keys = { accessKey: randomBytes(10).toString('hex').toUpperCase(), secretKey: randomBytes(30).toString('hex') };
  writePrivateFile(rootUserFile(folder), keys.accessKey);
  writePrivateFile(rootPasswordFile(folder), keys.secretKey);
  return keys;
}

/** Answers every path that the server's user must own. */
function makeFolders(folder: string): string[] {
  const folders = [folder, dataFolder(folder), join(folder, 'certs')];
  for (const path of folders) {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    // The keys' files came first, and their folder with them.
    chmodSync(path, 0o700);
  }
  return [...folders, rootUserFile(folder), rootPasswordFile(folder)];
}

function serverArguments(folder: string, port: number): string[] {
  // A folder of certificates of its own, empty, so that none of the user's home is taken; `--quiet` also leaves out the look for a newer release.
  return ['server', '--quiet', '--address', `127.0.0.1:${port}`, '--certs-dir', join(folder, 'certs'), dataFolder(folder)];
}

function serverEnvironment(folder: string): Record<string, string> {
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: folder,
    LC_ALL: 'C',
    MINIO_ROOT_USER_FILE: rootUserFile(folder),
    MINIO_ROOT_PASSWORD_FILE: rootPasswordFile(folder),
    MINIO_BROWSER: 'off',
    MINIO_UPDATE: 'off',
    MINIO_CALLHOME_ENABLE: 'off',
  };
}

/** Strangers are refused once users are loaded; before that the answer is another. */
async function probe(url: string): Promise<void> {
  const ready = await fetch(`${url}/minio/health/ready`, { signal: AbortSignal.timeout(2_000) });
  await ready.body?.cancel();
  if (!ready.ok) throw new Error(`answered ${ready.status} to whether it is ready`);
  const stranger = await fetch(`${url}/`, { signal: AbortSignal.timeout(2_000) });
  await stranger.body?.cancel();
  if (stranger.status !== 403) throw new Error(`answered ${stranger.status} to a request without a key`);
}
