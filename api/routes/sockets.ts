// The streams of events over WebSocket, for pages and clients that have no event streams.
import { z } from 'zod';
import { authorizeResource, authorizeTeam } from '../auth/authorize';
import type { Caller } from '../auth/caller';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import { defineRoute, type Reply, type Route, type RouteRequest } from '../http/route';
import { acceptSocket } from '../http/upgrade';
import { resourceParams } from '../schemas/resources';
import { fillWithResourceEvents, fillWithTeamEvents } from '../streams/events';
import { type EventSink, refuseBeyond, type StreamCount } from '../streams/sink';
import { streamToSocket } from '../streams/socket';
import { lastEventId } from './events';
import { TOKEN_HEADER } from './resources';
import { startingCursor } from './stream';

/** In one process, and of one caller. */
const MAX_SOCKETS = 1_000;
const MAX_SOCKETS_A_CALLER = 20;
const query = z.object({
  after: z
    .string({ error: 'after must be given once' })
    .max(100)
    .optional()
    .meta({ description: 'The id of the last event that was seen.' }),
});
const DESCRIPTION =
  'One JSON message an event: {id, event, data}. The credential goes into Sec-WebSocket-Protocol, beside "leasehold.v1": "leasehold.bearer.<api key or session>", or "leasehold.token.<resource token>"; the Authorization header works too. Pages of other origins than our own are refused unless they are configured.';
const ANSWERS = { 101: { description: 'Switched to WebSocket.' } };
const HEADERS = { 'Sec-WebSocket-Protocol': 'leasehold.v1, leasehold.bearer.<token>' };

export function socketRoutes(deps: ApiDeps): Route[] {
  const sockets = new SocketCounts();
  return [teamRoute(deps, sockets), resourceRoute(deps, sockets)];
}

class SocketCounts implements StreamCount {
  open = 0;
  readonly #ofCaller = new Map<string, StreamCount>();

  /** @throws ApiError when there are too many already */
  of(caller: Caller): StreamCount {
    refuseBeyond(this, MAX_SOCKETS);
    const key = caller.type === 'team' ? caller.teamId : caller.address.addressHash;
    const own = this.#ofCaller.get(key) ?? { open: 0 };
    if (own.open >= MAX_SOCKETS_A_CALLER) {
      throw new ApiError({
        code: 'rate_limited',
        message: `More than ${MAX_SOCKETS_A_CALLER} sockets are open. Close one first.`,
        retryAfterSeconds: 10,
      });
    }
    this.#ofCaller.set(key, own);
    const total = this;
    const forget = () => this.#ofCaller.delete(key);
    return {
      get open() {
        return own.open;
      },
      set open(count: number) {
        total.open += count - own.open;
        own.open = count;
        if (count === 0) forget();
      },
    };
  }
}

/** A page of another site could open sockets with a token that it was given, but none of ours should be lured into that. */
function checkOrigin({ settings }: ApiDeps, origin: string | undefined): void {
  if (origin === undefined) return;
  if (origin === new URL(settings.baseUrl).origin || settings.socketOrigins.includes(origin)) return;
  throw new ApiError({
    code: 'forbidden',
    message: 'Pages of this origin may not open sockets here; the operator can allow it (LEASEHOLD_SOCKET_ORIGINS).',
  });
}

async function serve(
  deps: ApiDeps,
  { raw, response }: RouteRequest,
  count: StreamCount,
  fill: (sink: EventSink) => Promise<void>,
): Promise<Reply> {
  const socket = await acceptSocket(raw, response);
  await streamToSocket(deps, socket, { count, stopping: deps.stopping }, fill);
  return { status: 101, handled: true };
}

function teamRoute(deps: ApiDeps, sockets: SocketCounts): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/events/ws',
    operationId: 'socket_team_events',
    summary: 'What happens to the team’s resources, over WebSocket',
    description: DESCRIPTION,
    tag: 'Notifications',
    access: 'bearer',
    query,
    headers: HEADERS,
    answers: ANSWERS,
    errors: ['websocket_required', 'invalid_cursor'],
    async handle(request): Promise<Reply> {
      const { caller, context, header, reauthenticate } = request;
      const { teamId } = authorizeTeam(deps, { caller, context, action: 'resource.list' });
      checkOrigin(deps, header('origin'));
      const count = sockets.of(caller);
      const cursor = await startingCursor(deps, teamId, request.query.after);
      const authorize = async () => authorizeTeam(deps, { caller: await reauthenticate(), context, action: 'resource.list' });
      return await serve(deps, request, count, (sink) => fillWithTeamEvents(deps, { teamId, cursor, authorize }, sink));
    },
  });
}

function resourceRoute(deps: ApiDeps, sockets: SocketCounts): Route {
  return defineRoute({
    method: 'get',
    path: '/api/v1/resources/:id/events/ws',
    operationId: 'socket_resource_events',
    summary: 'What happens to one resource, over WebSocket',
    description: `${DESCRIPTION} It is closed after the last event there can be.`,
    tag: 'Notifications',
    access: 'caller',
    params: resourceParams,
    query,
    headers: { ...TOKEN_HEADER, ...HEADERS },
    answers: ANSWERS,
    errors: ['not_found', 'websocket_required', 'invalid_cursor'],
    async handle(request): Promise<Reply> {
      const { caller, context, params, header, reauthenticate } = request;
      const access = { id: params.id, caller, context, header, action: 'resource.events' as const };
      const row = await authorizeResource(deps, access);
      checkOrigin(deps, header('origin'));
      const count = sockets.of(caller);
      const after = lastEventId(request.query.after) ?? 0;
      const authorize = async () => await authorizeResource(deps, { ...access, caller: await reauthenticate() });
      return await serve(deps, request, count, (sink) => fillWithResourceEvents(deps, { resourceId: row.id, after, authorize }, sink));
    },
  });
}
