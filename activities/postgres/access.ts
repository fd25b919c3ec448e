// Who may come in, and with how much: cut, restore, rotate, retire, limits, read-only.
import type { BackendRef, CallOptions, ProvisionRequest, ReadOnlyRequest, RetireRequest, RotateRequest } from '../backend';
import { Fenced, ObjectMissing } from './errors';
import type { LifecycleContext } from './lifecycle';
import { CUT, INVALID_DATABASE, type LockedName, type LoginState, terminateSessions, withNameLock } from './session';
import * as sql from './statements';

/** Absent is success: nobody can come in. The database's limit of 0 is the mark by which later verbs know that it is cut. */
export async function cut(context: LifecycleContext, ref: BackendRef, options: CallOptions = {}): Promise<void> {
  await locked(context, ref, options, async (name) => {
    const statements = name.state.logins.map((login) => sql.setLogin(login, false));
    if (isThere(name)) statements.push(sql.setDatabaseLimit(ref.objectName, CUT));
    if (statements.length > 0) await name.query(statements.join('; '));
    await terminateSessions(name, 'database');
  });
}

export async function restore(context: LifecycleContext, ref: BackendRef, options: CallOptions = {}): Promise<void> {
  await locked(context, ref, options, async (name) => {
    mustExist(name);
    const live = name.state.logins.filter((login) => !sql.isRetired(login));
    const statements = [
      ...live.map((login) => sql.setLogin(login, true)),
      sql.setDatabaseLimit(ref.objectName, sql.limitOfLogins(name.state.logins)),
    ];
    await name.query(statements.join('; '));
  });
}

/** The new version beside the one before; whatever is older ends first, so there are never more than two. */
export async function rotate(context: LifecycleContext, request: RotateRequest, options: CallOptions = {}): Promise<void> {
  const [serverVersion, verifier] = await Promise.all([context.servers.prepare(request.backendName), context.verifiers.take(request)]);
  await locked(context, request, options, async (name) => {
    mustExist(name);
    const { logins } = name.state;
    if (logins.some((login) => login.version > request.credentialVersion))
      throw new Fenced(`${request.objectName} has a newer credential than version ${request.credentialVersion}`);
    const kept = [request.credentialVersion, request.previousVersion];
    for (const login of logins) if (!kept.includes(login.version)) await retire(context, name, login);

    const isCut = sql.isCut(name.state);
    const connections = sql.connectionLimit(request.limits);
    const spec = {
      objectName: request.objectName,
      version: request.credentialVersion,
      verifier,
      canLogin: !isCut,
      connections,
      settings: sql.settingsOf(request.limits),
      serverVersion,
    };
    const exists = logins.some((login) => login.version === request.credentialVersion);
    const statements = sql.applyLogin(spec, exists);
    if (!isCut) statements.unshift(sql.setDatabaseLimit(request.objectName, connections));
    await name.query(statements.join('; '));
  });
}

export async function retireCredential(context: LifecycleContext, request: RetireRequest, options: CallOptions = {}): Promise<void> {
  await locked(context, request, options, async (name) => {
    const login = name.state.logins.find((known) => known.version === request.retireVersion);
    if (login) await retire(context, name, login);
  });
}

/** From the first statement on the credential is dead; removing its role may be repeated until it succeeds. */
async function retire(context: LifecycleContext, name: LockedName, login: LoginState): Promise<void> {
  await name.query(sql.markRetired(login.roleName));
  await terminateSessions(name, { login: login.roleName });
  if (!isThere(name)) {
    await name.query(sql.dropLoginWithoutDatabase(login.roleName).join('; '));
    return;
  }
  const statements = sql.dropLogin(login.roleName, name.objectName).join('; ');
  await context.servers.inDatabase({ backendName: name.backendName, database: name.objectName, signal: name.signal }, statements);
}

/** A soft stop: the tenant can switch it off in its session, so it only comes before a cut. */
export async function setReadOnly(context: LifecycleContext, request: ReadOnlyRequest, options: CallOptions = {}): Promise<void> {
  await locked(context, request, options, async (name) => {
    mustExist(name);
    await name.query(sql.setReadOnly(request.objectName, request.readOnly));
    // Both ways: a session keeps the default that it began with.
    await terminateSessions(name, 'database');
  });
}

/** A cut database keeps its mark; its login roles carry the new limit until it is restored. */
export async function applyLimits(context: LifecycleContext, request: ProvisionRequest, options: CallOptions = {}): Promise<void> {
  await locked(context, request, options, async (name) => {
    mustExist(name);
    const connections = sql.connectionLimit(request.limits);
    const live = name.state.logins.filter((login) => !sql.isRetired(login));
    const settings = sql.settingsOf(request.limits);
    const statements = live.flatMap((login) => [sql.setLoginLimit(login, connections), ...sql.setLoginSettings(login.roleName, settings)]);
    if (!sql.isCut(name.state)) statements.push(sql.setDatabaseLimit(request.objectName, connections));
    if (statements.length > 0) await name.query(statements.join('; '));
  });
}

function locked(
  context: LifecycleContext,
  ref: BackendRef,
  options: CallOptions,
  work: (name: LockedName) => Promise<void>,
): Promise<void> {
  return withNameLock(context.servers, ref, { ...options, now: context.now }, work);
}

function isThere(name: LockedName): boolean {
  return name.state.database !== null && name.state.database.connectionLimit !== INVALID_DATABASE;
}

function mustExist(name: LockedName): void {
  if (!isThere(name)) throw new ObjectMissing(`${name.objectName} is not on ${name.backendName}`);
}
