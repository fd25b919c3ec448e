// What happens to all of a team's resources: pages of it by cursor, or a stream that goes on.
import { InvalidEventCursor } from '../../shared/outbox';
import { authorizeTeam } from '../auth/authorize';
import type { ApiDeps } from '../deps';
import { defineRoute, type Reply, type Route } from '../http/route';
import { teamEventsAnswer, toTeamEvent } from '../schemas/notifications';
import { eventsQuery, LIST_FIELD_CODES } from '../schemas/resources';
import { fillWithTeamEvents } from '../streams/events';
import { answerWithStream, EVENT_STREAM } from '../streams/sink';
import { closedSignal } from './resources';
import { invalidEventCursor } from './subscription-deliveries';

/** In one process; each looks at the events once a second. */
const MAX_STREAMS = 500;

export function teamStreamRoutes(deps: ApiDeps): Route[] {
  const streams = { open: 0 };
  return [
    defineRoute({
      method: 'get',
      path: '/api/v1/events',
      operationId: 'list_team_events',
      summary: 'What happened to the team’s resources, oldest first',
      description:
        'next_cursor is there on every page: read on after it whenever you like. With "Accept: text/event-stream" the answer is a stream of what happens from now on, or after Last-Event-ID.',
      tag: 'Notifications',
      access: 'bearer',
      query: eventsQuery,
      fieldCodes: LIST_FIELD_CODES,
      headers: { 'Last-Event-ID': 'Streams: the id of the last event that was seen.' },
      answers: { 200: { description: 'One page, or a stream.', schema: teamEventsAnswer, contentTypes: [EVENT_STREAM] } },
      errors: ['invalid_cursor', 'invalid_limit'],
      async handle({ caller, context, query, header, raw, response, reauthenticate }): Promise<Reply> {
        const { teamId } = authorizeTeam(deps, { caller, context, action: 'resource.list' });
        if (raw.accepts(['application/json', EVENT_STREAM]) !== EVENT_STREAM) {
          const page = await checked('cursor', deps.notifications.teamEvents(teamId, query.cursor ?? null, Number(query.limit)));
          return { status: 200, body: { ok: true, items: page.events.map(toTeamEvent), next_cursor: page.cursor } };
        }
        const cursor = await startingCursor(deps, teamId, header('last-event-id') || query.cursor);
        const authorize = async () => authorizeTeam(deps, { caller: await reauthenticate(), context, action: 'resource.list' });
        const options = { response, count: streams, maximum: MAX_STREAMS, signal: closedSignal(response, deps.stopping) };
        return await answerWithStream(deps, options, (sink) => fillWithTeamEvents(deps, { teamId, cursor, authorize }, sink));
      },
    }),
  ];
}

async function checked<T>(field: string, work: Promise<T>): Promise<T> {
  return await work.catch((error: unknown) => {
    throw error instanceof InvalidEventCursor ? invalidEventCursor(field) : error;
  });
}

/** Looked at before the stream begins: afterwards there is no answer left to say it in. */
export async function startingCursor(deps: ApiDeps, teamId: string, given: string | undefined): Promise<string> {
  if (given === undefined || given === '') return await deps.notifications.currentCursor();
  await checked('Last-Event-ID', deps.notifications.teamEvents(teamId, given, 1));
  return given;
}
