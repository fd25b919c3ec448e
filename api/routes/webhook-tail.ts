// An inbox as a stream of events: what is stored from now on, until it is closed or nobody listens.
import { setTimeout as sleep } from 'node:timers/promises';
import type { InboxStore } from '../../shared/inbox';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import type { Reply, RouteRequest } from '../http/route';
import { isRequestId, toSummary } from '../schemas/webhooks';
import { answerWithStream, type EventSink } from '../streams/sink';
import { closedSignal } from './resources';
import { openInbox } from './webhook-inbox';

const POLL_MS = 1_000;
/** Who listens is looked at again so often: a claim or a deletion ends the stream. */
const AUTHORIZE_MS = 10_000;
const BATCH = 50;
/** Streams in one process; each asks the inbox's database once a second. */
const MAX_STREAMS = 200;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';

interface Tail {
  request: Pick<RouteRequest, 'caller' | 'context' | 'header' | 'response'>;
  token: string;
  objectName: string;
  store: InboxStore;
  streams: { open: number };
}

export async function tail(deps: ApiDeps, { request, token, objectName, store, streams }: Tail): Promise<Reply> {
  const { response, header } = request;
  const after = lastEventId(header('last-event-id')) ?? (await store.list(objectName, { before: null, limit: 1 }))[0]?.id ?? FIRST_ID;
  const signal = closedSignal(response, deps.stopping);
  return await answerWithStream(deps, { response, count: streams, maximum: MAX_STREAMS, signal }, (sink) =>
    pump({ objectName, store, sink, after, mayStill: () => openInbox(deps, request, token, 'resource.credentials') }),
  );
}

function lastEventId(header: string | undefined): string | null {
  if (header === undefined || header === '') return null;
  if (isRequestId(header)) return header;
  throw new ApiError({
    code: 'invalid_cursor',
    message: 'Last-Event-ID must be the id of a stored request.',
    details: { field: 'Last-Event-ID' },
  });
}

async function pump(options: {
  objectName: string;
  store: InboxStore;
  sink: EventSink;
  after: string;
  /** @throws when the caller may not listen any more */
  mayStill: () => Promise<unknown>;
}): Promise<void> {
  const { objectName, store, sink, mayStill } = options;
  const { signal } = sink;
  let { after } = options;
  let authorizedAtMs = Date.now();
  while (!signal.aborted) {
    // Before the requests: what came in after it was closed is nothing.
    if ((await store.state(objectName))?.open !== true) return;
    if (Date.now() - authorizedAtMs >= AUTHORIZE_MS) {
      await mayStill();
      authorizedAtMs = Date.now();
    }
    const page = await store.after(objectName, { after, limit: BATCH });
    for (const request of page) {
      sink.send({ id: request.id, event: 'request', data: toSummary(request) });
      after = request.id;
    }
    if (page.length < BATCH) await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}
