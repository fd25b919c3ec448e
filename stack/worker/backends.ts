// Keeps the tables of hosts and backends true: what backends.yaml lists, and which of them can take resources right now.
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { KindBackend, KindLogger } from '../../activities/backend';
import type { BackendConfig, BackendsFile, HostConfig } from '../../shared/plans';
import type { ResourceKind } from '../../shared/resourcetype';

const WATCH_INTERVAL_MS = 15_000;
/** A server that hangs delays nobody's start: it is ready when it answers. */
const FIRST_LOOK_MS = 8_000;
const ANSWER_WITHIN_MS = 20_000;

export interface BackendWatch {
  stop: () => void;
}

export interface BackendWatchDependencies {
  pool: pg.Pool;
  kinds: ReadonlyMap<ResourceKind, KindBackend>;
  /** Those that this process looks after. */
  configs: readonly BackendConfig[];
  /** The host whose worker this is. */
  host?: HostConfig;
  logger: KindLogger;
}

/** One that was there, is not configured any more, and has resources on it. */
export interface ForgottenBackend {
  name: string;
  held: number;
}

const NOT_CONFIGURED = 'it is not in backends.yaml any more, or its variable is not set';

/**
 * One that is no longer listed takes nothing new; what lives on it stays. `drained` in the table is an operator's and wins.
 * @param options.leave names that another process knows more of
 */
export async function mirrorBackends(
  pool: pg.Pool,
  { hosts, backends }: BackendsFile,
  { leave = [] }: { leave?: readonly string[] } = {},
): Promise<ForgottenBackend[]> {
  for (const host of hosts) {
    await pool.query(
      `INSERT INTO hosts AS known (name, region, address, first_port, last_port, drained) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (name) DO UPDATE SET region = $2, address = $3, first_port = $4, last_port = $5, drained = known.drained OR $6`,
      [host.name, host.region, host.address, host.firstPort, host.lastPort, host.drained],
    );
  }
  for (const config of backends) {
    await pool.query(
      `INSERT INTO backends AS known (name, kind, region, capacity, weight, drained, host_name, engine, auth_mode)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
       ON CONFLICT (name) DO UPDATE SET kind = $2, region = $3, capacity = $4, weight = $5, drained = known.drained OR $6, host_name = $7, engine = $8,
         auth_mode = $9, listed = true`,
      [
        config.name,
        config.kind,
        config.region,
        config.capacity,
        // Whole numbers are stored; 0 = takes nothing unasked.
        config.weight === 0 ? 0 : Math.max(1, Math.round(config.weight)),
        config.drained,
        config.host,
        config.engine,
        config.options.auth_mode ?? null,
      ],
    );
  }
  await pool.query('UPDATE backends SET ready = false, listed = false, last_error = $2 WHERE name <> ALL ($1)', [
    [...backends.map(({ name }) => name), ...leave],
    NOT_CONFIGURED,
  ]);
  const forgotten = await pool.query<ForgottenBackend>(
    `SELECT b.name, count(*)::int AS held FROM backends b JOIN resources r ON r.backend_name = b.name
      WHERE NOT b.listed AND r.status NOT IN ('deleted', 'failed') GROUP BY b.name ORDER BY b.name`,
  );
  return forgotten.rows;
}

/** Prepares and probes each backend, then looks again every 15 s. Resolves after the first look, or after 8 s. */
export async function watchBackends(dependencies: BackendWatchDependencies): Promise<BackendWatch> {
  const look = async () => {
    const { pool, host, configs } = dependencies;
    if (host !== undefined) await pool.query('UPDATE hosts SET ready = true, checked_at = now() WHERE name = $1', [host.name]);
    // Side by side: one that hangs makes no other wait.
    await Promise.all(configs.map((config) => lookAt(dependencies, config)));
  };
  let busy = true;
  const first = look().finally(() => {
    busy = false;
  });
  await Promise.race([first, sleep(FIRST_LOOK_MS, undefined, { ref: false })]);
  first.catch((error: unknown) => dependencies.logger.warn('could not record the state of the backends', { error }));
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

/** One that hangs must not keep the others, or the host itself, from being looked at. */
async function tooLate(): Promise<never> {
  await sleep(ANSWER_WITHIN_MS, undefined, { ref: false });
  throw new Error(`did not answer within ${ANSWER_WITHIN_MS / 1000} s`);
}

async function lookAt(dependencies: BackendWatchDependencies, config: BackendConfig): Promise<void> {
  const { pool, logger, kinds } = dependencies;
  let serverVersion: string | null = null;
  let unproven: string | null = null;
  let problem: string | null = null;
  try {
    const kind = kinds.get(config.kind);
    if (kind === undefined) throw new Error(`this process has no ${config.kind}`);
    const prepared = kind.prepareServer(config.name).then(() => kind.serverVersion(config.name));
    serverVersion = await Promise.race([prepared, tooLate()]);
    unproven = kind.unproven?.(config.name) ?? null;
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  const { rows } = await pool.query<{ changed: boolean }>(
    `UPDATE backends AS now SET ready = $2, server_version = coalesce($3, now.server_version), last_error = $4, checked_at = now(),
            unproven = CASE WHEN $2 THEN $5 ELSE now.unproven END
       FROM backends AS before WHERE now.name = $1 AND before.name = $1
     RETURNING before.ready IS DISTINCT FROM now.ready OR before.last_error IS DISTINCT FROM now.last_error AS changed`,
    [config.name, problem === null, serverVersion, problem, unproven],
  );
  if (rows[0]?.changed !== true) return;
  if (problem === null) logger.info('backend is ready', { backend: config.name, server_version: serverVersion, unproven });
  else logger.error('backend takes no resources', { backend: config.name, error: problem });
}
