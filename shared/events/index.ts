// The resource events as they are announced: names, version, envelope, subjects, and the id that makes each of them unique.
import { v5 as uuidv5 } from 'uuid';
import { EVENT_VERSION, eventFacts, resourceEventSchema } from './schemas';
import type { ResourceEvent, ResourceEventDraft, ResourceEventFacts, UnknownResourceEvent } from './types';

export { EVENT_STREAM, EVENT_SUBJECTS, eventSubject } from './subjects';
export type * from './types';

/** Fixed for ever: event ids must come out the same on every attempt, on every machine. */
const EVENT_NAMESPACE = '6f1f2a52-6d8f-5d0e-9a43-0c3f6f1f7c11';
/** Where waiters hear which resource changed: the payload is its id. */
export const RESOURCE_EVENTS_CHANNEL = 'resource_events';

/** A resource's revision names its event: a repeated transition finds the event that is already there. */
export function resourceEventId(resourceId: string, revision: number): string {
  return uuidv5(`${resourceId}/${revision}`, EVENT_NAMESPACE);
}

export function resourceEvent(draft: ResourceEventDraft, facts: ResourceEventFacts): ResourceEvent {
  return { id: resourceEventId(facts.resource_id, facts.revision), version: EVENT_VERSION, ...facts, ...draft };
}

export type ReadResourceEvent = { isKnown: true; event: ResourceEvent } | { isKnown: false; event: UnknownResourceEvent };

/**
 * For consumers. An event of a type that came later is told apart, and is no error: skip it.
 * @throws ZodError for what is no event of this version
 */
export function readResourceEvent(message: unknown): ReadResourceEvent {
  const event = eventFacts.parse(message);
  return isKnownType(event.type) ? { isKnown: true, event: resourceEventSchema.parse(message) } : { isKnown: false, event };
}

/** In the order of a resource's life. */
export const RESOURCE_EVENT_TYPES = resourceEventSchema.options.map((option) => option.shape.type.value);

function isKnownType(type: string): boolean {
  return RESOURCE_EVENT_TYPES.some((known) => known === type);
}
