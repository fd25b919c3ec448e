// Events on their way out: the outbox as a queue, and reading them by cursor across resources.
export { backoffMs, markFailed, markPublished, type OutboxLag, type OutboxRow, outboxLag, takeOutboxRows } from './queue';
export {
  currentEventCursor,
  type EventPage,
  type EventScope,
  InvalidEventCursor,
  type ReadEventsOptions,
  type RecordedEvent,
  readEventsAfter,
} from './stream';
