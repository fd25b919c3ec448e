import type { ResourceKind } from '../../shared/resourcetype';
import { kafkaDriver } from './kafka';
import { mongodbDriver } from './mongodb';
import { postgresDriver, vectorDriver } from './postgres';
import { natsOpenDriver, queueDriver } from './queue';
import { rabbitmqDriver } from './rabbitmq';
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

/** By engine; the open server's tenants have no credentials. */
export const QUEUE_DRIVERS = {
  nats: queueDriver,
  rabbitmq: rabbitmqDriver,
  kafka: kafkaDriver,
  'nats-open': natsOpenDriver,
} as const satisfies Readonly<Record<string, KindDriver>>;
