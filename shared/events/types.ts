// The types of the events alone, for code that may not load a library.
import type { z } from 'zod';
import type { eventFacts, resourceEventSchema } from './schemas';

/** What subscribers get, in the outbox and on every stream. */
export type ResourceEvent = z.infer<typeof resourceEventSchema>;
export type ResourceEventType = ResourceEvent['type'];

type DraftOf<Event> = Event extends { type: infer Type; data: infer Data } ? { type: Type; data: Data } : never;
/** What happened, before it is known to whom and when. */
export type ResourceEventDraft = DraftOf<ResourceEvent>;

/** To whom and when. */
export type ResourceEventFacts = Omit<ResourceEvent, 'id' | 'version' | 'type' | 'data'>;

/** Of a type that this build does not know, in a version that it does. */
export type UnknownResourceEvent = z.infer<typeof eventFacts>;
