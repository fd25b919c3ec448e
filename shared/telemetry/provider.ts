// The tracer provider: batches go out by OTLP over HTTP; sampler, batch sizes, headers and timeouts are read by the SDK from its variables.
import { context, DiagLogLevel, diag, propagation, trace } from '@opentelemetry/api';
import { setGlobalErrorHandler, W3CTraceContextPropagator } from '@opentelemetry/core';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { envDetectorSync, Resource } from '@opentelemetry/resources';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { buildInfo } from '../buildinfo';
import type { Logger } from '../logctx';
import { ChosenIdGenerator } from './ids';
import { SanitizingExporter } from './sanitizing-exporter';

/** Below the two seconds that a stopping worker has left after its activities. */
const SHUTDOWN_MS = 1_500;
/** A collector that is away is told of once in so long. */
const COMPLAIN_EVERY_MS = 300_000;

/** Loaded by `require`. @public */
export function startProvider({ env, name, logger }: { env: NodeJS.ProcessEnv; name: string; logger: Pick<Logger, 'info' | 'warn'> }): {
  shutdown(): Promise<void>;
} {
  complainSeldom(logger);
  const { version, commitId } = buildInfo();
  const described = new Resource({
    'service.name': `leasehold-${name}`,
    'service.namespace': 'leasehold',
    'service.version': version,
    'leasehold.process': name,
    'leasehold.commit_id': commitId,
  });
  const processor = new BatchSpanProcessor(new SanitizingExporter(new OTLPTraceExporter()));
  const provider = new NodeTracerProvider({
    // What OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say goes before our own.
    resource: described.merge(envDetectorSync.detect()),
    idGenerator: new ChosenIdGenerator(),
    spanProcessors: [processor],
  });
  provider.register({ propagator: new W3CTraceContextPropagator() });
  const protocol = env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL || env.OTEL_EXPORTER_OTLP_PROTOCOL;
  if (protocol && protocol !== 'http/json') logger.warn('traces are sent as http/json, the only protocol that is built in', { protocol });
  logger.info('traces are exported');
  return {
    async shutdown() {
      const deadline = new Promise<void>((resolve) => setTimeout(resolve, SHUTDOWN_MS).unref());
      await Promise.race([provider.shutdown().catch(() => undefined), deadline]);
      trace.disable();
      context.disable();
      propagation.disable();
    },
  };
}

/** The SDK tells of each batch that it could not send; the address that it names may hold a key. */
function complainSeldom(logger: Pick<Logger, 'warn'>): void {
  let lastMs = Number.NEGATIVE_INFINITY;
  const complain = (error: unknown): void => {
    if (Date.now() - lastMs < COMPLAIN_EVERY_MS) return;
    lastMs = Date.now();
    logger.warn('traces could not be sent; spans are dropped until the collector is back', { error });
  };
  setGlobalErrorHandler(complain);
  const quiet = () => undefined;
  diag.setLogger({ error: complain, warn: complain, info: quiet, debug: quiet, verbose: quiet }, { logLevel: DiagLogLevel.WARN });
}
