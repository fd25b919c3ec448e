// Signed urls: made here alone, without asking the store.
import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { clientOptions } from './clients';
import type { StorageKey } from './types';

export const PRESIGN_OPERATIONS = ['GET', 'PUT', 'HEAD'] as const;
export type PresignOperation = (typeof PRESIGN_OPERATIONS)[number];

export interface PresignRequest {
  /** As the client will reach it: the host is part of what is signed. */
  endpoint: string;
  region: string;
  key: StorageKey;
  operation: PresignOperation;
  bucket: string;
  /** With its prefix; whoever calls has checked it with `storagepath`. */
  objectKey: string;
  expiresInSeconds: number;
  signedAt: Date;
}

export async function presignObject(request: PresignRequest): Promise<string> {
  const client = new S3Client({ ...clientOptions(request), forcePathStyle: true });
  try {
    const object = { Bucket: request.bucket, Key: request.objectKey };
    const settings = { expiresIn: request.expiresInSeconds, signingDate: request.signedAt };
    switch (request.operation) {
      case 'GET':
        return await getSignedUrl(client, new GetObjectCommand(object), settings);
      case 'PUT':
        return await getSignedUrl(client, new PutObjectCommand(object), settings);
      case 'HEAD':
        return await getSignedUrl(client, new HeadObjectCommand(object), settings);
    }
  } finally {
    client.destroy();
  }
}
