// What the lines of one request or workflow have in common.
import { AsyncLocalStorage } from 'node:async_hooks';

export interface LogContext {
  request_id?: string;
  team_id?: string;
  resource_id?: string;
  workflow_id?: string;
  run_id?: string;
  trace_id?: string;
  span_id?: string;
}

const storage = new AsyncLocalStorage<Readonly<LogContext>>();
const NONE: Readonly<LogContext> = Object.freeze({});

/** Runs `fn`, and whatever it awaits, with these fields added to those it already has. An undefined field leaves the outer one. */
export function withContext<Result>(fields: LogContext, fn: () => Result): Result {
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
  return storage.run(Object.freeze({ ...currentContext(), ...given }), fn);
}

export function currentContext(): Readonly<LogContext> {
  return storage.getStore() ?? NONE;
}
