// MongoDB for a process: FerretDB for the backends on this process's host, a server by url for the others.
import {
  createFerretdbBackend,
  createMongodBackend,
  createMongodbBackend,
  createPostgresStorage,
  type FerretdbBackendConfig,
  storagePassword,
} from '../../../activities/mongodb';
import type { BackendConfig } from '../../../shared/plans';
import { adminUrlOf, type CreateKind, type KindParts } from './types';

/** Option `sqlite_max_mb`: plans of up to so much storage live in a file. */
const SQLITE_MAX_MB = 10;

export const createMongodbKind: CreateKind = (parts) => {
  const { dependencies, backends } = parts;
  const configs = new Map<string, FerretdbBackendConfig>();
  const configOf = (backendName: string): FerretdbBackendConfig => {
    const known = configs.get(backendName) ?? ferretdbConfig(parts, backendNamed(backends, backendName));
    configs.set(backendName, known);
    return known;
  };
  const ferretdb = createFerretdbBackend({ ...dependencies, configOf });
  const mongod = createMongodBackend({ ...dependencies, adminUrlOf: (backendName) => adminUrlOf(parts, backendName) });
  const room = createMongodbBackend({
    roomOf: (backendName) => (backendNamed(backends, backendName).host === null ? mongod : ferretdb),
    rooms: [ferretdb, mongod],
  });
  const close = async (): Promise<void> => {
    await room.close();
    await Promise.all([...configs.values()].map(({ storage }) => storage?.close()));
  };
  return { ...room, close };
};

function ferretdbConfig({ host, secretOf, dependencies }: KindParts, backend: BackendConfig): FerretdbBackendConfig {
  if (host === null || host.config.name !== backend.host) throw new Error(`${backend.name} is looked after by host ${backend.host}`);
  const { processes } = host;
  const adminUrl = postgresUrlOf(secretOf, backend);
  const { sqlite_max_mb: sqliteMaxMb = SQLITE_MAX_MB } = backend.options;
  return {
    host: processes,
    binary: secretOf('LEASEHOLD_FERRETDB_BIN') ?? null,
    sqliteMaxMb: Number(sqliteMaxMb),
    storage:
      adminUrl === null
        ? null
        : createPostgresStorage({
            adminUrl,
            installationId: dependencies.installationId,
            passwordOf: (objectName) => storagePassword(processes, objectName),
          }),
  };
}

/** Option `postgres_url_env`: the variable with the admin url of the Postgres server that documents of larger plans live on. */
function postgresUrlOf(secretOf: KindParts['secretOf'], backend: BackendConfig): string | null {
  const { postgres_url_env: variable } = backend.options;
  if (variable === undefined) return null;
  const url = secretOf(String(variable));
  if (url === undefined) throw new Error(`set ${String(variable)} to the admin url of the Postgres server behind ${backend.name}`);
  return url;
}

function backendNamed(backends: readonly BackendConfig[], name: string): BackendConfig {
  const backend = backends.find((candidate) => candidate.name === name);
  if (backend === undefined) throw new Error(`backend ${name} is not in backends.yaml`);
  return backend;
}
