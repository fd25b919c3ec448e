// Publishes what the outbox holds to JetStream, in each resource's order. Apart from the outbox, so that whoever reads it reaches no broker.
export type { BrokerOptions } from './broker';
export { RelayMetrics } from './metrics';
export { Relay } from './relay';
