// The SQL that makes, changes and unmakes a tenant's roles and database. Pure: names and numbers in, text out.
import { PLAN_DEFAULTS } from '../../shared/plans';
import type { ResourceLimits } from '../../workflows/resource/messages';
import { loginName } from '../names';
import { identifier, literal, TENANTS_GROUP } from './names';
import { CUT, type LoginState, type ObjectState, RETIRED } from './session';

export const TEMPLATE = 'template0';
const UNLIMITED = -1;
/** From this version on a membership can be had without any right that comes with it. */
const INHERIT_OPTION_VERSION = 160_000;

export interface LoginSpec {
  objectName: string;
  version: number;
  /** A SCRAM verifier; null = no password, as for a warm item. */
  verifier: string | null;
  canLogin: boolean;
  connections: number;
  settings: LoginSettings;
  serverVersion: number;
}

/** What a session of the tenant begins with. Only a superuser may change the first; the second is the tenant's to change. */
export interface LoginSettings {
  tempFileMb: number;
  statementTimeoutMs: number;
}

/** A warm item's, and those of a resource that is older than its plan's figures. */
export const DEFAULT_SETTINGS: LoginSettings = {
  tempFileMb: PLAN_DEFAULTS.tempFileMb,
  statementTimeoutMs: PLAN_DEFAULTS.statementTimeoutMs,
};

export function settingsOf({ tempFileMb, statementTimeoutMs }: ResourceLimits): LoginSettings {
  return {
    tempFileMb: tempFileMb ?? DEFAULT_SETTINGS.tempFileMb,
    statementTimeoutMs: statementTimeoutMs ?? DEFAULT_SETTINGS.statementTimeoutMs,
  };
}

export function isDefault(settings: LoginSettings): boolean {
  return settings.tempFileMb === DEFAULT_SETTINGS.tempFileMb && settings.statementTimeoutMs === DEFAULT_SETTINGS.statementTimeoutMs;
}

/** Sessions that are open keep what they began with. */
export function setLoginSettings(roleName: string, { tempFileMb, statementTimeoutMs }: LoginSettings): string[] {
  const login = identifier(roleName);
  return [
    `ALTER ROLE ${login} SET temp_file_limit = '${tempFileMb}MB'`,
    `ALTER ROLE ${login} SET statement_timeout = '${statementTimeoutMs}ms'`,
  ];
}

/** 0 would read as "retired" or "cut", so a limit is 1 at least. */
export function connectionLimit(limits: ResourceLimits): number {
  if (limits.connections === undefined || limits.connections < 0) return UNLIMITED;
  return Math.max(1, Math.floor(limits.connections));
}

/** What the database gets back after a cut: its login roles kept the limit meanwhile. */
export function limitOfLogins(logins: LoginState[]): number {
  const limits = logins.filter((login) => !isRetired(login)).map((login) => login.connectionLimit);
  return limits.length === 0 || limits.includes(UNLIMITED) ? UNLIMITED : Math.max(...limits);
}

export function isRetired(login: LoginState): boolean {
  return login.connectionLimit === RETIRED;
}

export function isCut(state: ObjectState): boolean {
  return state.database?.connectionLimit === CUT;
}

/** WAL_LOG always: the other strategy forces a checkpoint, and one call pays seconds for everybody's dirty pages. */
export function createDatabase(objectName: string, connections: number): string {
  return `CREATE DATABASE ${identifier(objectName)} TEMPLATE ${TEMPLATE} STRATEGY WAL_LOG CONNECTION LIMIT ${connections}`;
}

export function createOwner(objectName: string): string {
  return `CREATE ROLE ${identifier(objectName)} NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS`;
}

/** The database stays the platform's: its owner could lift limits, set settings that platform sessions meet, and let others in. */
export function grantDatabase(objectName: string): string[] {
  const name = identifier(objectName);
  return [`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`, `GRANT CONNECT, CREATE, TEMPORARY ON DATABASE ${name} TO ${name}`];
}

