// A WebSocket as a sink: one JSON message an event, a ping now and then, and an end for who reads too slowly or may listen no more.
import type { WebSocket } from 'ws';
import type { ApiDeps } from '../deps';
import { toLeaseholdError } from '../errors';
import { type EventSink, MAX_BUFFERED_BYTES, type StreamCount } from './sink';

const PING_MS = 20_000;
/** Close codes of RFC 6455 and its registry. */
const CLOSE = { done: 1_000, notAllowed: 1_008, restart: 1_012, tooSlow: 1_013 } as const;
/** What does not close politely by then is cut off. */
const CLOSE_MS = 2_000;

export interface SocketOptions {
  count: StreamCount;
  /** The process' own end. */
  stopping: AbortSignal;
}

/** Resolves once the socket is closed. */
export async function streamToSocket(
  deps: Pick<ApiDeps, 'logger'>,
  socket: WebSocket,
  { count, stopping }: SocketOptions,
  fill: (sink: EventSink) => Promise<void>,
): Promise<void> {
  const gone = new AbortController();
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('close', () => gone.abort());
  socket.on('error', () => socket.terminate());
  const signal = AbortSignal.any([gone.signal, stopping]);
  const stopPing = keepAlive(socket);
  const send: EventSink['send'] = (event) => {
    if (socket.readyState !== socket.OPEN) return;
    if (socket.bufferedAmount > MAX_BUFFERED_BYTES) {
      gone.abort();
      end(socket, CLOSE.tooSlow, 'too slow');
    } else socket.send(JSON.stringify(event));
  };
  count.open += 1;
  try {
    await fill({ signal, send });
    if (stopping.aborted) end(socket, CLOSE.restart, 'restart');
    else end(socket, CLOSE.done, 'nothing more can happen');
  } catch (error) {
    const { code } = toLeaseholdError(error);
    if (!signal.aborted) deps.logger.info('a socket was closed', { code });
    end(socket, CLOSE.notAllowed, code);
  } finally {
    stopPing();
    await closed;
    count.open -= 1;
  }
}

function end(socket: WebSocket, code: number, reason: string): void {
  socket.close(code, reason);
  setTimeout(() => socket.terminate(), CLOSE_MS).unref();
}

/** Whoever does not answer one ping until the next is not there any more. */
function keepAlive(socket: WebSocket): () => void {
  let answered = true;
  socket.on('pong', () => {
    answered = true;
  });
  const timer = setInterval(() => {
    if (!answered) {
      socket.terminate();
      return;
    }
    answered = false;
    socket.ping();
  }, PING_MS);
  return () => clearInterval(timer);
}
