// What an activity's failure means for the caller: a code of the catalogue, and never the backend's own words beyond it.
import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import type { ErrorCode, ErrorDetails } from '../../shared/errors';
import { isErrorCode } from '../../shared/errors';

export interface Refusal {
  code: ErrorCode;
  message: string;
  details: ErrorDetails;
}

export interface Failure {
  type: string;
  message: string;
  details: ErrorDetails;
}

export const INACTIVE: Refusal = { code: 'resource_inactive', message: 'The resource is deleted or being deleted.', details: {} };

/** What an effect answers that was left to the next run. */
export const LATER = 'later';

export function describeFailure(error: unknown): Failure {
  const cause = error instanceof ActivityFailure ? (error.cause ?? error) : error;
  const message = cause instanceof Error ? cause.message : String(cause);
  if (!(cause instanceof ApplicationFailure)) return { type: '', message, details: {} };
  return { type: cause.type ?? '', message, details: (cause.details?.[0] as ErrorDetails | undefined) ?? {} };
}

/** A code of the catalogue is passed on; anything else is the backend's trouble, told without its words. */
export function refusalOf(failure: Failure): Refusal {
  if (isErrorCode(failure.type)) return { code: failure.type, message: failure.message, details: failure.details };
  return { code: 'provision_failed', message: 'The backend did not do it; everything it made is being removed.', details: {} };
}
