// Errors that nobody caught: logged and exported with their stack, told to the request they belong to, and the process ends only in order.
import { AsyncLocalStorage } from 'node:async_hooks';
import { Counter, type Registry } from 'prom-client';
import type { Logger } from '../logctx';
import { sanitizeText } from '../sanitize';
import { recordUncaught } from '../telemetry';

type Handler = (error: unknown) => void;
type Origin = 'uncaughtException' | 'unhandledRejection';

const handlers = new AsyncLocalStorage<Handler>();

/** What throws in `fn`, or in whatever it set going (a timer, an emitter, a promise that nobody awaits), is told to `handler`. */
export function withUncaughtHandler<T>(handler: Handler, fn: () => T): T {
  return handlers.run(handler, fn);
}

export interface GuardOptions {
  /** As it stands in front of what goes to standard error. */
  name: string;
  logger: Pick<Logger, 'error'>;
  registry?: Registry;
  /** Called once, for an error that belongs to no request: lets the work that is under way finish, then exits. */
  end: (why: string) => void;
}

/**
 * Takes over `uncaughtException` and `unhandledRejection` of this process. An error that belongs to a request ends that request alone;
 * any other leaves the process in a state that nobody knows, so it is ended in order and whoever supervises it starts it anew.
 */
export function guardProcess({ name, logger, registry, end }: GuardOptions): void {
  const errors = uncaughtCounter(registry);
  let ending = false;
  const caught = (origin: Origin) => (error: unknown) => {
    const handler = handlers.getStore();
    errors?.inc({ origin, request: handler === undefined ? 'no' : 'yes' });
    // A logger or an exporter that fails here must not come back as an uncaught error.
    quietly(() => logger.error('an error was not caught', { origin, of_a_request: handler !== undefined, error }));
    quietly(() => recordUncaught(origin, error));
    if (handler !== undefined) return quietly(() => handler(error));
    if (ending) return;
    ending = true;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`${name}: ${origin}: ${sanitizeText(text)}\n`);
    end(origin);
  };
  process.on('uncaughtException', caught('uncaughtException'));
  process.on('unhandledRejection', caught('unhandledRejection'));
}

/** For an error that stops a start: one line, without what is secret in it. */
export function startFailure(name: string, error: unknown): string {
  return `${name}: ${sanitizeText(error instanceof Error ? error.message : String(error))}\n`;
}

function uncaughtCounter(registry: Registry | undefined) {
  if (registry === undefined) return undefined;
  return new Counter({
    name: 'leasehold_uncaught_errors_total',
    help: 'Errors that nobody caught, by how they arrived and whether they belonged to a request, which was answered 500.',
    labelNames: ['origin', 'request'],
    registers: [registry],
  });
}

function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // There is nobody left to tell.
  }
}
