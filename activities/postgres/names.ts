// Names on the server: which are ours, which belong together, and the lock that guards each.
import { createHash } from 'node:crypto';
import { escapeIdentifier, escapeLiteral } from 'pg';
import { ProviderMisconfigured } from './errors';

const OBJECT_NAME = /^lh[a-z2-7]{8}_[a-z2-7]{24}$/;
const INSTALLATION_ID = /^[a-z2-7]{8}$/;
const LOGIN_ROLE = /^(lh[a-z2-7]{8}_[a-z2-7]{24})_([1-9][0-9]{0,8})$/;

/** Every tenant's login role is in it: what pg_hba.conf names, and nothing has a right through it. */
export const TENANTS_GROUP = 'leasehold_tenants';

export function installationPrefix(installationId: string): string {
  if (!INSTALLATION_ID.test(installationId)) throw new ProviderMisconfigured(`not an installation id: ${installationId}`);
  return `lh${installationId}_`;
}

/** Nothing else is ever put in a statement as a name. */
export function assertObjectName(objectName: string, prefix: string): void {
  if (!OBJECT_NAME.test(objectName)) throw new ProviderMisconfigured(`not an object name: ${JSON.stringify(objectName)}`);
  if (!objectName.startsWith(prefix)) throw new ProviderMisconfigured(`${objectName} belongs to another installation`);
}

export function loginRoleName(objectName: string, version: number): string {
  const name = `${objectName}_${version}`;
  if (!LOGIN_ROLE.test(name)) throw new ProviderMisconfigured(`not a login role's name: ${JSON.stringify(name)}`);
  return name;
}

/** The version in a login role's name; null when it is no login role of that object. */
export function loginVersion(roleName: string, objectName: string): number | null {
  const match = LOGIN_ROLE.exec(roleName);
  return match?.[1] === objectName ? Number(match[2]) : null;
}

/** A database's, an owner role's or a login role's name to the object it is part of; null when it is none of ours. */
export function objectNameOf(name: string): string | null {
  if (OBJECT_NAME.test(name)) return name;
  return LOGIN_ROLE.exec(name)?.[1] ?? null;
}

/** The key of the advisory lock on a name, as an SQL literal: 64 bits of its hash. */
export function lockKey(name: string): string {
  const key = createHash('sha256').update(`leasehold/postgres/${name}`).digest().readBigInt64BE(0);
  return `'${key}'::bigint`;
}

export const identifier = escapeIdentifier;
export const literal = escapeLiteral;
