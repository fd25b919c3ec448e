// What can go wrong on a Postgres backend, and its one mapping to Temporal's failures.
import { CancelledFailure } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { DatabaseError } from 'pg';
import { INTERNAL_FAILURE } from '../../shared/errors';

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

/** The database that a verb is about is not there, and the verb does not make one. */
export class ObjectMissing extends Error {
  override readonly name = 'ObjectMissing';
}

const OWN_ERRORS = [ProviderUnavailable, ProviderMisconfigured, Fenced, ObjectMissing];

/** SQLSTATE classes and states that no repetition cures. */
const MISCONFIGURED = [/^28/, /^42501$/, /^42601$/, /^0A000$/, /^0LP01$/];
const VERIFIER = /SCRAM-SHA-256\$[^\s'"]+/g;
const URL_PASSWORD = /(\w+:\/\/[^\s:@/]*):[^\s@]+@/g;

export function redact(text: string): string {
  return text.replace(VERIFIER, '<verifier>').replace(URL_PASSWORD, '$1:***@');
}

/** A driver's error as one of ours. Only code and message are taken over: details and inner queries can quote what was sent. */
export function toProviderError(error: unknown): Error {
  if (OWN_ERRORS.some((own) => error instanceof own)) return error as Error;
  if (error instanceof CancelledFailure || error instanceof ApplicationFailure) return error;
  if (error instanceof DatabaseError) {
    const message = redact(`${error.code ?? 'no SQLSTATE'} ${error.message}`);
    const misconfigured = MISCONFIGURED.some((pattern) => pattern.test(error.code ?? ''));
    return misconfigured ? new ProviderMisconfigured(message) : new ProviderUnavailable(message);
  }
  // A refused connection is an AggregateError without a message: its code says more.
  const { message, code } = Object(error) as { message?: unknown; code?: unknown };
  return new ProviderUnavailable(redact(String(message || code || 'unknown error')));
}

/** At the activity's edge, once. */
export function toApplicationFailure(error: unknown): Error {
  if (error instanceof CancelledFailure || error instanceof ApplicationFailure) return error;
  const own = toProviderError(error);
  return own instanceof ProviderUnavailable
    ? ApplicationFailure.retryable(own.message, own.name)
    : ApplicationFailure.nonRetryable(own.message, own.name);
}

export function hasSqlState(error: unknown, ...states: string[]): boolean {
  return error instanceof DatabaseError && error.code !== undefined && states.includes(error.code);
}
