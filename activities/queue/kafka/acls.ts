// What the access rights of a tenant say. They are the only state there is: every verb reads them, changes them, and looks again.

import { loginOf, prefixOf, versionOf } from './names';
import {
  type Acl,
  AclOperations,
  type AclOperationValue,
  AclPermissionTypes,
  type AclResource,
  ResourcePatternTypes,
  ResourceTypes,
  type ResourceTypeValue,
} from './protocol';

export interface KafkaTenantState {
  /** Versions that have a right. */
  versions: number[];
}

const { TOPIC, GROUP, TRANSACTIONAL_ID } = ResourceTypes;
const { READ, WRITE, CREATE, DELETE, DESCRIBE, DESCRIBE_CONFIGS, ALL } = AclOperations;
const EVERYBODY = 'User:*';

/** One by one: with ALL or ALTER_CONFIGS a tenant could raise its topics' retention, with ALTER add partitions. */
const RIGHTS: readonly (readonly [ResourceTypeValue, AclOperationValue])[] = [
  ...[READ, WRITE, CREATE, DELETE, DESCRIBE, DESCRIBE_CONFIGS].map((operation) => [TOPIC, operation] as const),
  ...[READ, DESCRIBE, DELETE].map((operation) => [GROUP, operation] as const),
  ...[WRITE, DESCRIBE].map((operation) => [TRANSACTIONAL_ID, operation] as const),
];

/** For everybody, so that a version that is made later is under it too; it does not hold for the platform, which is a super user. */
const CUT: typeof RIGHTS = [TOPIC, GROUP, TRANSACTIONAL_ID].map((resourceType) => [resourceType, ALL] as const);
const READ_ONLY: typeof RIGHTS = [
  [TOPIC, WRITE],
  [TOPIC, CREATE],
  [TRANSACTIONAL_ID, WRITE],
];

const principalOf = (objectName: string, version: number): string => `User:${loginOf(objectName, version)}`;

function toAcls(objectName: string, principal: string, permissionType: Acl['permissionType'], rights: typeof RIGHTS): Acl[] {
  return rights.map(([resourceType, operation]) => ({
    resourceType,
    resourceName: prefixOf(objectName),
    resourcePatternType: ResourcePatternTypes.PREFIXED,
    principal,
    host: '*',
    operation,
    permissionType,
  }));
}

export function grantsOf(objectName: string, version: number): Acl[] {
  return toAcls(objectName, principalOf(objectName, version), AclPermissionTypes.ALLOW, RIGHTS);
}

export function cutMarks(objectName: string): Acl[] {
  return toAcls(objectName, EVERYBODY, AclPermissionTypes.DENY, CUT);
}

export function readOnlyMarks(objectName: string): Acl[] {
  return toAcls(objectName, EVERYBODY, AclPermissionTypes.DENY, READ_ONLY);
}

/** The filter that lets every right through. */
export const EVERY_RIGHT = {
  resourceType: ResourceTypes.ANY,
  resourceName: null,
  resourcePatternType: ResourcePatternTypes.ANY,
  principal: null,
  host: null,
  operation: AclOperations.ANY,
  permissionType: AclPermissionTypes.ANY,
} as const;

export function flatAcls(resources: readonly AclResource[]): Acl[] {
  return resources.flatMap(({ acls, resourceType, resourceName, resourcePatternType }) =>
    acls.map(({ principal, host, operation, permissionType }) => ({
      resourceType,
      resourceName,
      resourcePatternType,
      principal,
      host,
      operation,
      permissionType,
    })),
  );
}

/** Those of `wanted` that are not in `present`. */
export function missingAcls(wanted: readonly Acl[], present: readonly Acl[]): Acl[] {
  const known = new Set(present.map(keyOf));
  return wanted.filter((acl) => !known.has(keyOf(acl)));
}

/** Null: nothing of the tenant is there. A mark alone is a tenant without a version. */
export function tenantState(objectName: string, acls: readonly Acl[]): KafkaTenantState | null {
  if (acls.length === 0) return null;
  const versions = acls.flatMap(({ principal, permissionType }) => {
    const version = versionOf(principal.replace(/^User:/, ''), objectName);
    return version === null || permissionType !== AclPermissionTypes.ALLOW ? [] : [version];
  });
  return { versions: [...new Set(versions)].sort((a, b) => a - b) };
}

function keyOf(acl: Acl): string {
  const { resourceType, resourceName, resourcePatternType, principal, host, operation, permissionType } = acl;
  return [resourceType, resourceName, resourcePatternType, principal, host, operation, permissionType].join('\n');
}
