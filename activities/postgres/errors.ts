// What Postgres says, as the failures that every kind knows.
import { DatabaseError } from 'pg';
import { ProviderMisconfigured, ProviderUnavailable, redactUrls, toProviderError as toGenericError } from '../errors';

export { Fenced, ObjectMissing, ProviderMisconfigured, ProviderUnavailable } from '../errors';

/** SQLSTATE classes and states that no repetition cures. */
const MISCONFIGURED = [/^28/, /^42501$/, /^42601$/, /^0A000$/, /^0LP01$/];
const VERIFIER = /SCRAM-SHA-256\$[^\s'"]+/g;

export function redact(text: string): string {
  return redactUrls(text.replace(VERIFIER, '<verifier>'));
}

/** A driver's error as one of ours. Only code and message are taken over: details and inner queries can quote what was sent. */
export function toProviderError(error: unknown): Error {
  if (error instanceof DatabaseError) {
    const message = redact(`${error.code ?? 'no SQLSTATE'} ${error.message}`);
    const misconfigured = MISCONFIGURED.some((pattern) => pattern.test(error.code ?? ''));
    return misconfigured ? new ProviderMisconfigured(message) : new ProviderUnavailable(message);
  }
  const own = toGenericError(error);
  return own instanceof ProviderUnavailable && own !== error ? new ProviderUnavailable(redact(own.message)) : own;
}

export function hasSqlState(error: unknown, ...states: string[]): boolean {
  return error instanceof DatabaseError && error.code !== undefined && states.includes(error.code);
}
