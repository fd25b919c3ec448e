// One resource's process: starts it as its state says, and changes who may log in.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CredentialReader } from '../../backend';
import { ProviderMisconfigured } from '../../errors';
import type { ProcessHost } from '../../host/types';
import { readOwnCredential } from '../../names';
import { waitForPort } from '../client';
import type { DocumentStorage } from './postgres-storage';
import { PRIVATE_ADDRESS, processSpec, USERS_DATABASE } from './spec';
import { type FerretdbState, limitsFileOf, writeState } from './state';
import { platformLogin, putUsers, type TenantUser } from './users';

export interface ProcessParts {
  host: ProcessHost;
  /** @throws ProviderMisconfigured when this machine has none */
  findBinary: () => Promise<string>;
  /** Null where this backend has no Postgres: then all is in SQLite. */
  storage: DocumentStorage | null;
  readCredential: CredentialReader;
}

export interface ProcessObject {
  resourceId: string;
  objectName: string;
  signal?: AbortSignal;
}

/** Running within its tenant's reach. */
export async function runPublic(parts: ProcessParts, object: ProcessObject, state: FerretdbState): Promise<void> {
  const port = await run(parts, object, state, 'public');
  await waitForPort({ host: reachable(parts.host.bindAddress), port }, object.signal);
}

/** Where the platform itself reaches it. */
export function publicAddress(host: ProcessHost, port: number): { host: string; port: number } {
  return { host: reachable(host.bindAddress), port };
}

/** As its state says: running, or stopped because it is cut. */
export async function settle(parts: ProcessParts, object: ProcessObject, state: FerretdbState): Promise<void> {
  if (state.cut) await parts.host.stop(object.objectName);
  else await runPublic(parts, object, state);
}

/**
 * Makes exactly these versions good. Everything that can log in is thrown away first, with what the tenant may have made in the users'
 * database; then the process runs where no tenant reaches it until the users are there. No old connection survives that.
 */
export async function resetUsers(
  parts: ProcessParts,
  object: ProcessObject,
  state: FerretdbState,
  versions: readonly number[],
): Promise<FerretdbState> {
  const { host, storage } = parts;
  const { objectName, signal } = object;
  const target = [...versions].sort((a, b) => a - b);
  // Written first: whoever comes after an interruption knows that it is to be done over.
  await writeState(host, objectName, { ...state, versions: target, rebuilding: true });
  await host.stop(objectName);
  signal?.throwIfAborted();
  if (state.engine === 'sqlite') await removeUsersFiles(await host.directoryOf(objectName));
  else await needed(storage).dropUsers(objectName);
  const port = await run(parts, object, state, 'private');
  const address = { host: PRIVATE_ADDRESS, port };
  await waitForPort(address, signal);
  await putVersions(parts, object, address, target);
  const changed = await writeState(host, objectName, { ...state, versions: target, rebuilding: false });
  signal?.throwIfAborted();
  await settle(parts, object, changed);
  return changed;
}

export async function putVersions(
  { host, readCredential }: ProcessParts,
  { resourceId, objectName }: ProcessObject,
  address: { host: string; port: number },
  versions: readonly number[],
): Promise<void> {
  const users: TenantUser[] = [];
  for (const version of versions) {
    const { username, password } = await readOwnCredential(readCredential, { resourceId, objectName }, version);
    users.push({ database: objectName, user: username, password });
  }
  await putUsers(platformLogin(address, platformPassword(host, objectName)), users);
}

/** Of the login that Postgres gives this object's process. */
export function storagePassword(host: ProcessHost, objectName: string): string {
  return host.secretFor(objectName, 'mongodb-postgres');
}

function platformPassword(host: ProcessHost, objectName: string): string {
  return host.secretFor(objectName, 'mongodb-platform');
}

async function run(parts: ProcessParts, object: ProcessObject, state: FerretdbState, mode: 'public' | 'private'): Promise<number> {
  const { host, storage } = parts;
  const { objectName, signal } = object;
  const directory = await host.directoryOf(objectName);
  const port = await host.portFor(objectName);
  const binary = await parts.findBinary();
  signal?.throwIfAborted();
  await host.run(
    processSpec({
      objectName,
      binary,
      directory,
      bindAddress: host.bindAddress,
      port,
      limitsFile: limitsFileOf(host, objectName),
      state,
      mode,
      platformPassword: platformPassword(host, objectName),
      postgresUrl: state.engine === 'postgres' ? needed(storage).urlOf(objectName) : null,
    }),
  );
  return port;
}

/** Names only are removed: a link that lies there goes, not what it points to. */
async function removeUsersFiles(directory: string): Promise<void> {
  for (const suffix of ['', '-wal', '-shm', '-journal']) {
    await rm(join(directory, `${USERS_DATABASE}.sqlite${suffix}`), { force: true, recursive: true });
  }
}

function needed(storage: DocumentStorage | null): DocumentStorage {
  if (storage !== null) return storage;
  throw new ProviderMisconfigured('this object lives in Postgres, but its backend has no postgres_url_env in backends.yaml any more');
}

function reachable(bindAddress: string): string {
  if (bindAddress === '0.0.0.0') return '127.0.0.1';
  return bindAddress === '::' ? '::1' : bindAddress;
}
