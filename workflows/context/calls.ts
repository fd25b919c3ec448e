// On whose behalf the workflow works: the request that started it, and the requests of its commands. For log lines and traces only;
// nothing that is decided depends on it, so histories replay alike with and without it.
import { defaultPayloadConverter, type Headers } from '@temporalio/common';
import { AsyncLocalStorage, proxySinks, type Sinks } from '@temporalio/workflow';
import { type CallContext, CONTEXT_HEADER, type WorkflowSpan } from './messages';

interface TracingSinks extends Sinks {
  tracing: { span(span: WorkflowSpan): void };
}

/** A command whose workflow never gets to it is not waited for. */
const MOST_RECEIVED = 100;
const SAMPLED = /-0[1357bdf]$/;
const { tracing } = proxySinks<TracingSinks>();

/** One request's part of this workflow; a span when it is traced. */
class Call {
  #ended = false;
  readonly #startedAtMs = Date.now();

  constructor(
    readonly context: CallContext,
    private readonly name: string,
  ) {}

  /** For what is called on its behalf; null when it is not traced, or over. */
  traceparent(): string | null {
    const { traceparent, span_id: spanId } = this.context;
    if (this.#ended || traceparent === undefined || spanId === undefined) return null;
    return `${traceparent.slice(0, 36)}${spanId}${traceparent.slice(52)}`;
  }

  end(error: unknown = null): void {
    const { traceparent, span_id: spanId, request_id: requestId } = this.context;
    const wanted = !this.#ended && traceparent !== undefined && SAMPLED.test(traceparent) && spanId !== undefined;
    this.#ended = true;
    if (!wanted) return;
    const message = error === null ? null : error instanceof Error ? error.message : String(error);
    tracing.span({
      name: this.name,
      traceparent,
      spanId,
      requestId,
      startedAtMs: this.#startedAtMs,
      endedAtMs: Date.now(),
      error: message,
    });
  }
}

const active = new AsyncLocalStorage<Call>();
const received = new Map<string, Call>();
let start: Call | null = null;

/** The call that is being worked for: a command's, else the start's. */
export function currentCall(): Call | null {
  return active.getStore() ?? start;
}

export function callFrom(headers: Headers, name: string): Call {
  const header = headers[CONTEXT_HEADER];
  return new Call(header === undefined ? {} : defaultPayloadConverter.fromPayload<CallContext>(header), name);
}

export function began(call: Call): void {
  start = call;
}

/** Remembers a command until `onBehalfOf` takes it up. */
export function receive(call: Call): void {
  const { request_id: requestId } = call.context;
  if (requestId === undefined) return;
  received.set(requestId, call);
  for (const oldest of received.keys()) {
    if (received.size <= MOST_RECEIVED) break;
    received.delete(oldest);
  }
}

/** The start is done, whatever became of it: what comes later by the clock belongs to no request. */
export function startIsDone(error: string | null): void {
  start?.end(error);
}

/** Works for the request of this id, when it came with a context; its span ends with the work. */
export function onBehalfOf<T>(requestId: string | null, work: () => Promise<T>): Promise<T> {
  const call = requestId === null ? undefined : received.get(requestId);
  if (call === undefined) return work();
  const working = active.run(call, work);
  // Beside the promise, not in front of it: who awaits it goes on in the same microtask as ever.
  working.then(
    () => call.end(),
    (error: unknown) => call.end(error),
  );
  return working;
}
