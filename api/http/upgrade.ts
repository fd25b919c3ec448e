// WebSockets go through the app like any request: the same limits, the same authentication, the same answers to what is wrong.
import { type IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { ApiError } from '../errors';

/** What a client offers beside its credential, and is answered with: never the credential itself. */
export const SOCKET_PROTOCOL = 'leasehold.v1';
const BEARER = 'leasehold.bearer.';
const RESOURCE_TOKEN = 'leasehold.token.';
/** Clients have nothing to say. */
const MAX_MESSAGE_BYTES = 1_024;

const waiting = new WeakMap<IncomingMessage, { socket: Duplex; head: Buffer }>();
const sockets = new WebSocketServer({
  noServer: true,
  maxPayload: MAX_MESSAGE_BYTES,
  clientTracking: false,
  handleProtocols: (protocols) => (protocols.has(SOCKET_PROTOCOL) ? SOCKET_PROTOCOL : false),
});

/** Lets the app answer upgrades to WebSockets. Other upgrades are asked for by clients that can do without. */
export function attachSockets(server: Server, app: RequestListener): void {
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => undefined);
    if (request.method !== 'GET' || request.headers.upgrade?.toLowerCase() !== 'websocket') {
      serveWithoutUpgrade(server, request, socket, head);
      return;
    }
    takeCredentials(request);
    waiting.set(request, { socket, head });
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as Socket);
    response.once('finish', () => socket.end());
    app(request, response);
  });
}

/** Browsers can set no header, only protocols: `leasehold.bearer.<token>`, `leasehold.token.<token>`, or the bare token. */
export function takeCredentials({ headers }: Pick<IncomingMessage, 'headers'>): void {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map((protocol) => protocol.trim());
  const kept: string[] = [];
  for (const protocol of offered) {
    if (protocol === '') continue;
    if (protocol.startsWith(RESOURCE_TOKEN)) headers['x-resource-token'] ??= protocol.slice(RESOURCE_TOKEN.length);
    else if (protocol.startsWith(BEARER)) headers.authorization ??= `Bearer ${protocol.slice(BEARER.length)}`;
    else if (protocol.startsWith('leasehold.')) kept.push(protocol);
    else headers.authorization ??= `Bearer ${protocol}`;
  }
  if (kept.length > 0) headers['sec-websocket-protocol'] = kept.join(', ');
  else delete headers['sec-websocket-protocol'];
}

/** The request once more, without the wish: it is served as if nothing had been asked. */
function serveWithoutUpgrade(server: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const lines = [`${request.method} ${request.url} HTTP/${request.httpVersion}`];
  for (let index = 0; index < request.rawHeaders.length; index += 2) {
    const [name = '', value = ''] = request.rawHeaders.slice(index, index + 2);
    if (!/^(upgrade|connection|http2-settings)$/i.test(name)) lines.push(`${name}: ${value}`);
  }
  socket.unshift(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]));
  server.emit('connection', socket);
}

/** @throws ApiError when the request asked for no WebSocket */
export function acceptSocket(request: IncomingMessage, response: ServerResponse): Promise<WebSocket> {
  const upgrade = waiting.get(request);
  if (upgrade === undefined) {
    throw new ApiError({
      code: 'websocket_required',
      message: 'This address speaks WebSocket alone. Open it with a WebSocket client; without one, read the events as a stream.',
      headers: { Upgrade: 'websocket', Connection: 'Upgrade' },
    });
  }
  waiting.delete(request);
  response.removeAllListeners('finish');
  response.detachSocket(upgrade.socket as Socket);
  return new Promise((resolve, reject) => {
    const refused = () => reject(new ApiError({ code: 'invalid_request', message: 'The WebSocket handshake is not valid.' }));
    upgrade.socket.once('close', refused);
    sockets.handleUpgrade(request, upgrade.socket, upgrade.head, (socket) => {
      upgrade.socket.removeListener('close', refused);
      // What waits for the answer's end (the log line, the metrics, signals) hears of the socket's.
      response.statusCode = 101;
      socket.once('close', () => response.emit('close'));
      resolve(socket);
    });
  });
}
