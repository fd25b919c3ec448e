// The one place where what went wrong becomes an HTTP answer.
import { ApplicationFailure, isGrpcServiceError, ServiceError, WorkflowUpdateFailedError } from '@temporalio/client';
import { ERROR_CATALOGUE, type ErrorCode, type ErrorDetails, httpStatusOf, isErrorCode, LeaseholdError } from '../shared/errors';
import { agentActionFor } from './agentactions';
import type { AuthFailure } from './auth/authenticate';

/** A `LeaseholdError` with what only HTTP needs. */
export class ApiError extends LeaseholdError {
  readonly errorCode: AuthFailure | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(options: {
    code: ErrorCode;
    message: string;
    details?: ErrorDetails;
    cause?: unknown;
    errorCode?: AuthFailure;
    retryAfterSeconds?: number;
    headers?: Record<string, string>;
  }) {
    super(options);
    this.name = 'ApiError';
    this.errorCode = options.errorCode;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.headers = options.headers ?? {};
  }
}

export interface ErrorEnvelope {
  ok: false;
  error: ErrorCode;
  message: string;
  request_id: string;
  retry_after_seconds: number | null;
  agent_action: string;
  upgrade_url?: string;
  error_code?: string;
  details?: ErrorDetails;
}

export interface ErrorAnswer {
  status: number;
  headers: Record<string, string>;
  envelope: ErrorEnvelope;
}

/** Seconds to wait where the error itself knows no better. */
const RETRY_AFTER_SECONDS: Partial<Record<ErrorCode, number>> = {
  rate_limited: 60,
  provision_failed: 10,
  service_disabled: 60,
  no_capacity: 30,
  draining: 1,
  temporarily_unavailable: 5,
  timeout: 5,
};

const DAY_SECONDS = 86_400;

function retryAfterOf(error: LeaseholdError, status: number, nowMs: number): number | null {
  if (status !== 429 && status < 502) return null;
  if (error instanceof ApiError && error.retryAfterSeconds !== undefined) return error.retryAfterSeconds;
  // Provisions are counted by the day, UTC.
  if (error.code === 'provision_limit_reached') return DAY_SECONDS - (Math.floor(nowMs / 1000) % DAY_SECONDS);
  return RETRY_AFTER_SECONDS[error.code] ?? 5;
}

/** What Express and its body parser throw: an `Error` with a status and a type. */
interface HttpLibraryError {
  status: number;
  type?: string;
}

function isHttpLibraryError(error: unknown): error is HttpLibraryError {
  return error instanceof Error && 'status' in error && typeof error.status === 'number';
}

function fromLibrary(error: HttpLibraryError): LeaseholdError | null {
  if (error.type === 'entity.parse.failed') {
    return new ApiError({ code: 'invalid_json', message: 'The body is not valid JSON. Send one JSON object.' });
  }
  if (error.status === 413)
    return new ApiError({ code: 'payload_too_large', message: 'The body is larger than 1 MiB (1048576 bytes). Send less.' });
  if (error.status === 415) {
    return new ApiError({
      code: 'unsupported_media_type',
      message: 'The body must be application/json in UTF-8, plain or with gzip, deflate or br.',
    });
  }
  if (error.status === 404) return new ApiError({ code: 'not_found', message: 'There is nothing at this address.' });
  if (error.status >= 400 && error.status < 500) {
    return new ApiError({ code: 'invalid_request', message: 'The request could not be read. Check its address, length and encoding.' });
  }
  return null;
}

/** The workflow's own words: its failure type is a code of the catalogue. */
export function fromUpdateFailure(error: WorkflowUpdateFailedError): LeaseholdError {
  let cause: unknown = error.cause;
  while (cause instanceof Error) {
    if (cause instanceof ApplicationFailure && typeof cause.type === 'string' && isErrorCode(cause.type)) {
      const details = cause.details?.[0];
      return new LeaseholdError({ code: cause.type, message: cause.message, details: isDetails(details) ? details : {}, cause: error });
    }
    cause = cause.cause;
  }
  // The run ended under the command (a delete won, or an operator ended it).
  return new ApiError({
    code: 'temporarily_unavailable',
    message: 'The command was not finished. Repeat it.',
    retryAfterSeconds: 1,
    cause: error,
  });
}

