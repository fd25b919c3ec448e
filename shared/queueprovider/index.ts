// The queue as every engine gives it: one interface, the choice of its implementation, and what of it is computed without a server.
export { createQueueProviders, type ProviderMaker, type QueueBackendChoice, type QueueProviders } from './factory';
export {
  formatKafkaAdminUrl,
  formatKafkaBrokers,
  type KafkaAdmin,
  type KafkaBroker,
  parseKafkaAdminUrl,
} from './kafka-admin';
export { isShrunk, limitsAtLeast, QUEUE_DEFAULTS, queueLimits } from './limits';
export { formatNatsAdminUrl, type NatsAdmin, parseNatsAdminUrl } from './nats-admin';
export {
  type NatsAccountState,
  type NatsCredentialState,
  natsAccountClaims,
  natsAccountId,
  natsRemovalClaims,
  newNatsAccount,
  readNatsAccount,
  withCredential,
  withoutCredential,
} from './nats-claims';
export { Nkey } from './nkey';
export { formatRabbitmqAdminUrl, parseRabbitmqAdminUrl, type RabbitmqAdmin } from './rabbitmq-admin';
export {
  limitsOfVhost,
  newRabbitmqVhost,
  queueShare,
  type RabbitmqVhostState,
  rabbitmqVhostTags,
  readRabbitmqVhostTags,
} from './rabbitmq-vhost';
export type * from './types';
