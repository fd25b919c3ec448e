// The one closed catalogue of errors: what can go wrong, its HTTP status, and the word for it on the wire.

export const ERROR_CATALOGUE = {
  // 400
  invalid_json: 400,
  invalid_request: 400,
  name_required: 400,
  invalid_name: 400,
  invalid_env: 400,
  invalid_ttl: 400,
  invalid_labels: 400,
  invalid_notify_webhook: 400,
  invalid_notify_email: 400,
  invalid_dimensions: 400,
  invalid_parent: 400,
  invalid_idempotency_key: 400,
  invalid_cursor: 400,
  invalid_limit: 400,
  invalid_filter: 400,
  ttl_too_long: 400,
  ttl_too_short: 400,
  path_unsafe: 400,
  credentials_in_query: 400,
  // 401-405
  unauthorized: 401,
  upgrade_required: 402,
  postgres_limit_reached: 402,
  vector_limit_reached: 402,
  redis_limit_reached: 402,
  mongodb_limit_reached: 402,
  queue_limit_reached: 402,
  storage_limit_reached: 402,
  webhook_limit_reached: 402,
  team_members_limit_reached: 402,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  not_acceptable: 406,
  // 409, 410
  already_paused: 409,
  not_paused: 409,
  already_suspended: 409,
  not_suspended: 409,
  resource_suspended: 409,
  resource_not_ready: 409,
  no_expiry: 409,
  already_claimed: 409,
  subscription_limit_reached: 409,
  sign_in_to_claim: 409,
  service_account_exists: 409,
  already_member: 409,
  last_owner: 409,
  resource_inactive: 410,
  webhook_inactive: 410,
  invitation_inactive: 410,
  // 413-429
  payload_too_large: 413,
  unsupported_media_type: 415,
  idempotency_key_reuse: 422,
  websocket_required: 426,
  provision_limit_reached: 429,
  rate_limited: 429,
  // 5xx
  internal_error: 500,
  provision_failed: 502,
  service_disabled: 503,
  no_capacity: 503,
  draining: 503,
  temporarily_unavailable: 503,
  timeout: 504,
} as const;

export type ErrorCode = keyof typeof ERROR_CATALOGUE;

export function isErrorCode(value: string): value is ErrorCode {
  return Object.hasOwn(ERROR_CATALOGUE, value);
}

export function httpStatusOf(code: ErrorCode): number {
  return ERROR_CATALOGUE[code];
}

/** Plain data about an error: which field, what would be allowed. Never a secret. */
export type ErrorDetails = Record<string, string | number | boolean | null | string[]>;

/** What travels between the rooms; each edge (HTTP, Temporal) maps it once. */
export class LeaseholdError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(options: { code: ErrorCode; message: string; details?: ErrorDetails; cause?: unknown }) {
    super(options.message, { cause: options.cause });
    this.name = 'LeaseholdError';
    this.code = options.code;
    this.details = options.details ?? {};
  }
}

/** Failure types that only workflow and activities know; they never reach the wire. */
export const INTERNAL_FAILURE = {
  /** Another run has taken the row over: end without touching anything. */
  superseded: 'Superseded',
  /** The fence said no: the row is not pending any more, or not of this generation. */
  fenced: 'Fenced',
} as const;
