// The receiver's HTTP server: one address that takes anything, and two that say how it is.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { InboxStore } from '../../shared/inbox';
import type { Logger } from '../../shared/logctx';
import { startRequestSpan } from '../../shared/telemetry';
import { withUncaughtHandler } from '../../shared/uncaught';
import { openContext, securityHeaders } from '../http/context';
import { type Answering, refusalBody, sendJson, sendRefusal } from './answers';
import { Receive } from './receive';

export interface ReceiverOptions {
  store: InboxStore;
  logger: Pick<Logger, 'info' | 'warn' | 'error' | 'debug'>;
  baseUrl: string;
  requestsPerMinute: number;
  maxConnections: number;
  /** Shorter in tests. */
  timeouts?: Partial<typeof TIMEOUTS>;
}

/** A sender that is slower is cut off: 1 MiB in 30 s is a slow telephone line. */
const TIMEOUTS = { headersMs: 10_000, requestMs: 30_000, checkEveryMs: 2_000 };
const MAX_HEADER_BYTES = 16_384;
const KEEP_ALIVE_MS = 5_000;
const MAX_REQUESTS_PER_SOCKET = 1_000;
/** The pattern: the path holds a token. */
const ROUTE = '/webhook/receive/:token';
const READY_FOR_MS = 2_000;

export function createReceiver(options: ReceiverOptions): Server {
  const { logger, baseUrl, store } = options;
  const timeouts = { ...TIMEOUTS, ...options.timeouts };
  const urls = { baseUrl, upgradeUrl: `${baseUrl}/docs#plans` };
  const receive = new Receive({ store, requestsPerMinute: options.requestsPerMinute });
  const isReady = readiness(store);

  const answer = async (request: IncomingMessage, response: ServerResponse, answering: Answering): Promise<void> => {
    try {
      if (request.url === '/livez') return sendJson(response, answering, 200, { alive: true });
      if (request.url === '/readyz') {
        const ready = await isReady();
        return sendJson(response, answering, ready ? 200 : 503, { ready });
      }
      await receive.handle(request, response, answering);
    } catch (error) {
      logger.error('a request could not be stored', { error });
      sendRefusal(response, answering, { code: 'temporarily_unavailable', message: 'The request could not be stored. Send it again.' });
    }
  };
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const context = openContext(request.headers);
    const answering: Answering = { context, urls, headers: {} };
    const method = request.method ?? 'GET';
    const span = startRequestSpan({ ...context, method });
    response.on('error', () => undefined);
    response.once('close', () => {
      const status = response.statusCode;
      logger.debug('request', { route: ROUTE, status, request_id: context.requestId, trace_id: context.traceparent.slice(3, 35) });
      span?.end({ method, route: ROUTE, status, requestId: context.requestId, aborted: !response.writableFinished });
    });
    const uncaught = () => {
      if (response.headersSent) response.destroy();
      else sendRefusal(response, answering, { code: 'internal_error', message: 'Something went wrong here. Send it again.' });
    };
    const begin = () => void withUncaughtHandler(uncaught, () => answer(request, response, answering));
    if (span === null) begin();
    else span.run(begin);
  };
  const server = createServer({
    maxHeaderSize: MAX_HEADER_BYTES,
    headersTimeout: timeouts.headersMs,
    requestTimeout: timeouts.requestMs,
    connectionsCheckingInterval: timeouts.checkEveryMs,
    keepAliveTimeout: KEEP_ALIVE_MS,
    insecureHTTPParser: false,
  });
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_SOCKET;
  server.maxConnections = options.maxConnections;
  server.on('request', handle);
  // Whoever asks first is told first: an unknown token's body is never sent.
  server.on('checkContinue', handle);
  server.on('checkExpectation', (_request, response: ServerResponse) => {
    response.writeHead(417, { Connection: 'close' }).end();
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => refuseBroken(error, socket, urls));
  return server;
}

/** What is no HTTP, too large in its headers or too slow never gets to `handle`, and still gets the envelope. */
function refuseBroken(error: NodeJS.ErrnoException, socket: Socket, urls: Answering['urls']): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const context = openContext({});
  const slow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
  const message = slow ? 'The request was sent too slowly.' : 'The request is not valid HTTP/1.1, or its headers are larger than 16 KiB.';
  const body = JSON.stringify(refusalBody({ context, urls }, { code: 'invalid_request', message }, null));
  const headers = {
    ...securityHeaders(context),
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.end(`HTTP/1.1 ${slow ? '408 Request Timeout' : '400 Bad Request'}\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}

/** Asked by anybody as often as they like, the database every two seconds. */
function readiness(store: InboxStore): () => Promise<boolean> {
  let last: { atMs: number; ready: Promise<boolean> } | null = null;
  return () => {
    if (last === null || Date.now() - last.atMs > READY_FOR_MS) {
      const ready = store.ping().then(
        () => true,
        () => false,
      );
      last = { atMs: Date.now(), ready };
    }
    return last.ready;
  };
}
