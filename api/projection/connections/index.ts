// What clients connect with, for each kind. Pure: secrets come in decrypted.
import type { ResourceKind } from '../../../shared/resourcetype';
import { presentMongodb } from './mongodb';
import { presentPostgres } from './postgres';
import { presentQueue } from './queue';
import { presentRedis } from './redis';
import { presentStorage } from './storage';
import type { PresentConnection } from './types';
import { presentVector } from './vector';
import { presentWebhook } from './webhook';

export { openServerWarning } from './queue-nats-open';
export type { ConnectionFields, ConnectionInput, PublicAddress } from './types';

export const PRESENT_CONNECTION: Readonly<Partial<Record<ResourceKind, PresentConnection>>> = {
  postgres: presentPostgres,
  redis: presentRedis,
  mongodb: presentMongodb,
  queue: presentQueue,
  storage: presentStorage,
  vector: presentVector,
  webhook: presentWebhook,
};
