// The relay process: publishes what the outbox holds. Any number of them may run, on any machine that reaches database and broker.
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { hostname } from 'node:os';
import { collectDefaultMetrics, Registry } from 'prom-client';
import { assertUnprivileged, createPool, migrationState } from '../../shared/db';
import { createLogger } from '../../shared/logctx';
import { outboxLag } from '../../shared/outbox';
import { Relay, RelayMetrics } from '../../shared/relay';
import { registerBuildInfo } from '../../shared/telemetry';
import { guardProcess } from '../../shared/uncaught';
import type { WorkerRun } from '../worker/entry';
import { readRelayConfig } from './config';

const SERVICE = 'leasehold-relay';
const CONNECTIONS = 5;

/** Runs until `stop` is aborted. */
export async function runRelay(options: WorkerRun): Promise<void> {
  const config = readRelayConfig(options.env);
  const logger = createLogger({ process: 'relay', level: config.logLevel });
  const pool = createPool({ url: config.databaseUrl, applicationName: SERVICE, max: CONNECTIONS });
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  registerBuildInfo(registry, 'relay');
  guardProcess({ name: SERVICE, logger, registry, end: options.end });
  try {
    await assertUnprivileged(pool);
    const migrations = await migrationState(pool);
    if (migrations.status === 'behind') throw new Error(`the platform database is at ${migrations.version}: run the migrations first`);
    const metrics = new RelayMetrics(registry, () => outboxLag(pool));
    const server = await serve(registry, config.metricsPort);
    const name = `${hostname()}/${process.pid}/${randomBytes(3).toString('hex')}`;
    const relay = new Relay({ ...config, name, pool, logger, metrics });
    options.onReady();
    await relay.run(options.stop);
    server.close();
    server.closeAllConnections();
  } finally {
    await pool.end();
  }
}

async function serve(registry: Registry, port: number): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url === '/livez') {
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"alive":true}');
      return;
    }
    if (request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    registry.metrics().then(
      (text) => response.writeHead(200, { 'Content-Type': registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}
