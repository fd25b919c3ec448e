// Postgres for a process: the room, and the refusal of servers that let tenants see each other.
import { createPostgresBackend, type PostgresBackend } from '../../../activities/postgres';
import { adminUrlOf, type CreateKind, type KindParts } from './types';

export const createPostgresKind: CreateKind<PostgresBackend> = (parts) => {
  const backend = createPostgresBackend({
    ...parts.dependencies,
    adminUrlOf: (backendName) => adminUrlOf(parts, backendName),
  });
  return withIsolationProbe(parts, backend);
};

/** Prepares a server only after a throw-away tenant was refused everywhere else, once in the life of the process. */
export function withIsolationProbe<Kind extends Pick<PostgresBackend, 'prepareServer' | 'probeIsolation'>>(
  { backends, dependencies }: KindParts,
  backend: Kind,
): Kind {
  const probed = new Set<string>();
  const prepareServer: PostgresBackend['prepareServer'] = async (backendName) => {
    await backend.prepareServer(backendName);
    if (probed.has(backendName)) return;
    const report = await backend.probeIsolation(backendName);
    if (!report.strict) {
      const breach = report.refusedDetails.find((tried) => !tried.refused);
      const words = `a tenant got into database ${breach?.database ?? '?'}: ${breach?.detail ?? 'see docs/kinds/postgres.md'}`;
      if (backends.find(({ name }) => name === backendName)?.isolation !== 'weak_allowed')
        throw new Error(`${words}; fix pg_hba.conf, or allow it with isolation: weak_allowed`);
      dependencies.logger.warn('backend isolates weakly, as its configuration allows', { backend: backendName, error: words });
    }
    probed.add(backendName);
  };
  return { ...backend, prepareServer };
}
