// Events on their way out: the outbox as a queue, the relay that publishes it, and reading events by cursor across resources.
export type { BrokerOptions } from './broker';
export { type DeadLetter, listDeadLetters, replayDeadLetter } from './deadletters';
export { type RelayReport, relayReadiness } from './heartbeat';
export { RelayMetrics } from './metrics';
export { backoffMs, markFailed, markPublished, type OutboxLag, type OutboxRow, outboxLag, takeOutboxRows } from './queue';
export { Relay, type RelayOptions } from './relay';
export {
  currentEventCursor,
  type EventPage,
  type EventScope,
  InvalidEventCursor,
  type ReadEventsOptions,
  type RecordedEvent,
  readEventsAfter,
} from './stream';
