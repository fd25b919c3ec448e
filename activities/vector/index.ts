// Vector: a Postgres database with pgvector in it, on a server that has the extension.
import type { ResourceOptions } from '../../shared/resourcetype';
import { createPostgresBackend, POSTGRES_WARM_TEMPLATE, type PostgresBackend, type PostgresDependencies } from '../postgres';
import { ProviderMisconfigured } from '../postgres/errors';
import { identifier } from '../postgres/names';

export type VectorDependencies = Omit<PostgresDependencies, 'furnish' | 'inspectServer'>;

export type VectorBackend = PostgresBackend;

/** Null for one with an example table: that is of the size that was asked for. */
export function vectorWarmTemplate({ dimensions }: ResourceOptions): string | null {
  return dimensions === undefined ? `${POSTGRES_WARM_TEMPLATE} with vector` : null;
}

/** The first with HNSW indexes. */
const OLDEST_VERSION = [0, 5];
const MAX_DIMENSIONS = 16_000;
const AVAILABLE = "SELECT default_version AS version FROM pg_available_extensions WHERE name = 'vector'";

export function createVectorBackend(dependencies: VectorDependencies): VectorBackend {
  return createPostgresBackend({ ...dependencies, furnish, inspectServer: assertPgvector });
}

/** The platform makes the extension, since it is not one that tenants may create; table and index are the tenant's to change. */
export function furnish({ objectName, options }: Parameters<NonNullable<PostgresDependencies['furnish']>>[0]): string[] {
  const statements = ['CREATE EXTENSION IF NOT EXISTS vector SCHEMA public'];
  const { dimensions } = options;
  if (dimensions === undefined) return statements;
  if (!Number.isInteger(dimensions) || dimensions < 1 || dimensions > MAX_DIMENSIONS)
    throw new ProviderMisconfigured(`dimensions must be 1 to ${MAX_DIMENSIONS}, not ${dimensions}`);
  return [
    ...statements,
    `CREATE TABLE IF NOT EXISTS public.items (id bigserial PRIMARY KEY, embedding public.vector(${dimensions}))`,
    `ALTER TABLE public.items OWNER TO ${identifier(objectName)}`,
  ];
}

/** @throws ProviderMisconfigured with the remedy */
export async function assertPgvector(query: (sql: string) => Promise<Record<string, unknown>[]>): Promise<void> {
  const [row] = await query(AVAILABLE);
  const version = typeof row?.version === 'string' ? row.version : null;
  const remedy = 'install pgvector on it, or set LEASEHOLD_POSTGRES_VECTOR_ADMIN_URL to one that has it';
  if (version === null) throw new ProviderMisconfigured(`the server has no extension vector: ${remedy}`);
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [oldestMajor = 0, oldestMinor = 0] = OLDEST_VERSION;
  if (major < oldestMajor || (major === oldestMajor && minor < oldestMinor))
    throw new ProviderMisconfigured(`the server's pgvector is ${version}, and ${OLDEST_VERSION.join('.')} is needed: ${remedy}`);
}
