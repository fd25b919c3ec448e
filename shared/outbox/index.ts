// Events on their way out: the outbox as a queue, who relays it, and reading events by cursor across resources.
export { type DeadLetter, listDeadLetters, replayDeadLetter } from './deadletters';
export { BEAT_MS, type BrokerState, beat, type RelayReport, relayReadiness, sayGoodbye } from './heartbeat';
export {
  backoffMs,
  markFailed,
  markPublished,
  type OutboxLag,
  type OutboxRow,
  outboxLag,
  pruneOutbox,
  releaseOutboxRows,
  takeOutboxRows,
} from './queue';
export {
  currentEventCursor,
  type EventPage,
  type EventScope,
  InvalidEventCursor,
  type ReadEventsOptions,
  type RecordedEvent,
  readEventsAfter,
} from './stream';
