// The commands that make, change and unmake a tenant's users on a real MongoDB server. Pure: names and facts in, documents out.
import type { Document } from 'mongodb';
import { loginName } from '../../names';

/** What the platform keeps at a user, in a part of it that the user itself can neither read nor change. */
export interface UserMarks {
  cut: boolean;
  readOnly: boolean;
}

export interface UserState extends UserMarks {
  version: number;
}

/** An address that no client has: for documentation only (RFC 5737). */
const NOWHERE = '192.0.2.1/32';
const MECHANISMS = ['SCRAM-SHA-256'];

/** Its own database only, and nothing while it is cut. */
export function rolesOf(objectName: string, { cut, readOnly }: UserMarks): Document[] {
  if (cut) return [];
  return [{ role: readOnly ? 'read' : 'readWrite', db: objectName }];
}

/** Without a right, and refused at the door: also a connection that is logged in is thrown out when its user is read anew. */
function access(objectName: string, marks: UserMarks): Document {
  return {
    roles: rolesOf(objectName, marks),
    authenticationRestrictions: marks.cut ? [{ clientSource: [NOWHERE] }] : [],
    customData: { leasehold: { cut: marks.cut, readOnly: marks.readOnly } },
  };
}

export function createUser(objectName: string, version: number, password: string, marks: UserMarks): Document {
  return { createUser: loginName(objectName, version), pwd: password, mechanisms: MECHANISMS, ...access(objectName, marks) };
}

export function updateUser(objectName: string, version: number, password: string, marks: UserMarks): Document {
  return { updateUser: loginName(objectName, version), pwd: password, mechanisms: MECHANISMS, ...access(objectName, marks) };
}

/** All but the password. */
export function setAccess(objectName: string, version: number, marks: UserMarks): Document {
  return { updateUser: loginName(objectName, version), ...access(objectName, marks) };
}

export function dropUser(objectName: string, version: number): Document {
  return { dropUser: loginName(objectName, version) };
}

/** Their operations and cursors end at once; what they send next is checked against the user as it is then. */
export function killSessions(objectName: string, versions: readonly number[]): Document {
  return { killAllSessions: versions.map((version) => ({ user: loginName(objectName, version), db: objectName })) };
}

/** In the database that it is sent to. */
export function usersOfDatabase(): Document {
  return { usersInfo: 1 };
}

/** Every user of this installation, whatever its database. `prefix` holds letters, digits and _ only. */
export function usersOfInstallation(prefix: string): Document {
  return { usersInfo: { forAllDBs: true }, filter: { db: { $regex: `^${prefix}` } } };
}

export function databasesOfInstallation(prefix: string): Document {
  return { listDatabases: 1, nameOnly: true, filter: { name: { $regex: `^${prefix}` } } };
}

/** What the platform left at a user; one that says nothing is neither cut nor read-only. */
export function marksOf(user: Document): UserMarks {
  const marks: unknown = Object(user.customData).leasehold;
  return { cut: Object(marks).cut === true, readOnly: Object(marks).readOnly === true };
}
