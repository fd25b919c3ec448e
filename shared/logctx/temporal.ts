// Lets the Temporal SDK log through our logger.
import type { Logger, LogLevel } from './logger';

export type TemporalLogLevel = 'TRACE' | 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';

/** Has the shape of the SDK's Logger, which is not imported: the api logs too and must not load the worker. */
export interface TemporalLogger {
  log(level: TemporalLogLevel, message: string, meta?: Record<string | symbol, unknown>): void;
  trace(message: string, meta?: Record<string | symbol, unknown>): void;
  debug(message: string, meta?: Record<string | symbol, unknown>): void;
  info(message: string, meta?: Record<string | symbol, unknown>): void;
  warn(message: string, meta?: Record<string | symbol, unknown>): void;
  error(message: string, meta?: Record<string | symbol, unknown>): void;
}

const LEVELS: Readonly<Record<TemporalLogLevel, LogLevel>> = { TRACE: 'debug', DEBUG: 'debug', INFO: 'info', WARN: 'warn', ERROR: 'error' };
const RESOURCE_WORKFLOW = /^resource\/(.+)$/;

function fieldsOf(meta: Record<string | symbol, unknown> | undefined): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(meta ?? {})) {
    fields[key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)] = value;
  }
  const resourceId = typeof fields.workflow_id === 'string' ? RESOURCE_WORKFLOW.exec(fields.workflow_id)?.[1] : undefined;
  if (resourceId !== undefined) fields.resource_id ??= resourceId;
  return fields;
}

/** For `Runtime.install({ logger })`. The SDK's field names become ours (`workflowId` is `workflow_id`), and `resource/<id>` gives `resource_id`. */
export function temporalLogger(logger: Logger): TemporalLogger {
  const log: TemporalLogger['log'] = (level, message, meta) => logger.log(LEVELS[level] ?? 'info', message, fieldsOf(meta));
  return {
    log,
    trace: (message, meta) => log('TRACE', message, meta),
    debug: (message, meta) => log('DEBUG', message, meta),
    info: (message, meta) => log('INFO', message, meta),
    warn: (message, meta) => log('WARN', message, meta),
    error: (message, meta) => log('ERROR', message, meta),
  };
}
