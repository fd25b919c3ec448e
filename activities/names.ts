// Names on backends, checked: nothing that is not of this installation is ever touched or put in a statement.
import { isInstallationId, isObjectName, objectNamePrefix, parseLoginName, loginName as plainLoginName } from '../shared/resourcetype';
import type { BackendRef, CredentialReader } from './backend';
import { ProviderMisconfigured } from './errors';

export function installationPrefix(installationId: string): string {
  if (!isInstallationId(installationId)) throw new ProviderMisconfigured(`not an installation id: ${installationId}`);
  return objectNamePrefix(installationId);
}

/** @param prefix from `installationPrefix` */
export function assertOwnName(objectName: string, prefix: string): void {
  if (!isObjectName(objectName)) throw new ProviderMisconfigured(`not an object name: ${JSON.stringify(objectName)}`);
  if (!objectName.startsWith(prefix)) throw new ProviderMisconfigured(`${objectName} belongs to another installation`);
}

/** The login of a credential version. */
export function loginName(objectName: string, version: number): string {
  const name = plainLoginName(objectName, version);
  if (parseLoginName(name) === null) throw new ProviderMisconfigured(`not a login's name: ${JSON.stringify(name)}`);
  return name;
}

/** The version in a login's name; null when it is no login of that object. */
export function loginVersion(login: string, objectName: string): number | null {
  const parsed = parseLoginName(login);
  return parsed?.objectName === objectName ? parsed.version : null;
}

/** An object's or a login's name to the object that it is part of; null when it is neither. */
export function objectNameOf(name: string): string | null {
  return isObjectName(name) ? name : (parseLoginName(name)?.objectName ?? null);
}

/** The stored credential of a version of this object, and of no other. */
export async function readOwnCredential(
  readCredential: CredentialReader,
  { resourceId, objectName }: Pick<BackendRef, 'resourceId' | 'objectName'>,
  version: number,
): Promise<{ version: number; username: string; password: string }> {
  const { username, password } = await readCredential({ resourceId, version });
  if (username !== loginName(objectName, version))
    throw new ProviderMisconfigured(`credential ${version} of ${resourceId} is for another login`);
  return { version, username, password };
}
