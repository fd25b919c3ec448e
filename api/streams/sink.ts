// Where a stream's events go. Behind it is the body of an answer or a WebSocket; what fills it does not know which.
import type { ServerResponse } from 'node:http';
import type { ApiDeps } from '../deps';
import { ApiError } from '../errors';
import type { Reply } from '../http/route';

export interface StreamedEvent {
  /** Where to go on after it. */
  id: string;
  event: string;
  data: unknown;
}

export interface EventSink {
  send(event: StreamedEvent): void;
  /** Aborted when nobody listens any more, or the process is to end. */
  signal: AbortSignal;
}

/** Streams of one kind in one process. */
export interface StreamCount {
  open: number;
}

export const EVENT_STREAM = 'text/event-stream';
const HEARTBEAT_MS = 15_000;
/** Whoever is so far behind reads too slowly, and comes back with the id of the last event. */
export const MAX_BUFFERED_BYTES = 1_048_576;

export function refuseBeyond(count: StreamCount, maximum: number): void {
  if (count.open >= maximum)
    throw new ApiError({ code: 'temporarily_unavailable', message: 'Too many streams are open. Repeat in a moment.' });
}

export interface EventStreamOptions {
  response: ServerResponse;
  count: StreamCount;
  maximum: number;
  signal: AbortSignal;
}

/** Answers with a stream of server-sent events for as long as `fill` runs. */
export async function answerWithStream(
  deps: Pick<ApiDeps, 'logger'>,
  { response, count, maximum, signal }: EventStreamOptions,
  fill: (sink: EventSink) => Promise<void>,
): Promise<Reply> {
  refuseBeyond(count, maximum);
  response.writeHead(200, { 'Content-Type': `${EVENT_STREAM}; charset=utf-8`, 'Cache-Control': 'no-store', 'X-Accel-Buffering': 'no' });
  response.flushHeaders();
  if (response.req.method === 'HEAD') {
    response.end();
    return { status: 200, handled: true };
  }
  const write = (text: string) => {
    if (response.writableLength > MAX_BUFFERED_BYTES) response.destroy();
    else response.write(text);
  };
  const heartbeat = setInterval(() => write(': alive\n\n'), HEARTBEAT_MS);
  count.open += 1;
  try {
    await fill({ signal, send: ({ id, event, data }) => write(`id: ${id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`) });
  } catch (error) {
    // The headers are out: the client sees the stream end, and comes back with its Last-Event-ID or is told why not.
    if (!signal.aborted) deps.logger.info('an event stream ended early', { error });
  } finally {
    count.open -= 1;
    clearInterval(heartbeat);
    response.end();
  }
  return { status: 200, handled: true };
}
