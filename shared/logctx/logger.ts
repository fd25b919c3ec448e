// The logger: winston underneath, with its handling of meta left out, since that merges errors into the message.
import { isSpanContextValid, trace } from '@opentelemetry/api';
import winston from 'winston';
import { buildInfo } from '../buildinfo';
import { sanitize } from '../sanitize';
import { currentContext } from './context';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';
/** An Error given alone stands in the line as `error`. */
export type LogMeta = Record<string, unknown> | Error;

export interface Logger {
  error(message: string, meta?: LogMeta): void;
  warn(message: string, meta?: LogMeta): void;
  info(message: string, meta?: LogMeta): void;
  debug(message: string, meta?: LogMeta): void;
  log(level: LogLevel, message: string, meta?: LogMeta): void;
  /** A logger whose every line has these fields too. */
  child(fields: Record<string, unknown>): Logger;
}

export interface CreateLoggerOptions {
  /** Which of our processes this is: `api`, `worker`, ... */
  process: string;
  /** Default info. */
  level?: LogLevel;
  /** Default standard output. */
  stream?: NodeJS.WritableStream;
}

/** Set by the logger alone; a field of such a name gets an underscore behind it. */
const RESERVED = new Set(['time', 'level', 'message', 'process', 'commit_id']);
const LEVELS: Record<LogLevel, number> = { error: 0, warn: 1, info: 2, debug: 3 };

function fieldsOf(meta: LogMeta | undefined): Record<string, unknown> {
  if (meta instanceof Error) return { error: meta };
  return Object.fromEntries(Object.entries(meta ?? {}).map(([key, value]) => [RESERVED.has(key) ? `${key}_` : key, value]));
}

/** The innermost span that is open, where this process traces: nearer than what the context was given at its beginning. */
function activeSpan(): { trace_id?: string; span_id?: string } {
  const active = trace.getActiveSpan()?.spanContext();
  return active === undefined || !isSpanContextValid(active) ? {} : { trace_id: active.traceId, span_id: active.spanId };
}

/** A JSON line an event: `time, level, process, commit_id`, the context's fields, those of the call, `message`; all of it sanitized. */
export function createLogger(options: CreateLoggerOptions): Logger {
  const base = { process: options.process, commit_id: buildInfo().commitId };
  const output = winston.createLogger({
    levels: LEVELS,
    level: options.level ?? 'info',
    format: winston.format.printf((info) => String(info.message)),
    transports: [new winston.transports.Stream({ stream: options.stream ?? process.stdout, eol: '\n' })],
  });

  const make = (ownFields: Record<string, unknown>): Logger => {
    const log = (level: LogLevel, message: string, meta?: LogMeta) => {
      if (!output.isLevelEnabled(level)) return;
      const line = {
        time: new Date().toISOString(),
        level,
        ...base,
        ...currentContext(),
        ...activeSpan(),
        ...ownFields,
        ...fieldsOf(meta),
        message,
      };
      output.log({ level, message: JSON.stringify(sanitize(line)) });
    };
    return {
      log,
      error: (message, meta) => log('error', message, meta),
      warn: (message, meta) => log('warn', message, meta),
      info: (message, meta) => log('info', message, meta),
      debug: (message, meta) => log('debug', message, meta),
      child: (fields) => make({ ...ownFields, ...fieldsOf(fields) }),
    };
  };
  return make({});
}
