// The HTTP side of a double: takes requests in, notes them, does as a test says to some of them, and never hides a fault.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Received } from './signature';

export interface Answer {
  status: number;
  headers?: Record<string, string>;
  body?: string | Buffer;
}

export interface Noted extends Received {
  service: string;
  /** By which it was understood: `CreateUser`, `PutObject`, `POST /v2/spaces/keys`. */
  action: string;
  status: number;
}

/** For the next requests of an action: an answer instead of its effect, the effect and no answer, or the effect and another answer. */
export interface Mishap {
  action: string;
  times: number;
  instead?: Answer;
  /** It is done, and the connection ends. */
  lost?: boolean;
  /** It is done, and this is said of it. */
  after?: Answer;
}

export type Handler = (received: Received) => Promise<{ action: string; run: () => Answer | Promise<Answer> }>;

export class DoubleServer {
  readonly noted: Noted[] = [];
  /** What no right client does; a test ends by expecting none. */
  readonly faults: string[] = [];
  readonly mishaps: Mishap[] = [];
  readonly #servers: Server[] = [];

  /** @returns where it listens */
  async listen(service: string, handler: Handler): Promise<string> {
    const server = createServer((request, response) => {
      this.#serve(service, handler, request, response).catch((error: unknown) => {
        this.faults.push(`${service}: ${String(error)}`);
        response.writeHead(500).end();
      });
    });
    this.#servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  }

  async #serve(service: string, handler: Handler, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const received = await receive(request);
    const { action, run } = await handler(received);
    const mishap = this.mishaps.find((one) => one.action === action && one.times > 0);
    if (mishap) mishap.times -= 1;
    const done = mishap?.instead ?? (await run());
    const answer = mishap?.after ?? done;
    this.noted.push({ ...received, service, action, status: answer.status });
    if (mishap?.lost) {
      request.socket.destroy();
      return;
    }
    const body = answer.body ?? '';
    response.writeHead(answer.status, { ...answer.headers, 'content-length': String(Buffer.byteLength(body)) });
    response.end(received.method === 'HEAD' ? undefined : body);
  }
}

async function receive(request: IncomingMessage): Promise<Received> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const [path = '/', search = ''] = (request.url ?? '/').split('?');
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  return { method: request.method ?? '', path, query: new Map(new URLSearchParams(search)), headers, body: Buffer.concat(chunks) };
}
