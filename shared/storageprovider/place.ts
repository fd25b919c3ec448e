// Names on the store, from the object's name: bucket names know no underscore.
import type { StorageMode } from './modes';
import type { StoragePlace } from './types';

const OBJECT_NAME = /^lh[a-z2-7]{8}_[a-z2-7]{24}$/;
const BUCKET_NAME = /^(lh[a-z2-7]{8})-([a-z2-7]{24})$/;
const USER_NAME = /^(lh[a-z2-7]{8}_[a-z2-7]{24})_([1-9][0-9]{0,8})$/;

/** One bucket for all tenants of this installation that have none of their own. */
export function sharedBucketName(installationId: string): string {
  return `lh${installationId}-tenants`;
}

export function bucketNameOf(objectName: string): string {
  return objectName.replace('_', '-');
}

/** Null for a bucket that is no tenant's. */
export function objectNameOfBucket(bucket: string): string | null {
  const match = BUCKET_NAME.exec(bucket);
  return match === null ? null : `${match[1]}_${match[2]}`;
}

/** With the slash at its end, so that no other name begins with it. */
export function prefixOf(objectName: string): string {
  return `${objectName}/`;
}

export function objectNameOfPrefix(prefix: string): string | null {
  const name = prefix.endsWith('/') ? prefix.slice(0, -1) : '';
  return OBJECT_NAME.test(name) ? name : null;
}

/** Of the user that a credential version belongs to. */
export function userNameOf(objectName: string, version: number): string {
  return `${objectName}_${version}`;
}

export function parseUserName(userName: string): { objectName: string; version: number } | null {
  const match = USER_NAME.exec(userName);
  return match?.[1] === undefined ? null : { objectName: match[1], version: Number(match[2]) };
}

export function placeOf(objectName: string, mode: StorageMode, installationId: string): StoragePlace {
  if (mode === 'dedicated-bucket') return { objectName, mode, bucket: bucketNameOf(objectName), prefix: '' };
  return { objectName, mode, bucket: sharedBucketName(installationId), prefix: prefixOf(objectName) };
}
