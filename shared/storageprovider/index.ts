// Which credentials tenants get on an object store: what a store can do, the mode that follows, the keys themselves, and signed urls.
export { abort, clientOptions } from './clients';
export { adminKeyOf, parseStoreConfig, type StoreConfig } from './config';
export { createStorageProvider } from './factory';
export { MinioAdmin } from './minioadmin';
export * from './modes';
export { objectNameOfBucket, objectNameOfPrefix, placeOf, sharedBucketName } from './place';
export { isSignedByPlatform } from './platformkey';
export { PRESIGN_OPERATIONS, type PresignOperation, type PresignRequest, presignObject } from './presign';
export type { DocumentLock } from './sharedkey';
export { absentOr, isStoreError, KeyLost } from './storeerrors';
export type * from './types';
