// The platform's own connections to the tenants' servers: two lanes of pooled ones in `postgres`, and short ones into a tenant's database.
import pg from 'pg';
import { ProviderMisconfigured, redact, toProviderError } from './errors';
import { lockKey, TENANTS_GROUP } from './names';

/** Longer waits for the name's lock end as retryable failures, so that a dead call's place in the queue is given up. */
const LOCK_TIMEOUT_MS = 20_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** A pool's time limit also counts the wait for a free connection: makers queue behind each other, claims must not. */
const DDL_WAIT_MS = 30_000;
const FAST_LANE_CONNECTIONS = 4;
const OLDEST_VERSION = 150_000;

/** `ddl` is for what may take seconds; `fast` is kept free for claims and look-ups. */
export type Lane = 'ddl' | 'fast';

export interface ServerLogger {
  warn(message: string, fields?: Record<string, unknown>): void;
}

export interface ServersOptions {
  adminUrlOf: (backendName: string) => string;
  maxAdminConnections: number;
  logger?: ServerLogger;
}

interface Server {
  url: string;
  lanes: Record<Lane, pg.Pool>;
  prepared: Promise<number> | null;
}

export class PostgresServers {
  readonly #options: ServersOptions;
  readonly #servers = new Map<string, Server>();

  constructor(options: ServersOptions) {
    this.#options = options;
  }

  async connect(backendName: string, lane: Lane): Promise<pg.PoolClient> {
    return this.#server(backendName).lanes[lane].connect();
  }

  /** One simple query on the fast lane, which may hold several statements; answers the last one's rows. */
  async query<Row extends pg.QueryResultRow>(backendName: string, sql: string): Promise<Row[]> {
    const answer: unknown = await this.#server(backendName).lanes.fast.query<Row>(sql);
    return lastRows(answer as pg.QueryResult<Row> | pg.QueryResult<Row>[]);
  }

  /** The server's version number, after it was found fit and made ready; asked of the server once. */
  prepare(backendName: string): Promise<number> {
    const server = this.#server(backendName);
    server.prepared ??= this.#prepare(backendName).catch((error: unknown) => {
      server.prepared = null;
      throw error;
    });
    return server.prepared;
  }

  /** A connection of the platform into a tenant's database. What the tenant put there is never looked up by a bare name; `sql` waits for `after`. */
  async inDatabase(
    options: { backendName: string; database: string; signal?: AbortSignal; after?: Promise<unknown> },
    sql: string,
  ): Promise<void> {
    const client = new pg.Client(adminConfig(this.urlOf(options), 'leasehold-tenant-database'));
    client.on('error', () => {});
    const abort = () => void client.end();
    options.signal?.addEventListener('abort', abort, { once: true });
    try {
      await Promise.all([client.connect(), options.after]);
      await client.query(sql);
    } finally {
      options.signal?.removeEventListener('abort', abort);
      // Its answer is not waited for: the socket is closed, and the server's end follows by itself.
      void client.end();
    }
  }

  /** The admin's url, or another login's, for a database on that server. */
  urlOf(options: { backendName: string; database: string; user?: string; password?: string }): string {
    const url = parseUrl(this.#options.adminUrlOf(options.backendName), options.backendName);
    url.pathname = `/${options.database}`;
    if (options.user !== undefined) url.username = encodeURIComponent(options.user);
    if (options.password !== undefined) url.password = encodeURIComponent(options.password);
    return url.href;
  }

  async close(): Promise<void> {
    const servers = [...this.#servers.values()];
    this.#servers.clear();
    await Promise.all(servers.flatMap((server) => Object.values(server.lanes).map((pool) => pool.end())));
  }

  #server(backendName: string): Server {
    const url = this.urlOf({ backendName, database: 'postgres' });
    const known = this.#servers.get(backendName);
    if (known?.url === url) return known;
    if (known) for (const pool of Object.values(known.lanes)) void pool.end();
    const lanes = {
      ddl: this.#pool(backendName, url, this.#options.maxAdminConnections, DDL_WAIT_MS),
      fast: this.#pool(backendName, url, FAST_LANE_CONNECTIONS, CONNECT_TIMEOUT_MS),
    };
    const server: Server = { url, lanes, prepared: null };
    this.#servers.set(backendName, server);
    return server;
  }

  #pool(backendName: string, url: string, max: number, connectionTimeoutMillis: number): pg.Pool {
    const pool = new pg.Pool({
      ...adminConfig(url, 'leasehold'),
      max,
      connectionTimeoutMillis,
      idleTimeoutMillis: 60_000,
      allowExitOnIdle: true,
    });
    // An idle connection that breaks is replaced by the pool; without a listener it would end the process.
    pool.on('error', (error) => this.#options.logger?.warn('idle admin connection lost', { backendName, error: redact(error.message) }));
    return pool;
  }

  async #prepare(backendName: string): Promise<number> {
    const [facts] = await this.query<ServerFacts>(backendName, FACTS).catch((error: unknown) => {
      throw toProviderError(error);
    });
    if (!facts) throw new ProviderMisconfigured(`${backendName}: the server answers nothing about itself`);
    const complaint = unfit(facts);
    if (complaint) throw new ProviderMisconfigured(`${backendName}: ${complaint}`);
    await this.query(backendName, PREPARE);
    return facts.version;
  }
}

interface ServerFacts {
  version: number;
  superuser: boolean;
  replica: boolean;
  search_path: string;
}

const FACTS = `SELECT current_setting('server_version_num')::int AS version, current_setting('is_superuser')::bool AS superuser,
  pg_is_in_recovery() AS replica, current_setting('search_path') AS search_path`;

/** One transaction under a lock of its own: two workers that start at once would otherwise update the same catalogue rows. */
const PREPARE = `SELECT pg_advisory_xact_lock(${lockKey('prepare-server')});
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '${TENANTS_GROUP}') THEN CREATE ROLE ${TENANTS_GROUP} NOLOGIN; END IF;
END $$;
REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC;`;

function unfit(facts: ServerFacts): string | null {
  if (facts.version < OLDEST_VERSION) return 'Postgres 15 or newer is needed: upgrade the server';
  if (facts.replica) return 'this is a read-only replica: give the url of the primary';
  if (facts.search_path !== 'pg_catalog')
    return 'start-up options are dropped on the way, as by a connection pooler: give the url of the server itself';
  if (!facts.superuser)
    return 'the admin role must be a superuser, since it sets temp_file_limit and re-assigns what tenants own: ALTER ROLE <admin> SUPERUSER';
  return null;
}

export function adminConfig(url: string, applicationName: string): pg.ClientConfig {
  return {
    connectionString: url,
    application_name: applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    // As start-up options they also win over what ALTER DATABASE has set, the quota's read-only mode for one.
    options: `-c search_path=pg_catalog -c lock_timeout=${LOCK_TIMEOUT_MS} -c statement_timeout=0 -c default_transaction_read_only=off`,
  };
}

export function lastRows<Row extends pg.QueryResultRow>(answer: pg.QueryResult<Row> | pg.QueryResult<Row>[]): Row[] {
  return (Array.isArray(answer) ? answer.at(-1) : answer)?.rows ?? [];
}

/** `new URL` quotes its input, the password included, in what it throws. */
function parseUrl(text: string, backendName: string): URL {
  try {
    return new URL(text);
  } catch {
    throw new ProviderMisconfigured(`the url of backend ${backendName} cannot be read`);
  }
}
