// Logging: one JSON line an event, with the context of the request or workflow it belongs to, and no secret in it.
export { currentContext, type LogContext, withContext } from './context';
export { type CreateLoggerOptions, createLogger, type Logger, type LogLevel, type LogMeta } from './logger';
export { type TemporalLogger, type TemporalLogLevel, temporalLogger } from './temporal';
