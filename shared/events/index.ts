// The resource events as they are announced: names, version, envelope, and the id that makes each of them unique.
import { v5 as uuidv5 } from 'uuid';

/** Fixed for ever: event ids must come out the same on every attempt, on every machine. */
const EVENT_NAMESPACE = '6f1f2a52-6d8f-5d0e-9a43-0c3f6f1f7c11';
export const EVENT_VERSION = 1;
/** Where waiters hear which resource changed: the payload is its id. */
export const RESOURCE_EVENTS_CHANNEL = 'resource_events';

/** A resource's revision names its event: a repeated transition finds the event that is already there. */
export function resourceEventId(resourceId: string, revision: number): string {
  return uuidv5(`${resourceId}/${revision}`, EVENT_NAMESPACE);
}

/** What subscribers get, in the outbox and on every stream. */
export interface ResourceEventEnvelope {
  id: string;
  version: typeof EVENT_VERSION;
  type: string;
  resource_id: string;
  resource_type: string;
  revision: number;
  status: string;
  occurred_at: string;
  request_id: string | null;
  data: Record<string, string | number | boolean | null>;
}

export function resourceEventEnvelope(event: Omit<ResourceEventEnvelope, 'id' | 'version'>): ResourceEventEnvelope {
  return { id: resourceEventId(event.resource_id, event.revision), version: EVENT_VERSION, ...event };
}
