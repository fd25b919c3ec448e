// What can go wrong on a backend of any kind, and its one mapping to Temporal's failures.
import { CancelledFailure } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { INTERNAL_FAILURE } from '../shared/errors';

/** The server did not do it this time: trying again may help. */
export class ProviderUnavailable extends Error {
  override readonly name = 'ProviderUnavailable';
}

/** Trying again cannot help: a person must change the server or its configuration. The message says what. */
export class ProviderMisconfigured extends Error {
  override readonly name = 'ProviderMisconfigured';
}

/** The fence said no, or a newer credential version is there: this call is a straggler. */
export class Fenced extends Error {
  override readonly name = INTERNAL_FAILURE.fenced;
}

/** The object that a verb is about is not there, and the verb does not make one. */
export class ObjectMissing extends Error {
  override readonly name = 'ObjectMissing';
}

const OWN_ERRORS = [ProviderUnavailable, ProviderMisconfigured, Fenced, ObjectMissing];
const URL_PASSWORD = /(\w+:\/\/[^\s:@/]*):[^\s@]+@/g;

/** Passwords in urls go; a room takes out what else its driver may quote before it throws. */
export function redactUrls(text: string): string {
  return text.replace(URL_PASSWORD, '$1:***@');
}

export function isProviderError(error: unknown): error is Error {
  return OWN_ERRORS.some((own) => error instanceof own) || error instanceof CancelledFailure || error instanceof ApplicationFailure;
}

/** A driver's error as one of ours. Only its message is taken over; whoever knows that a repetition is of no use throws one of ours itself. */
export function toProviderError(error: unknown): Error {
  if (isProviderError(error)) return error;
  // A refused connection is an AggregateError without a message: its code says more.
  const { message, code } = Object(error) as { message?: unknown; code?: unknown };
  return new ProviderUnavailable(redactUrls(String(message || code || 'unknown error')));
}

/** At the activity's edge, once. */
export function toApplicationFailure(error: unknown): Error {
  const own = toProviderError(error);
  if (own instanceof CancelledFailure || own instanceof ApplicationFailure) return own;
  return own instanceof ProviderUnavailable
    ? ApplicationFailure.retryable(own.message, own.name)
    : ApplicationFailure.nonRetryable(own.message, own.name);
}
