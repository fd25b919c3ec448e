// Ids of spans that are fixed before the span is made: a request's by its `traceparent` header, a workflow's by what the workflow was told.

export interface ChosenIds {
  traceId: string;
  spanId: string;
}

let next: ChosenIds | null = null;

/** The one span that `start` makes, synchronously, gets these ids. */
export function withIds<T>(ids: ChosenIds, start: () => T): T {
  next = ids;
  try {
    return start();
  } finally {
    next = null;
  }
}

export function chosenIds(): ChosenIds | null {
  return next;
}
