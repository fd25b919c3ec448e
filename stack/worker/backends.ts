// Keeps the table of backends true: what backends.yaml lists, and which of them can take resources right now.
import type pg from 'pg';
import type { PostgresBackend } from '../../activities/postgres';
import type { Logger } from '../../shared/logctx';
import type { BackendConfig } from '../../shared/plans';

const WATCH_INTERVAL_MS = 15_000;

export interface BackendWatch {
  stop: () => void;
}

export interface BackendWatchDependencies {
  pool: pg.Pool;
  backend: PostgresBackend;
  configs: BackendConfig[];
  hasSecret: (config: BackendConfig) => boolean;
  logger: Logger;
}

/** One that is no longer listed takes nothing new; what lives on it stays. `drained` in the table is an operator's and wins. */
export async function mirrorBackends(pool: pg.Pool, configs: BackendConfig[]): Promise<void> {
  for (const config of configs) {
    await pool.query(
      `INSERT INTO backends AS known (name, kind, region, capacity, weight, drained) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (name) DO UPDATE SET kind = $2, region = $3, capacity = $4, weight = $5, drained = known.drained OR $6`,
      [config.name, config.kind, config.region, config.capacity, Math.max(1, Math.round(config.weight)), config.drained],
    );
  }
  await pool.query('UPDATE backends SET ready = false, last_error = $2 WHERE name <> ALL ($1)', [
    configs.map((config) => config.name),
    'not in backends.yaml any more',
  ]);
}

/** Prepares and probes each backend, then looks again every 15 s. Resolves after the first look. */
export async function watchBackends(dependencies: BackendWatchDependencies): Promise<BackendWatch> {
  const probed = new Set<string>();
  const look = async () => {
    for (const config of dependencies.configs) await lookAt(dependencies, config, probed);
  };
  await look();
  let busy = false;
  const timer = setInterval(() => {
    if (busy) return;
    busy = true;
    look()
      .catch((error: unknown) => dependencies.logger.warn('could not record the state of the backends', { error }))
      .finally(() => {
        busy = false;
      });
  }, WATCH_INTERVAL_MS);
  return { stop: () => clearInterval(timer) };
}

async function lookAt(dependencies: BackendWatchDependencies, config: BackendConfig, probed: Set<string>): Promise<void> {
  const { pool, logger } = dependencies;
  let serverVersion: string | null = null;
  let problem: string | null = null;
  try {
    serverVersion = await check(dependencies, config, probed);
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  const { rows } = await pool.query<{ changed: boolean }>(
    `UPDATE backends AS now SET ready = $2, server_version = coalesce($3, now.server_version), last_error = $4, checked_at = now()
       FROM backends AS before WHERE now.name = $1 AND before.name = $1
     RETURNING before.ready IS DISTINCT FROM now.ready OR before.last_error IS DISTINCT FROM now.last_error AS changed`,
    [config.name, problem === null, serverVersion, problem],
  );
  if (rows[0]?.changed !== true) return;
  if (problem === null) logger.info('backend is ready', { backend: config.name, server_version: serverVersion });
  else logger.error('backend takes no resources', { backend: config.name, error: problem });
}

async function check(
  { backend, hasSecret, logger }: BackendWatchDependencies,
  config: BackendConfig,
  probed: Set<string>,
): Promise<string> {
  if (!hasSecret(config)) throw new Error(`set ${config.adminUrlEnv} to the admin url of ${config.name}`);
  await backend.prepareServer(config.name);
  if (!probed.has(config.name)) {
    const report = await backend.probeIsolation(config.name);
    if (!report.strict) {
      const breach = report.refusedDetails.find((tried) => !tried.refused);
      const words = `a tenant got into database ${breach?.database ?? '?'}: ${breach?.detail ?? 'see docs/kinds/postgres.md'}`;
      if (config.isolation !== 'weak_allowed') throw new Error(`${words}; fix pg_hba.conf, or allow it with isolation: weak_allowed`);
      logger.warn('backend isolates weakly, as its configuration allows', { backend: config.name, error: words });
    }
    probed.add(config.name);
  }
  return await backend.serverVersion(config.name);
}
