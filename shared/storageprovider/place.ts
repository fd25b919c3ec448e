// Names on the store, from the object's name: bucket names know no underscore.
import { isObjectName } from '../resourcetype';
import type { StorageMode } from './modes';
import type { StoragePlace } from './types';

const BUCKET_NAME = /^(lh[a-z2-7]{8})-([a-z2-7]{24})$/;

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
  return isObjectName(name) ? name : null;
}

export function placeOf(objectName: string, mode: StorageMode, installationId: string): StoragePlace {
  if (mode === 'dedicated-bucket') return { objectName, mode, bucket: bucketNameOf(objectName), prefix: '' };
  return { objectName, mode, bucket: sharedBucketName(installationId), prefix: prefixOf(objectName) };
}
