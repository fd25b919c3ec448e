// One sentence for each error that an agent can pass on: why it happened and what to do next. The app adds the full URL.
import type { ErrorCode } from '../shared/errors';

/** Which page the sentence ends with. */
export type AgentLink = 'docs' | 'upgrade' | 'status';

export interface AgentAction {
  /** Follows "Tell the user ", without a full stop. */
  say: string;
  link: AgentLink;
}

const FIX_REQUEST = 'Correct it as the message says; what is allowed is described at';
const UPGRADE = 'A larger plan lifts the limit, or delete something first; the plans are at';
const RETRY = 'Nothing is lost; repeat the same request in a moment, and watch the status at';

const limitReached = (what: string): AgentAction => ({ say: `the plan holds no more ${what}. ${UPGRADE}`, link: 'upgrade' });
const wrong = (what: string): AgentAction => ({ say: `${what}. ${FIX_REQUEST}`, link: 'docs' });
const state = (what: string, next: string): AgentAction => ({ say: `${what}. ${next}; see`, link: 'docs' });

export const AGENT_ACTIONS: Readonly<Record<ErrorCode, AgentAction>> = {
  invalid_json: wrong('the body is not valid JSON'),
  invalid_request: wrong('a part of the request is not as it must be'),
  name_required: wrong('the resource needs a name'),
  invalid_name: wrong('the name has characters or a length that names cannot have'),
  invalid_env: wrong('the environment name is not allowed'),
  invalid_ttl: wrong('the time to live is not written as a duration'),
  invalid_labels: wrong('the labels are not allowed'),
  invalid_notify_webhook: wrong('the webhook address cannot be called from here'),
  invalid_notify_email: wrong('the address for notices is not an e-mail address'),
  invalid_dimensions: wrong('the number of dimensions is not allowed'),
  invalid_parent: wrong('the parent resource is not one of theirs'),
  invalid_idempotency_key: wrong('the idempotency key is not printable ASCII of 1 to 255 characters'),
  invalid_cursor: wrong('the cursor is not one that a list handed out'),
  invalid_limit: wrong('the page size must be 1 to 100'),
  invalid_filter: wrong('a filter of the list is not understood'),
  ttl_too_long: { say: 'the plan does not allow so long a life. Ask for a shorter one or move to a larger plan at', link: 'upgrade' },
  ttl_too_short: wrong('the time to live is below the minimum'),
  path_unsafe: wrong('the object key is not a safe path'),
  credentials_in_query: wrong('a credential was sent in the URL, where logs keep it. Consider it leaked and send it as a header'),
  unauthorized: { say: 'a valid credential is needed. Sign in or send an api key as the Authorization header; how is at', link: 'docs' },
  upgrade_required: { say: 'this is not part of their plan. The plans that have it are at', link: 'upgrade' },
  postgres_limit_reached: limitReached('Postgres databases'),
  vector_limit_reached: limitReached('vector databases'),
  redis_limit_reached: limitReached('caches'),
  mongodb_limit_reached: limitReached('document databases'),
  queue_limit_reached: limitReached('queues'),
  storage_limit_reached: limitReached('buckets'),
  webhook_limit_reached: limitReached('webhook inboxes'),
  team_members_limit_reached: {
    say: 'their plan has no room for another member. Remove one, take an invitation back, or see the plans at',
    link: 'upgrade',
  },
  forbidden: {
    say: 'their role or the scopes of their key do not allow this. Ask an owner of the team; roles are described at',
    link: 'docs',
  },
  not_found: { say: 'there is nothing at this address for their credential. Check the id and the credential; see', link: 'docs' },
  method_not_allowed: wrong('this address does not take this method'),
  websocket_required: wrong('this address speaks WebSocket alone'),
  not_acceptable: wrong('the answer cannot be given in the media type that was asked for'),
  already_paused: state('the resource is paused already', 'Nothing is to be done, or resume it'),
  not_paused: state('the resource is not paused', 'Nothing is to be done'),
  already_suspended: state('the resource is suspended already', 'Nothing is to be done, or unsuspend it'),
  not_suspended: state('the resource is not suspended', 'Nothing is to be done'),
  resource_suspended: state('the platform has suspended the resource', 'Read the reason on the resource and contact support'),
  resource_not_ready: state('the resource is still being made', 'Wait until its status is active and repeat'),
  no_expiry: state('the resource never expires', 'It needs no extension'),
  subscription_limit_reached: state('the team has as many webhook subscriptions as there can be', 'Delete one first'),
  sign_in_to_claim: state('this address has an account', 'Sign in and repeat the claim with that credential'),
  service_account_exists: state('the subject is bound to a team already, or is a person’s', 'Use another subject for the machine'),
  already_claimed: state('the resource was claimed before', 'Sign in with the team that holds it'),
  already_member: state('they are a member of that team already', 'Nothing is to be done'),
  last_owner: state('a team needs an owner, and this is the only one', 'Make another member an owner first'),
  invitation_inactive: { say: 'the invitation was used, taken back or is too old. Ask the team for a new one; how is at', link: 'docs' },
  resource_inactive: { say: 'the resource is gone. Make a new one, with a new idempotency key if one was sent; how is at', link: 'docs' },
  webhook_inactive: { say: 'the webhook inbox is closed. Resume it if it is paused, else make a new one; how is at', link: 'docs' },
  payload_too_large: wrong('the body is larger than 1 MiB'),
  unsupported_media_type: wrong('the body must be sent as application/json'),
  idempotency_key_reuse: wrong('the idempotency key was used for another request. Send a new key, or the same body'),
  provision_limit_reached: {
    say: 'their network has made all the anonymous resources of today. Wait until tomorrow or sign up at',
    link: 'upgrade',
  },
  rate_limited: {
    say: 'there were too many requests in a minute. Wait as long as Retry-After says; limits are described at',
    link: 'docs',
  },
  internal_error: { say: 'something failed on our side. Repeat once, then report the request id; the status is at', link: 'status' },
  provision_failed: {
    say: 'the resource could not be made and nothing is left of it. Repeat the request later; the status is at',
    link: 'status',
  },
  service_disabled: {
    say: 'this kind of resource is not available on this installation now. What is available is listed at',
    link: 'status',
  },
  no_capacity: { say: `every server for this kind is full. ${RETRY}`, link: 'status' },
  draining: { say: `the resource was just being moved along. ${RETRY}`, link: 'status' },
  temporarily_unavailable: { say: `a part of the platform is away for the moment. ${RETRY}`, link: 'status' },
  timeout: {
    say: 'no answer came in time, and the effect may still come. Read the resource, then repeat; the status is at',
    link: 'status',
  },
};

const PATHS: Readonly<Record<AgentLink, string>> = { docs: '/docs', upgrade: '', status: '/readyz' };
const LONGEST = 279;

export function agentActionFor(code: ErrorCode, urls: { baseUrl: string; upgradeUrl: string }): string {
  const { say, link } = AGENT_ACTIONS[code];
  const url = link === 'upgrade' ? urls.upgradeUrl : `${urls.baseUrl}${PATHS[link]}`;
  const room = LONGEST - 'Tell the user '.length - 1 - url.length;
  return `Tell the user ${say.slice(0, Math.max(0, room))} ${url}`;
}
