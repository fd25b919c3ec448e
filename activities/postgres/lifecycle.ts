// Making and unmaking: from nothing to a database that its tenant can use, and back until nothing of the name is left.
import { scramSha256Verifier } from '../../shared/crypto';
import type { CallOptions, CredentialReader, Fence, ProvisionRequest, WarmItem } from '../backend';
import { loginName, readOwnCredential } from '../names';
import { Fenced, hasSqlState, toProviderError } from './errors';
import { identifier, lockKey } from './names';
import type { PostgresServers } from './servers';
import { CUT, INVALID_DATABASE, type LockedName, type NameRef, withNameLock } from './session';
import * as sql from './statements';
import type { VerifierRequest, Verifiers } from './verifiers';

export interface LifecycleContext {
  servers: PostgresServers;
  readCredential: CredentialReader;
  verifiers: Verifiers;
  fence: Fence;
  now: () => number;
  /** Statements that the platform runs in a new database before its tenant comes in. */
  furnish?: (request: Pick<ProvisionRequest, 'objectName' | 'options'>) => string[];
}

/** The stored credential as what the server is given: a verifier, never the password. */
export async function deriveVerifier(readCredential: CredentialReader, request: VerifierRequest): Promise<string> {
  const { password } = await readOwnCredential(readCredential, request, request.credentialVersion);
  return scramSha256Verifier(password);
}

export async function provision(context: LifecycleContext, request: ProvisionRequest, options: CallOptions = {}): Promise<void> {
  const serverVersion = await context.servers.prepare(request.backendName);
  const verifier = await context.verifiers.take(request);
  await withNameLock(context.servers, request, { ...options, now: context.now }, async (name) => {
    // After the lock: whoever held it before may have been the delete.
    if (!(await context.fence(request))) throw new Fenced(`${request.objectName} is not to be made any more`);
    const login = {
      objectName: request.objectName,
      version: request.credentialVersion,
      verifier,
      canLogin: true,
      connections: sql.connectionLimit(request.limits),
      settings: sql.settingsOf(request.limits),
      serverVersion,
    };
    await establish(context.servers, name, login, context.furnish?.(request));
  });
}

/** Completes whatever is missing. The access list comes last and together with the schema's owner: where it is, nothing is missing. */
export async function establish(
  servers: PostgresServers,
  name: LockedName,
  login: sql.LoginSpec,
  furnishing: readonly string[] = [],
): Promise<void> {
  const { objectName, state } = name;
  let database = state.database;
  if (database?.connectionLimit === INVALID_DATABASE) {
    await name.query(sql.dropDatabase(objectName));
    database = null;
  }
  const databaseLimit = login.canLogin ? login.connections : CUT;
  const openDatabase = sql.openDatabase(objectName, databaseLimit);
  const exists = state.logins.some((known) => known.version === login.version);
  const applyLogin = sql.applyLogin(login, exists);
  if (database?.complete) {
    await name.query([openDatabase, ...applyLogin].join('; '));
    return;
  }
  await name.query(database ? openDatabase : sql.createDatabase(objectName, databaseLimit));
  const owner = state.ownerExists ? [] : [sql.createOwner(objectName)];
  // The roles are made while the connection into the database is: each takes about as long.
  const roles = name.query([...owner, ...applyLogin].join('; '));
  const inside = [...furnishing, sql.giveSchema(objectName), ...sql.grantDatabase(objectName)];
  await servers.inDatabase({ backendName: name.backendName, database: objectName, signal: name.signal, after: roles }, inside.join('; '));
}

/** One round trip: lock, password and limits are one transaction. */
export async function claimWarm(context: LifecycleContext, request: ProvisionRequest, options: CallOptions = {}): Promise<void> {
  if (request.credentialVersion !== 1) return provision(context, request, options);
  const verifier = await context.verifiers.take(request);
  options.signal?.throwIfAborted();
  const connections = sql.connectionLimit(request.limits);
  const login = loginName(request.objectName, 1);
  const settings = sql.settingsOf(request.limits);
  try {
    await context.servers.query(
      request.backendName,
      [
        `SELECT pg_advisory_xact_lock(${lockKey(request.objectName)})`,
        `ALTER ROLE ${identifier(login)} LOGIN PASSWORD '${verifier}' CONNECTION LIMIT ${connections}`,
        sql.setDatabaseLimit(request.objectName, connections),
        ...(sql.isDefault(settings) ? [] : sql.setLoginSettings(login, settings)),
      ].join('; '),
    );
  } catch (error) {
    const itemMissing = hasSqlState(error, '42704', '3D000');
    if (!itemMissing) throw toProviderError(error);
    await provision(context, request, options);
  }
}

/** A warm item is complete but for login, password and limits. A complete one is left alone: it may be claimed already. */
export async function createWarmItem(context: LifecycleContext, item: WarmItem, options: CallOptions = {}): Promise<void> {
  const serverVersion = await context.servers.prepare(item.backendName);
  await withNameLock(context.servers, item, { ...options, now: context.now }, async (name) => {
    if (item.onlyIf && !(await item.onlyIf())) return;
    if (name.state.database?.complete && name.state.database.connectionLimit !== INVALID_DATABASE) return;
    const login = {
      objectName: item.objectName,
      version: 1,
      verifier: null,
      canLogin: false,
      connections: -1,
      settings: sql.DEFAULT_SETTINGS,
      serverVersion,
    };
    await establish(context.servers, name, login, context.furnish?.({ objectName: item.objectName, options: {} }));
  });
}

/**
 * Everything of the name, in an order that leaves no way back in. A CREATE DATABASE whose client died holds the name's lock on the
 * server until it is done, so it is waited for and then found.
 */
export async function deprovision(
  context: LifecycleContext,
  ref: NameRef & Pick<WarmItem, 'onlyIf'>,
  options: CallOptions = {},
): Promise<void> {
  await withNameLock(context.servers, ref, { ...options, now: context.now }, async (name) => {
    if (ref.onlyIf && !(await ref.onlyIf())) return;
    const lockOut = sql.lockOut(ref.objectName, name.state);
    if (lockOut.length > 0) await name.query(lockOut.join('; '));
    // Always: the state was read before, and on what is absent it costs nothing.
    await name.query(sql.dropDatabase(ref.objectName));
    await name.query(dropRoles(ref.objectName));
  });
}

/** Found anew on the server, so that one round trip does for any number of them; DROP OWNED takes what a role was granted on shared objects. */
function dropRoles(objectName: string): string {
  return `DO $$ DECLARE ours text; BEGIN
    SELECT string_agg(quote_ident(rolname), ', ') INTO ours FROM pg_roles WHERE rolname ~ '^${objectName}(_[1-9][0-9]*)?$';
    IF ours IS NOT NULL THEN EXECUTE 'DROP OWNED BY ' || ours; EXECUTE 'DROP ROLE ' || ours; END IF;
  END $$`;
}
