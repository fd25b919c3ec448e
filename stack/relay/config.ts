// What the relay reads from its environment, checked once at start. It is given no key of the platform.
import { readConfig } from '../../shared/config';
import type { BrokerOptions } from '../../shared/relay';

const MS_AN_HOUR = 3_600_000;
const BYTES_A_MB = 1024 * 1024;

/** @throws ConfigError with one line that names the variable */
export function readRelayConfig(env: NodeJS.ProcessEnv) {
  const data = readConfig('relay', env);
  const retentionMs = data.LEASEHOLD_EVENTS_RETENTION_HOURS * MS_AN_HOUR;
  const url = data.LEASEHOLD_EVENTS_NATS_URL;
  const stream = { retentionMs, maxBytes: data.LEASEHOLD_EVENTS_MAX_MB * BYTES_A_MB };
  const broker: BrokerOptions | null = url === undefined ? null : { url, creds: data.LEASEHOLD_EVENTS_NATS_CREDS, stream };
  return {
    databaseUrl: data.LEASEHOLD_DATABASE_URL,
    broker,
    retentionMs,
    maximumAttempts: data.LEASEHOLD_RELAY_ATTEMPTS,
    metricsPort: data.LEASEHOLD_RELAY_METRICS_PORT ?? 0,
    logLevel: data.LEASEHOLD_LOG,
  };
}
