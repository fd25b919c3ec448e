// One name's lock, held on the connection that runs the statements, and what the server has under that name.
import type pg from 'pg';
import type { BackendRef, CallOptions } from '../backend';
import { loginVersion } from '../names';
import { ProviderUnavailable, toProviderError } from './errors';
import { identifier, literal, lockKey } from './names';
import { lastRows, type PostgresServers } from './servers';

export type NameRef = Pick<BackendRef, 'backendName' | 'objectName'>;

export interface LoginState {
  roleName: string;
  version: number;
  canLogin: boolean;
  /** 0 = retired: never to log in again (see docs/kinds/postgres.md). */
  connectionLimit: number;
}

export interface ObjectState {
  ownerExists: boolean;
  /** Oldest first. */
  logins: LoginState[];
  database: DatabaseState | null;
}

export interface DatabaseState {
  /** 0 = cut or not yet claimed; -2 = the remains of a DROP DATABASE that was interrupted. */
  connectionLimit: number;
  /** Roles, schema owner and access list are there: the access list is set last. */
  complete: boolean;
}

export const INVALID_DATABASE = -2;
export const CUT = 0;
export const RETIRED = 0;

export interface LockedName extends NameRef {
  readonly state: ObjectState;
  readonly signal?: AbortSignal;
  /** One simple query, which may hold several statements: they are one transaction. */
  query<Row extends pg.QueryResultRow>(sql: string): Promise<Row[]>;
}

interface StateRow {
  database: { connectionLimit: number; complete: boolean } | null;
  roles: { name: string; canLogin: boolean; connectionLimit: number }[] | null;
}

/** Sleeping through a stop of the whole process must not end in acting on what was true before it. */
const STALE_AFTER_MS = 25_000;

/**
 * Runs `work` while this session holds the name's lock. The state is read by a statement of its own after the lock is there,
 * so it is what the holder before left. On any error the connection is dropped, which frees the lock too.
 */
export async function withNameLock<T>(
  servers: PostgresServers,
  ref: NameRef,
  options: CallOptions & { now: () => number },
  work: (name: LockedName) => Promise<T>,
): Promise<T> {
  options.signal?.throwIfAborted();
  let client: pg.PoolClient | null = null;
  const release = (broken: boolean) => {
    client?.release(broken);
    client = null;
  };
  const abort = () => release(true);
  try {
    const connection = await servers.connect(ref.backendName, 'ddl');
    client = connection;
    const startedAt = options.now();
    options.signal?.addEventListener('abort', abort, { once: true });
    const query = async <Row extends pg.QueryResultRow>(sql: string): Promise<Row[]> => {
      options.signal?.throwIfAborted();
      const answer: unknown = await connection.query<Row>(sql);
      return lastRows(answer as pg.QueryResult<Row> | pg.QueryResult<Row>[]);
    };
    const [row] = await query<StateRow & pg.QueryResultRow>(
      `SELECT pg_advisory_lock(${lockKey(ref.objectName)}); ${stateQuery(ref.objectName)}`,
    );
    if (!row) throw new ProviderUnavailable('the catalogue answered nothing');
    if (options.now() - startedAt > STALE_AFTER_MS) throw new ProviderUnavailable('the lock came too late');
    const result = await work({ ...ref, signal: options.signal, query, state: toState(row, ref.objectName) });
    await query(`SELECT pg_advisory_unlock(${lockKey(ref.objectName)})`);
    release(false);
    return result;
  } catch (error) {
    release(true);
    throw toProviderError(error);
  } finally {
    options.signal?.removeEventListener('abort', abort);
  }
}

function stateQuery(objectName: string): string {
  const name = literal(objectName);
  return `SELECT
    (SELECT json_build_object('connectionLimit', datconnlimit, 'complete', EXISTS (
        SELECT FROM aclexplode(datacl) acl JOIN pg_roles owner ON owner.oid = acl.grantee
        WHERE owner.rolname = ${name} AND acl.privilege_type = 'CREATE'))
      FROM pg_database WHERE datname = ${name}) AS database,
    (SELECT json_agg(json_build_object('name', rolname, 'canLogin', rolcanlogin, 'connectionLimit', rolconnlimit))
      FROM pg_roles WHERE rolname ~ '^${objectName}(_[1-9][0-9]*)?$') AS roles`;
}

function toState(row: StateRow, objectName: string): ObjectState {
  const roles = row.roles ?? [];
  const logins = roles.flatMap((role) => {
    const version = loginVersion(role.name, objectName);
    return version === null ? [] : [{ roleName: role.name, version, canLogin: role.canLogin, connectionLimit: role.connectionLimit }];
  });
  return {
    ownerExists: roles.some((role) => role.name === objectName),
    logins: logins.sort((a, b) => a.version - b.version),
    database: row.database,
  };
}

const TERMINATE_WAIT_MS = 1_000;
const SECOND_LOOK_MS = 20;
const MAX_LOOKS = 30;

/** Ends sessions until none was seen twice in a row: one that was just logging in shows only at the second look. */
export async function terminateSessions(name: LockedName, of: { login: string } | 'database'): Promise<void> {
  const mine = of === 'database' ? `datname = ${literal(name.objectName)}` : `usename = ${literal(of.login)}`;
  const sql = `SELECT count(pg_terminate_backend(pid, ${TERMINATE_WAIT_MS}))::int AS seen FROM pg_stat_activity
    WHERE ${mine} AND pid <> pg_backend_pid() AND backend_type IN ('client backend', 'parallel worker', 'walsender')`;
  let quietLooks = 0;
  for (let look = 0; look < MAX_LOOKS; look += 1) {
    const [row] = await name.query<{ seen: number }>(sql);
    quietLooks = row?.seen === 0 ? quietLooks + 1 : 0;
    if (quietLooks === 2) return;
    await new Promise((resolve) => setTimeout(resolve, SECOND_LOOK_MS));
  }
  throw new ProviderUnavailable(`sessions of ${identifier(name.objectName)} do not end`);
}
