// Fills a sink with what happens to one resource, or to all of a team.
import { isTerminal } from '../../shared/resourcestatus';
import type { ApiDeps } from '../deps';
import { toEvent } from '../projection/item';
import type { StoredResource } from '../projection/store';
import { ANY_RESOURCE, waitFor } from '../projection/waiter';
import { toTeamEvent } from '../schemas/notifications';
import type { EventSink } from './sink';

export const STREAM_BATCH = 100;
/** Who listens is looked at again so often: a key that was revoked, a session that ended, a resource that was claimed. */
const LOOK_AGAIN_MS = 10_000;
/** An event may be held back for a moment after its announcement, while an older transaction is open. */
const TEAM_POLL_MS = 1_000;

export interface ResourceEvents {
  resourceId: string;
  /** The revision that was seen last. */
  after: number;
  /** @throws when the caller may not listen any more */
  authorize: () => Promise<StoredResource>;
}

/** Every event once, until the last one there can be. */
export async function fillWithResourceEvents(
  deps: ApiDeps,
  { resourceId, after, authorize }: ResourceEvents,
  sink: EventSink,
): Promise<void> {
  let seen = after;
  let ended = false;
  while (!ended && !sink.signal.aborted) {
    ended = await waitFor(deps.feed, resourceId, {
      timeoutMs: LOOK_AGAIN_MS,
      signal: sink.signal,
      read: async () => {
        // Read before the events: a terminal row has all of its events.
        const row = await authorize();
        const events = await deps.store.events(resourceId, { afterRevision: seen, limit: STREAM_BATCH });
        for (const event of events) {
          sink.send({ id: String(event.revision), event: event.type, data: toEvent(resourceId, event) });
          seen = event.revision;
        }
        return isTerminal(row.status) && events.length < STREAM_BATCH;
      },
      done: (last) => last,
    });
  }
}

export interface TeamEvents {
  teamId: string;
  cursor: string;
  /** @throws when the caller may not listen any more */
  authorize: () => Promise<unknown>;
}

/** Every event of the team once, until nobody listens. */
export async function fillWithTeamEvents(deps: ApiDeps, { teamId, cursor, authorize }: TeamEvents, sink: EventSink): Promise<void> {
  let after = cursor;
  let authorizedAtMs = Date.now();
  while (!sink.signal.aborted) {
    await waitFor(deps.feed, ANY_RESOURCE, {
      timeoutMs: TEAM_POLL_MS,
      signal: sink.signal,
      read: async () => {
        if (Date.now() - authorizedAtMs >= LOOK_AGAIN_MS) {
          await authorize();
          authorizedAtMs = Date.now();
        }
        const page = await deps.notifications.teamEvents(teamId, after, STREAM_BATCH);
        for (const event of page.events) sink.send({ id: event.cursor, event: event.type, data: toTeamEvent(event) });
        after = page.cursor;
        return !page.isComplete;
      },
      done: (more) => more,
    });
  }
}
