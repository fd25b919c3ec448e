// Whether this process traces, and its beginning and end. The SDK is loaded only when it does.
import { Environment, presetEnvironment } from '../config';
import type { Logger } from '../logctx';

export interface Telemetry {
  /** Sends what is left, within the deadline; what cannot be sent by then is dropped. Never throws. */
  shutdown(): Promise<void>;
}

const OFF: Telemetry = { shutdown: async () => undefined };
let on = false;

export function tracingIsOn(): boolean {
  return on;
}

/** By OpenTelemetry's own variables: an endpoint switches it on, OTEL_SDK_DISABLED and OTEL_TRACES_EXPORTER=none off. */
export function tracingWanted(env: NodeJS.ProcessEnv): boolean {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const disabled = env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true';
  return Boolean(endpoint) && !disabled && env.OTEL_TRACES_EXPORTER?.trim() !== 'none';
}

/**
 * Once a process, before it makes clients.
 * @param name of the process; `leasehold-<name>` is the service's name unless OTEL_SERVICE_NAME says another
 */
export function startTelemetry(options: { env: NodeJS.ProcessEnv; name: string; logger: Pick<Logger, 'info' | 'warn'> }): Telemetry {
  if (!tracingWanted(options.env)) return OFF;
  const headers = new Environment(options.env).text('OTEL_EXPORTER_OTLP_HEADERS');
  // The exporter reads the variable itself, and knows nothing of secrets in files.
  if (headers !== undefined) presetEnvironment('OTEL_EXPORTER_OTLP_HEADERS', headers);
  // Loaded only here: a process that traces nothing pays nothing for it.
  const { startProvider } = require('./provider') as typeof import('./provider');
  const provider = startProvider(options);
  on = true;
  return {
    async shutdown() {
      on = false;
      await provider.shutdown();
    },
  };
}
