import type { ResourceKind } from '../../shared/resourcetype';
import { mongodbDriver } from './mongodb';
import { postgresDriver, vectorDriver } from './postgres';
import { queueDriver } from './queue';
import { redisDriver } from './redis';
import { storageDriver } from './storage';
import type { KindDriver } from './types';
import { webhookDriver } from './webhook';

export type { Granted, KindDriver, Session } from './types';

export const DRIVERS: Readonly<Record<ResourceKind, KindDriver>> = {
  postgres: postgresDriver,
  vector: vectorDriver,
  redis: redisDriver,
  mongodb: mongodbDriver,
  queue: queueDriver,
  storage: storageDriver,
  webhook: webhookDriver,
};
