// The worker's /metrics: our own numbers and, behind them, those of the Temporal SDK, which serves them on a port of its own.
import { createServer, type Server } from 'node:http';
import type { Registry } from 'prom-client';

export async function serveMetrics(options: { host: string; port: number; registry: Registry; sdkMetricsUrl: string }): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url !== '/metrics') {
      response.writeHead(404).end();
      return;
    }
    Promise.all([options.registry.metrics(), sdkMetrics(options.sdkMetricsUrl)])
      .then((parts) => response.writeHead(200, { 'Content-Type': options.registry.contentType }).end(parts.join('\n')))
      .catch(() => response.writeHead(500).end());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return server;
}

async function sdkMetrics(url: string): Promise<string> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    return await answer.text();
  } catch {
    return '# the Temporal SDK did not answer\n';
  }
}