function isDetails(value: unknown): value is ErrorDetails {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** pg's connection errors: classes 08, 53, 57P and the socket's own codes. */
const DATABASE_AWAY = /^(08|53|57P)|^(ECONNREFUSED|ECONNRESET|EPIPE|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH)$/;

function isDatabaseAway(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? error.code : undefined;
  if (typeof code === 'string' && DATABASE_AWAY.test(code)) return true;
  if (error instanceof AggregateError) return error.errors.some(isDatabaseAway);
  return /^(timeout exceeded when trying to connect|Connection terminated|Query read timeout)/.test(error.message);
}

/** Anything that was thrown, as a member of the catalogue. */
export function toLeaseholdError(error: unknown): LeaseholdError {
  if (error instanceof LeaseholdError) return error;
  if (error instanceof WorkflowUpdateFailedError) return fromUpdateFailure(error);
  if (error instanceof ServiceError || (error instanceof Error && isGrpcServiceError(error))) {
    return new ApiError({
      code: 'temporarily_unavailable',
      message: 'The orchestrator cannot be reached. Repeat the request.',
      cause: error,
    });
  }
  if (isDatabaseAway(error)) {
    return new ApiError({
      code: 'temporarily_unavailable',
      message: 'The platform database cannot be reached. Repeat the request.',
      cause: error,
    });
  }
  const library = isHttpLibraryError(error) ? fromLibrary(error) : null;
  return library ?? new ApiError({ code: 'internal_error', message: 'Something failed on our side.', cause: error });
}

export interface ErrorUrls {
  baseUrl: string;
  upgradeUrl: string;
}

export function errorAnswer(error: LeaseholdError, context: { requestId: string; urls: ErrorUrls; nowMs: number }): ErrorAnswer {
  const status = httpStatusOf(error.code);
  const retryAfterSeconds = retryAfterOf(error, status, context.nowMs);
  const headers: Record<string, string> = { ...(error instanceof ApiError ? error.headers : {}) };
  if (retryAfterSeconds !== null) headers['Retry-After'] = String(retryAfterSeconds);
  if (status === 401) headers['WWW-Authenticate'] = 'Bearer realm="leasehold"';
  const limited = status === 402 || error.code === 'provision_limit_reached';
  const envelope: ErrorEnvelope = {
    ok: false,
    error: error.code,
    message: error.message,
    request_id: context.requestId,
    retry_after_seconds: retryAfterSeconds,
    agent_action: agentActionFor(error.code, context.urls),
  };
  if (limited) envelope.upgrade_url = context.urls.upgradeUrl;
  if (error instanceof ApiError && error.errorCode !== undefined) envelope.error_code = error.errorCode;
  if (Object.keys(error.details).length > 0) envelope.details = error.details;
  return { status, headers, envelope };
}

/** RFC 9457: the same facts, under its names too. */
export function asProblem(answer: ErrorAnswer, baseUrl: string): Record<string, unknown> {
  const { error, message, request_id } = answer.envelope;
  return {
    type: `${baseUrl}/docs#error-${error}`,
    title: error.replaceAll('_', ' '),
    status: answer.status,
    detail: message,
    instance: `urn:request:${request_id}`,
    ...answer.envelope,
  };
}

/** Codes of one HTTP status, as the OpenAPI document lists them. */
export function codesOfStatus(status: number): ErrorCode[] {
  return (Object.keys(ERROR_CATALOGUE) as ErrorCode[]).filter((code) => httpStatusOf(code) === status);
}
