// The receiver process: the data plane of webhook inboxes. It needs none of our other processes, and none of them needs it.
import type { Server } from 'node:http';
import { ConfigError } from '../../shared/config';
import { InboxStore } from '../../shared/inbox';
import { createLogger, type Logger } from '../../shared/logctx';
import { startTelemetry, type Telemetry } from '../../shared/telemetry';
import { guardProcess, startFailure } from '../../shared/uncaught';
import { loadReceiverConfig } from './config';
import { createReceiver } from './server';

/** `EX_CONFIG`: starting again will not help. */
const EXIT_CONFIG = 78;
const DRAIN_MS = 10_000;
const CLOSE_IDLE_MS = 100;
const SERVICE = 'leasehold-receiver';

export async function runReceiver(env: NodeJS.ProcessEnv): Promise<void> {
  try {
    await start(env);
  } catch (error) {
    process.stderr.write(startFailure('leasehold receiver', error));
    process.exit(error instanceof ConfigError ? EXIT_CONFIG : 1);
  }
}

async function start(env: NodeJS.ProcessEnv): Promise<void> {
  const config = loadReceiverConfig(env);
  const logger = createLogger({ process: 'receiver', level: config.logLevel });
  const telemetry = startTelemetry({ env, name: 'receiver', logger });
  let end = (_why: string): void => process.exit(1);
  guardProcess({ name: 'leasehold receiver', logger, end: (why) => end(why) });
  // Nothing is connected to before it is needed: it starts before its database is made, and outlives its absence.
  const store = new InboxStore({
    url: config.inboxUrl,
    redisUrl: config.redisUrl,
    applicationName: SERVICE,
    maxConnections: config.inboxPool,
    logger,
  });
  const server = createReceiver({ ...config, store, logger });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(config.port, config.host, resolve);
  });
  logger.info('receiver listens', { host: config.host, port: config.port });
  end = endOnce({ server, store, telemetry, logger });
  process.once('SIGTERM', () => end('SIGTERM'));
  process.once('SIGINT', () => end('SIGINT'));
  // Not on `disconnect`, as our other processes do: senders are served on while nobody supervises; the next start takes our place.
  process.stderr.on('error', () => undefined);
  process.send?.('ready');
}

/** Takes no new connection, lets requests finish, and goes; after ten seconds it goes anyway. */
function endOnce(parts: { server: Server; store: InboxStore; telemetry: Telemetry; logger: Logger }): (why: string) => void {
  const { server, store, telemetry, logger } = parts;
  let ending = false;
  return (why) => {
    if (ending) return;
    ending = true;
    logger.info('receiver ends', { why });
    setTimeout(() => process.exit(1), DRAIN_MS).unref();
    const idle = setInterval(() => server.closeIdleConnections(), CLOSE_IDLE_MS);
    server.close(() => {
      clearInterval(idle);
      void Promise.allSettled([store.close(), telemetry.shutdown()]).finally(() => process.exit(why.startsWith('SIG') ? 0 : 1));
    });
  };
}
