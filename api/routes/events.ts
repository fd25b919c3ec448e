// What happened to a resource: pages of it, or a stream that goes on.
import { isTerminal } from '../../shared/resourcestatus';
import { authorizeResource, type ResourceAccess } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Reply, type Route } from '../http/route';
import { decodeRevisionCursor, encodeRevisionCursor } from '../projection/cursor';
import { toEvent } from '../projection/item';
import { eventsAnswer, eventsQuery, LIST_FIELD_CODES, resourceParams } from '../schemas/resources';
import { fillWithResourceEvents } from '../streams/events';
import { answerWithStream, EVENT_STREAM } from '../streams/sink';
import { closedSignal, TOKEN_HEADER } from './resources';

/** Streams in one process; each costs a socket and a look at the row for every change. */
const MAX_STREAMS = 1_000;

export function eventRoutes(deps: ApiDeps): Route[] {
  const streams = { open: 0 };
  return [
    defineRoute({
      method: 'get',
      path: '/api/v1/resources/:id/events',
      operationId: 'list_events',
      summary: 'What happened to a resource, oldest first',
      description:
        'With "Accept: text/event-stream" the answer is a stream, resumable by Last-Event-ID; it ends after the last event there can be.',
      tag: 'Resources',
      access: 'caller',
      params: resourceParams,
      query: eventsQuery,
      fieldCodes: LIST_FIELD_CODES,
      headers: { ...TOKEN_HEADER, 'Last-Event-ID': 'Streams: the id of the last event that was seen.' },
      answers: {
        200: { description: 'One page, or a stream.', schema: eventsAnswer, contentTypes: [EVENT_STREAM] },
        204: { description: 'Streams: there is nothing after Last-Event-ID, and there never will be.' },
      },
      errors: ['not_found', 'invalid_cursor', 'invalid_limit'],
      async handle({ caller, context, params, query, header, raw, response, reauthenticate }): Promise<Reply> {
        const access: ResourceAccess = { id: params.id, caller, context, header, action: 'resource.events' };
        const row = await authorizeResource(deps, access);
        const after = query.cursor === undefined ? 0 : decodeRevisionCursor(query.cursor);
        if (raw.accepts(['application/json', EVENT_STREAM]) === EVENT_STREAM) {
          const seen = lastEventId(header('last-event-id')) ?? after;
          const authorize = async () => await authorizeResource(deps, { ...access, caller: await reauthenticate() });
          if (isTerminal(row.status) && (await deps.store.events(row.id, { afterRevision: seen, limit: 1 })).length === 0)
            return { status: 204 };
          const options = { response, count: streams, maximum: MAX_STREAMS, signal: closedSignal(response, deps.stopping) };
          return await answerWithStream(deps, options, (sink) =>
            fillWithResourceEvents(deps, { resourceId: row.id, after: seen, authorize }, sink),
          );
        }
        const limit = Number(query.limit);
        const events = await deps.store.events(row.id, { afterRevision: after, limit });
        const last = events.length < limit ? undefined : events.at(-1);
        const next_cursor = last === undefined ? null : encodeRevisionCursor(last.revision);
        return { status: 200, body: { ok: true, items: events.map((event) => toEvent(row.id, event)), next_cursor } };
      },
    }),
  ];
}

export function lastEventId(header: string | undefined): number | null {
  if (header === undefined || header === '') return null;
  if (/^\d{1,9}$/.test(header)) return Number(header);
  throw new ApiError({
    code: 'invalid_cursor',
    message: 'Last-Event-ID must be the id of an event of this stream.',
    details: { field: 'Last-Event-ID' },
  });
}
