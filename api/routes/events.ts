// What happened to a resource: pages of it, or a stream that goes on.
import type { Response } from 'express';
import { isTerminal } from '../../shared/resourcestatus';
import { authorizeResource, type ResourceAccess } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Reply, type Route } from '../http/route';
import { decodeRevisionCursor, encodeRevisionCursor } from '../projection/cursor';
import { toEvent } from '../projection/item';
import { waitFor } from '../projection/waiter';
import { eventsAnswer, eventsQuery, LIST_FIELD_CODES, resourceParams } from '../schemas/resources';
import { closedSignal, TOKEN_HEADER } from './resources';

const STREAM_BATCH = 100;
const HEARTBEAT_MS = 15_000;
/** Streams in one process; each costs a socket and a look at the row for every change. */
const MAX_STREAMS = 1_000;
const EVENT_STREAM = 'text/event-stream';

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
      async handle({ caller, context, params, query, header, raw, response }): Promise<Reply> {
        const access: ResourceAccess = { id: params.id, caller, context, header, action: 'resource.events' };
        const row = await authorizeResource(deps, access);
        const after = query.cursor === undefined ? 0 : decodeRevisionCursor(query.cursor);
        if (raw.accepts(['application/json', EVENT_STREAM]) === EVENT_STREAM) {
          const signal = closedSignal(response, deps.stopping);
          return await stream(deps, {
            access,
            resourceId: row.id,
            after: lastEventId(header('last-event-id')) ?? after,
            response,
            signal,
            streams,
          });
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

function lastEventId(header: string | undefined): number | null {
  if (header === undefined || header === '') return null;
  if (/^\d{1,9}$/.test(header)) return Number(header);
  throw new ApiError({
    code: 'invalid_cursor',
    message: 'Last-Event-ID must be the id of an event of this stream.',
    details: { field: 'Last-Event-ID' },
  });
}

interface StreamRequest {
  access: ResourceAccess;
  resourceId: string;
  after: number;
  response: Response;
  signal: AbortSignal;
  streams: { open: number };
}

async function stream(deps: ApiDeps, request: StreamRequest): Promise<Reply> {
  const { response, signal, streams } = request;
  const first = await deps.store.events(request.resourceId, { afterRevision: request.after, limit: STREAM_BATCH });
  const row = await authorizeResource(deps, request.access);
  if (first.length === 0 && isTerminal(row.status)) return { status: 204 };
  if (streams.open >= MAX_STREAMS)
    throw new ApiError({ code: 'temporarily_unavailable', message: 'Too many streams are open. Repeat in a moment.' });
  response.status(200).set({ 'Content-Type': `${EVENT_STREAM}; charset=utf-8`, 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
  response.flushHeaders();
  if (response.req.method === 'HEAD') {
    response.end();
    return { status: 200, handled: true };
  }
  const heartbeat = setInterval(() => response.write(': alive\n\n'), HEARTBEAT_MS);
  streams.open += 1;
  try {
    await pump(deps, request);
  } catch (error) {
    // The headers are out: the client sees the stream end and comes back with its Last-Event-ID.
    if (!signal.aborted) deps.logger.warn('an event stream ended early', { resource_id: request.resourceId, error });
  } finally {
    streams.open -= 1;
    clearInterval(heartbeat);
    response.end();
  }
  return { status: 200, handled: true };
}

/** Writes every event once, until the last one there can be, or until the caller may not see them any more. */
async function pump(deps: ApiDeps, { access, resourceId, after, response, signal }: StreamRequest): Promise<void> {
  let seen = after;
  let ended = false;
  while (!ended && !signal.aborted) {
    ended = await waitFor(deps.feed, resourceId, {
      timeoutMs: HEARTBEAT_MS,
      signal,
      read: async () => {
        // Read before the events: a terminal row has all of its events.
        const row = await authorizeResource(deps, access);
        const events = await deps.store.events(resourceId, { afterRevision: seen, limit: STREAM_BATCH });
        for (const event of events) {
          response.write(`id: ${event.revision}\nevent: ${event.type}\ndata: ${JSON.stringify(toEvent(resourceId, event))}\n\n`);
          seen = event.revision;
        }
        return isTerminal(row.status) && events.length < STREAM_BATCH;
      },
      done: (last) => last,
    });
  }
}
