import { randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { oneLine, StackError } from './errors';
import type { ServiceStatus } from './service';

export interface ControlTarget {
  status: () => ServiceStatus[];
  start: (names: string[]) => Promise<void>;
  /** No names: everything, the supervisor included. */
  stop: (names: string[]) => Promise<void>;
}

/** The door through which `stop`, `start` and `status` reach a running supervisor: loopback only, with a token from a 0600 file. */
export async function openControl(target: ControlTarget): Promise<{ port: number; token: string; close: () => void }> {
  const token = randomBytes(24).toString('base64url');
  const server: Server = createServer(async (request, response) => {
    const send = (code: number, body: unknown) =>
      response.writeHead(code, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (!matches(request.headers.authorization, `Bearer ${token}`)) return send(401, { error: 'wrong token' });
    try {
      const route = `${request.method} ${request.url}`;
      if (route === 'GET /status') return send(200, { processes: target.status() });
      if (route !== 'POST /stop' && route !== 'POST /start') return send(404, { error: 'no such route' });
      const names = await readNames(request);
      await (route === 'POST /stop' ? target.stop(names) : target.start(names));
      return send(200, { processes: target.status() });
    } catch (error) {
      return send(error instanceof StackError ? 400 : 500, { error: oneLine(error) });
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { port, token, close };
}

export async function callControl(
  control: { port: number; token: string },
  route: string,
  names: string[] = [],
): Promise<{ processes: ServiceStatus[] }> {
  const [method, path] = route.split(' ');
  let answer: Response;
  try {
    answer = await fetch(`http://127.0.0.1:${control.port}${path}`, {
      method,
      headers: { authorization: `Bearer ${control.token}` },
      body: method === 'POST' ? JSON.stringify({ names }) : undefined,
    });
  } catch (error) {
    throw new StackError(`the supervisor does not answer (${oneLine(error)}): look at its output`);
  }
  const body = (await answer.json()) as { processes: ServiceStatus[]; error?: string };
  if (!answer.ok) throw new StackError(body.error ?? `the supervisor answered ${answer.status}`);
  return body;
}

async function readNames(request: IncomingMessage): Promise<string[]> {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > 10_000) throw new StackError('the request is too long');
  }
  const names: unknown = text ? JSON.parse(text).names : [];
  if (!Array.isArray(names) || names.some((name) => typeof name !== 'string'))
    throw new StackError('names must be a list of process names');
  return names;
}

function matches(given: string | undefined, expected: string): boolean {
  const a = Buffer.from(given ?? '');
  const b = Buffer.from(expected);
  return a.length === b.length && timingSafeEqual(a, b);
}
