// The api process: starts, says that it is ready, and ends within ten seconds when it is told to.
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Environment } from '../shared/config';
import { assertUnprivileged } from '../shared/db';
import { createLogger, type Logger } from '../shared/logctx';
import { startTelemetry, type Telemetry } from '../shared/telemetry';
import { guardProcess, startFailure } from '../shared/uncaught';
import { createApp } from './app';
import { ensureBootstrapKey } from './auth/bootstrap';
import { type ApiConfig, ConfigError, loadConfig } from './config';
import { ApiError, errorAnswer } from './errors';
import { openContext, securityHeaders } from './http/context';
import { attachSockets } from './http/upgrade';
import { type WiredApi, wireApi } from './wiring';

/** `EX_CONFIG`: starting again will not help. */
const EXIT_CONFIG = 78;
const DRAIN_MS = 10_000;
const CLOSE_IDLE_MS = 100;

export async function runApi(env: NodeJS.ProcessEnv): Promise<void> {
  try {
    await start(env);
  } catch (error) {
    process.stderr.write(startFailure('leasehold api', error));
    process.exit(error instanceof ConfigError ? EXIT_CONFIG : 1);
  }
}

async function start(env: NodeJS.ProcessEnv): Promise<void> {
  const environment = new Environment(env);
  const config = loadConfig(environment);
  const logger = createLogger({ process: 'api', level: config.logLevel });
  const telemetry = startTelemetry({ env, name: 'api', logger });
  const api = wireApi(config, environment, logger);
  let end = (_why: string): void => process.exit(1);
  guardProcess({ name: 'leasehold api', logger, registry: api.deps.metrics.registry, end: (why) => end(why) });
  await assertUnprivileged(api.pool).catch((error: unknown) => {
    throw isPrivilegeError(error) ? new ConfigError(error.message) : error;
  });
  if (config.bootstrap !== null) await ensureBootstrapKey(api.pool, config.bootstrap);
  const server = await listen(config, api);
  logger.info('api listens', { url: config.baseUrl });
  end = endOnce({ server, api, telemetry, logger });
  process.once('SIGTERM', () => end('SIGTERM'));
  process.once('SIGINT', () => end('SIGINT'));
  // The supervisor is gone: nobody would ever stop us.
  process.once('disconnect', () => end('disconnect'));
  process.send?.('ready');
}

/** `assertUnprivileged` throws plain errors of its own; the database's carry a code. */
function isPrivilegeError(error: unknown): error is Error {
  return error instanceof Error && !('code' in error) && error.message.startsWith('role ');
}

async function listen(config: ApiConfig, api: WiredApi): Promise<Server> {
  const app = createApp(api.deps);
  const server = createServer({ maxHeaderSize: 16_384, requestTimeout: 60_000, headersTimeout: 15_000 }, app);
  attachSockets(server, app);
  server.keepAliveTimeout = 65_000;
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => refuseBroken(config, error, socket));
  server.on('checkExpectation', (_request, response: ServerResponse) => {
    response.writeHead(417, { Connection: 'close' }).end();
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host, resolve);
  });
  return server;
}

/** What is no HTTP never gets to the app, and still gets the envelope. */
function refuseBroken(config: ApiConfig, error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const context = openContext({});
  const thrown = new ApiError({ code: 'invalid_request', message: 'The request is not valid HTTP/1.1, or its headers are too large.' });
  const { envelope } = errorAnswer(thrown, { requestId: context.requestId, urls: config, nowMs: Date.now() });
  const body = JSON.stringify(envelope);
  const headers = {
    ...securityHeaders(context),
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  socket.end(`HTTP/1.1 400 Bad Request\r\n${lines.join('\r\n')}\r\n\r\n${body}`);
}

const ORDERS = new Set(['SIGTERM', 'SIGINT', 'disconnect']);

/** Takes nothing new, ends streams, lets requests finish, and goes; after ten seconds it goes anyway. */
function endOnce(parts: { server: Server; api: WiredApi; telemetry: Telemetry; logger: Logger }): (why: string) => void {
  const { server, api, telemetry, logger } = parts;
  let ending = false;
  return (why) => {
    if (ending) return;
    ending = true;
    logger.info('api ends', { why });
    setTimeout(() => process.exit(1), DRAIN_MS).unref();
    api.stop();
    const idle = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_MS);
    server.close(() => {
      clearInterval(idle);
      void Promise.allSettled([api.close(), telemetry.shutdown()]).finally(() => process.exit(ORDERS.has(why) ? 0 : 1));
    });
  };
}