export function giveSchema(objectName: string): string {
  return `ALTER SCHEMA public OWNER TO ${identifier(objectName)}`;
}

/** Creates or re-applies a login role; also undoes what its holder may have set on it. */
export function applyLogin(spec: LoginSpec, exists: boolean): string[] {
  const owner = identifier(spec.objectName);
  const login = identifier(loginName(spec.objectName, spec.version));
  const password = spec.verifier === null ? 'NULL' : literal(spec.verifier);
  const attributes = `${spec.canLogin ? 'LOGIN' : 'NOLOGIN'} PASSWORD ${password} CONNECTION LIMIT ${spec.connections}`;
  const noRights = spec.serverVersion >= INHERIT_OPTION_VERSION ? ' WITH INHERIT FALSE, SET FALSE' : '';
  return [
    exists
      ? `ALTER ROLE ${login} ${attributes}`
      : `CREATE ROLE ${login} NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT ${attributes}`,
    `GRANT ${owner} TO ${login}`,
    `ALTER ROLE ${login} SET role = ${literal(spec.objectName)}`,
    ...setLoginSettings(loginName(spec.objectName, spec.version), spec.settings),
    // Last: until commit it keeps others from granting this group.
    `GRANT ${TENANTS_GROUP} TO ${login}${noRights}`,
  ];
}

/** Also out of what a delete that was given up has left. */
export function openDatabase(objectName: string, connections: number): string {
  return `ALTER DATABASE ${identifier(objectName)} WITH ALLOW_CONNECTIONS true CONNECTION LIMIT ${connections}`;
}

export function setDatabaseLimit(objectName: string, connections: number): string {
  return `ALTER DATABASE ${identifier(objectName)} CONNECTION LIMIT ${connections}`;
}

export function setLoginLimit(login: LoginState, connections: number): string {
  return `ALTER ROLE ${identifier(login.roleName)} CONNECTION LIMIT ${connections}`;
}

export function setLogin(login: LoginState, canLogin: boolean): string {
  return `ALTER ROLE ${identifier(login.roleName)} ${canLogin ? 'LOGIN' : 'NOLOGIN'}`;
}

/** The mark of a retired role is its limit of 0: `restore` and `applyLimits` leave such a role alone. */
export function markRetired(roleName: string): string {
  return `ALTER ROLE ${identifier(roleName)} NOLOGIN PASSWORD NULL CONNECTION LIMIT ${RETIRED}`;
}

/** Run in the tenant's database; what the role made under its own name goes to the owner role first. */
export function dropLogin(roleName: string, objectName: string): string[] {
  const role = identifier(roleName);
  return [`REASSIGN OWNED BY ${role} TO ${identifier(objectName)}`, ...dropLoginWithoutDatabase(roleName)];
}

export function dropLoginWithoutDatabase(roleName: string): string[] {
  return [`DROP OWNED BY ${identifier(roleName)}`, `DROP ROLE ${identifier(roleName)}`];
}

export function setReadOnly(objectName: string, readOnly: boolean): string {
  const name = identifier(objectName);
  return readOnly
    ? `ALTER DATABASE ${name} SET default_transaction_read_only = on`
    : `ALTER DATABASE ${name} RESET default_transaction_read_only`;
}

export function dropDatabase(objectName: string): string {
  return `DROP DATABASE IF EXISTS ${identifier(objectName)} WITH (FORCE)`;
}

/** Before the drop: no new session by any way in. The remains of an interrupted drop can only be dropped again. */
export function lockOut(objectName: string, state: ObjectState): string[] {
  const logins = state.logins.map((login) => setLogin(login, false));
  const valid = state.database !== null && state.database.connectionLimit >= UNLIMITED;
  return valid ? [...logins, `ALTER DATABASE ${identifier(objectName)} WITH ALLOW_CONNECTIONS false CONNECTION LIMIT ${CUT}`] : logins;
}
