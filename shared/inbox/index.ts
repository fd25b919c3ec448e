// README: webhook inboxes: which there are, which token opens them, and the ring of requests each holds; Redis while it answers, else Postgres.
export { keptHeaders } from './headers';
export { inboxLimits, LARGEST_BODY_BYTES } from './limits';
export type { InboxRegistry, InboxToken } from './registry';
export { inboxDatabaseOf, prepareInboxDatabase } from './schema';
export { signatureMatches, unseal } from './sealing';
export { type InboxOptions, type InboxState, InboxStore } from './store';
export type {
  CapturedRequest,
  FoundInbox,
  InboxLimits,
  InboxLogger,
  ReceiveOutcome,
  RequestSummary,
  SignatureRule,
  StoredRequest,
} from './types';
